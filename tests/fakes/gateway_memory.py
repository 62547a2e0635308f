"""The gateway's store in memory, behind its ports, with the semantics of a real one.

A unit of work reads what was committed and what it has written itself; without `commit` it has
changed nothing. What is locked stays so until the unit ends, and a key that is taken refuses.
`tests/integration/psp_gateway/test_store.py` holds both to the same.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from services.kernel.money import Money
from services.psp_gateway.application.inbox_ports import InboxRows
from services.psp_gateway.application.object_records import NewDeposit, NewRefund, NewWithdrawal
from services.psp_gateway.application.ports import GatewayUnit, StoredRow
from services.psp_gateway.application.records import (
    Attempt,
    Details,
    ExceptionNote,
    Identity,
    Intent,
    IntentState,
    NewAttempt,
    Origin,
)
from services.psp_gateway.application.report_ports import ReportRows
from services.psp_gateway.application.withdrawal_ports import WithdrawalRows
from services.psp_gateway.domain.accounts import PlayerChart, ProviderAccount
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.machine import Event
from services.psp_gateway.domain.objects import (
    Deposit,
    Dispute,
    DisputeState,
    Refund,
    RefundState,
    Sweep,
    Withdrawal,
)
from services.psp_gateway.domain.outcomes import Outcome
from tests.fakes.gateway_stored import Stored, StoredIntent

UNFINISHED = (IntentState.OPEN, IntentState.BLOCKED)
_NOT_REFUNDED = (RefundState.REJECTED, RefundState.FAILED, RefundState.FAILED_AFTER_SUCCESS)

ROW_TABLES = ("deposit", "refund", "dispute", "withdrawal", "sweep")

Key = tuple[Any, ...]


class KeyTakenError(Exception):
    """A row with this key is there: a use case that meets it is wrong."""


class LockMissingError(Exception):
    """A row is written without its lock: a use case that does it is wrong."""


class DeadlockError(Exception):
    """Units wait for each other's locks: a use case that meets it is wrong."""


@dataclass
class MemoryStore:
    """Units of work over dictionaries. Implements `GatewayStore`, for one tenant."""

    committed: dict[str, dict[Key, Any]] = field(default_factory=lambda: defaultdict(dict))
    """By table, which is the first part of each key."""
    owners: dict[Key, "MemoryUnit"] = field(default_factory=dict)
    waiting: dict["MemoryUnit", Key] = field(default_factory=dict)
    freed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def open(self, tenant_id: str) -> AsyncIterator[GatewayUnit]:
        assert tenant_id
        unit = MemoryUnit(self)
        try:
            yield unit
        finally:
            for key in [key for key, owner in self.owners.items() if owner is unit]:
                del self.owners[key]
            async with self.freed:
                self.freed.notify_all()

    async def lock(self, unit: "MemoryUnit", key: Key) -> None:
        """Wait until nobody else holds a key, and hold it."""
        while self.owners.get(key, unit) is not unit:
            holder: MemoryUnit | None = self.owners[key]
            while holder is not None:
                if holder is unit:
                    raise DeadlockError(f"{key} is held by one who waits for this")
                holder = self.owners.get(self.waiting.get(holder, ()))
            self.waiting[unit] = key
            try:
                async with self.freed:
                    await self.freed.wait()
            finally:
                del self.waiting[unit]
        self.owners[key] = unit

    async def stored(self) -> Stored:
        """Return what is committed."""
        of, unit = self.committed, MemoryUnit(self)
        return Stored(
            rows=[unit.whole(row) for table in ROW_TABLES for row in of[table].values()],
            head=of["head"].get(("head",), 0),
            events=[(number, event) for (_, number), event in of["event"].items()],
            intents=sorted(of["intent"].values(), key=_decided),
            identities={(key[2], key[3]): one for key, one in of["identity"].items()},
            requests={request_id for _, request_id in of["request"]},
            exceptions=[note.kind for note in of["exception"].values()],
        )


class MemoryUnit:
    """A unit of work; its parts are the ports of `GatewayUnit`, over one set of writes."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._writes: dict[str, dict[Key, Any]] = defaultdict(dict)
        self.objects = MemoryObjects(self)
        self.history = MemoryHistory(self)
        self.intents = MemoryIntents(self)
        self.attempts = MemoryAttempts(self)
        self.requests = MemoryRequests(self)

    @property
    def inbox(self) -> InboxRows:
        raise NotImplementedError

    @property
    def reports(self) -> ReportRows:
        raise NotImplementedError

    @property
    def withdrawals(self) -> WithdrawalRows:
        raise NotImplementedError

    async def raise_exceptions(self, notes: Collection[ExceptionNote], now: datetime) -> None:
        for note in notes:
            key = ("exception", note.kind, note.object_type, note.object_id, note.cause)
            self.write(key, self.read(key) or note)

    async def commit(self) -> None:
        for table, rows in self._writes.items():
            self._store.committed[table].update(rows)
        self._writes.clear()

    async def lock(self, *key: Any) -> Any:
        """Lock a row until the unit ends, and return it; where there is none nothing is locked."""
        return await self.claim(*key) if self.read(key) is not None else None

    async def claim(self, *key: Any) -> Any:
        """Let nobody else write under a key until the unit ends; return the row, if there is one.

        So does a unique index: who comes second waits for the first, and finds its row.
        """
        await self._store.lock(self, key)
        return self.read(key)

    def holds(self, key: Key) -> bool:
        """Return whether this unit holds a key."""
        return self._store.owners.get(key) is self

    def read(self, key: Key) -> Any:
        """Return a row, as this unit sees it."""
        table = key[0]
        return self._writes[table].get(key, self._store.committed[table].get(key))

    def write(self, key: Key, value: Any) -> None:
        """Write a row."""
        self._writes[key[0]][key] = value

    async def insert(self, key: Key, value: Any) -> None:
        """Write a row whose key is free."""
        if await self.claim(*key) is not None:
            raise KeyTakenError(f"{key} is taken")
        self.write(key, value)

    def all(self, table: str) -> Mapping[Key, Any]:
        """Return a table's rows, as this unit sees them."""
        return {**self._store.committed[table], **self._writes[table]}

    def whole(self, row: Any) -> Any:
        """Return a row; a withdrawal's attempts are rows of their own."""
        if not isinstance(row, Withdrawal):
            return row
        places: list[ProviderAccount] = []
        while attempt := self.read(
            ("attempt", ObjectType.WITHDRAWAL, row.withdrawal_id, len(places) + 1)
        ):
            places.append(attempt.at)
        return replace(row, attempts=tuple(places))


@dataclass
class _Part:
    unit: MemoryUnit


class MemoryObjects(_Part):
    """Implements `ObjectRows`."""

    async def lock_deposit(self, deposit_id: str) -> Deposit | None:
        found: Deposit | None = await self.unit.lock("deposit", deposit_id)
        return found

    async def lock_refund(self, refund_id: str) -> Refund | None:
        found: Refund | None = await self.unit.lock("refund", refund_id)
        return found

    async def lock_dispute(self, dispute_id: str) -> Dispute | None:
        found: Dispute | None = await self.unit.lock("dispute", dispute_id)
        return found

    async def lock_withdrawal(self, withdrawal_id: str) -> Withdrawal | None:
        found: Withdrawal | None = await self.unit.lock("withdrawal", withdrawal_id)
        return found and self.unit.whole(found)

    async def lock_sweep(self, at: ProviderAccount, sweep_id: str) -> Sweep | None:
        found: Sweep | None = await self.unit.lock("sweep", at, sweep_id)
        return found

    async def deposit_of(self, object_type: ObjectType, object_id: str) -> str | None:
        found: Refund | Dispute | None = self.unit.read((object_type, object_id))
        return found.deposit_id if found else None

    async def player_of(self, object_type: ObjectType, object_id: str) -> PlayerChart | None:
        match self.unit.read((object_type, object_id)):
            case Deposit() as deposit:
                currency_code = (deposit.captured or deposit.asked).currency_code
                return PlayerChart(deposit.player_id, currency_code)
            case Withdrawal() as withdrawal:
                return PlayerChart(withdrawal.player_id, withdrawal.amount.currency_code)
        return None

    async def refunded_minor(self, deposit_id: str) -> int:
        refunds = [r for r in self.unit.all("refund").values() if r.deposit_id == deposit_id]
        return sum(one.amount.minor_units for one in refunds if one.state not in _NOT_REFUNDED)

    async def insert_deposit(self, new: NewDeposit, now: datetime) -> None:
        await self.unit.insert(("deposit", new.deposit.deposit_id), new.deposit)

    async def insert_withdrawal(self, new: NewWithdrawal, now: datetime) -> None:
        await self.unit.insert(("withdrawal", new.withdrawal.withdrawal_id), new.withdrawal)

    async def save(self, row: StoredRow, event_sequence: int, now: datetime) -> None:
        key = _key_of(row)
        if self.unit.read(key) is not None and not self.unit.holds(key):
            raise LockMissingError(f"{key} is written by one who has not locked it")
        await self.unit.claim(*key)
        self.unit.write(key, row)

    # What is kept for people: no use case reads it back through a unit of work.

    async def describe_refund(self, refund_id: str, new: NewRefund) -> None:
        self.unit.write(("asked", refund_id), new)

    async def add_details(
        self, object_type: ObjectType, object_id: str, details: Details, now: datetime
    ) -> None:
        self.unit.write(("details", object_type, object_id), details)

    async def set_ledger_reason(self, object_type: ObjectType, object_id: str, reason: str) -> None:
        self.unit.write(("ledger_reason", object_type, object_id), reason)

    async def set_expected_fee(self, deposit_id: str, fee_minor: int) -> None:
        self.unit.write(("expected_fee", deposit_id), fee_minor)

    async def set_sweep(self, deposit_id: str, sweep_id: str) -> None:
        self.unit.write(("sweep_of", deposit_id), sweep_id)

    async def open_round(
        self,
        dispute_id: str,
        round_number: int,
        withdrawn: Money,
        movement_key: str,
        opened_at: datetime,
    ) -> None:
        await self.unit.insert(("round", dispute_id, round_number), (withdrawn, movement_key))

    async def end_round(
        self,
        dispute_id: str,
        round_number: int,
        state: DisputeState,
        reinstated_minor: int,
        ended_at: datetime,
    ) -> None:
        self.unit.write(("round_end", dispute_id, round_number), (state, reinstated_minor))

    async def add_round_fee(self, dispute_id: str, movement_key: str, fee_minor: int) -> None:
        key = ("round_fee", dispute_id, movement_key)
        self.unit.write(key, (self.unit.read(key) or 0) + fee_minor)


class MemoryHistory(_Part):
    """Implements `HistoryRows`."""

    async def is_known(self, object_type: ObjectType, object_id: str, fact: str) -> bool:
        return self.unit.read(("known", object_type, object_id, fact)) is not None

    async def append(
        self, events: Sequence[Event], at: ProviderAccount | None, origin: Origin, now: datetime
    ) -> int:
        last: int = await self.unit.claim("head") or 0
        for event in events:
            last += 1
            await self.unit.insert(("event", last), event)
            if not event.refusal:
                known = ("known", event.object_type, event.object_id, event.fact)
                await self.unit.insert(known, last)
        self.unit.write(("head",), last)
        return last

    async def lock_head(self) -> None:
        await self.unit.claim("head")


class MemoryIntents(_Part):
    """Implements `IntentRows`."""

    async def unfinished(self, object_type: ObjectType, object_id: str, row_id: str) -> bool:
        return any(
            row.state in UNFINISHED and row_id in ("", row.intent.row_id)
            for key, row in self.unit.all("intent").items()
            if key[1:3] == (object_type, object_id)
        )

    async def decided_through(self, object_type: ObjectType, object_id: str) -> int:
        intents = self.unit.all("intent").items()
        of = [row for key, row in intents if key[1:3] == (object_type, object_id)]
        return max((row.intent.event_sequence for row in of), default=0)

    async def add(
        self, intents: Sequence[Intent], next_attempt_at: datetime, now: datetime
    ) -> None:
        for position, intent in enumerate(intents):
            row = StoredIntent(intent, IntentState.OPEN, position, next_attempt_at)
            await self.unit.insert(_intent_key(intent), row)

    async def lock_open(self, intent: Intent) -> bool:
        row = await self.unit.lock(*_intent_key(intent))
        return row is not None and row.state is IntentState.OPEN

    async def finish(
        self,
        intent: Intent,
        state: IntentState,
        now: datetime,
        *,
        ledger_sequence: int | None = None,
        ledger_reason: str = "",
    ) -> None:
        await self._change(
            intent, state=state, ledger_sequence=ledger_sequence, next_attempt_at=None
        )

    async def postpone(self, intent: Intent, next_attempt_at: datetime, now: datetime) -> None:
        await self._change(intent, next_attempt_at=next_attempt_at)

    async def due(self, now: datetime, limit: int) -> Sequence[Intent]:
        rows = sorted(self.unit.all("intent").values(), key=_decided)
        held: set[Key] = set()
        due: list[Intent] = []
        for row in rows:
            of = (row.intent.object_type, row.intent.posting.object_id, row.intent.row_id)
            waits = row.next_attempt_at is not None and row.next_attempt_at > now
            if row.state is IntentState.BLOCKED or waits:
                held.add(of)
            elif row.state is IntentState.OPEN and of not in held:
                due.append(row.intent)
        return due[:limit]

    async def open_through(self, at: ProviderAccount, event_sequence: int) -> bool:
        return any(
            row.state is IntentState.OPEN
            and row.intent.posting.at == at
            and row.intent.event_sequence <= event_sequence
            for row in self.unit.all("intent").values()
        )

    async def _change(self, intent: Intent, **changes: Any) -> None:
        """Count a try, and change an intent that is still OPEN."""
        row: StoredIntent = await self.unit.lock(*_intent_key(intent))
        if row.state is IntentState.OPEN:
            tried = replace(row.intent, attempt_count=row.intent.attempt_count + 1)
            self.unit.write(_intent_key(intent), replace(row, intent=tried, **changes))


class MemoryAttempts(_Part):
    """Implements `AttemptRows`, but for what claims and hears of attempts."""

    async def add(self, attempt: NewAttempt, now: datetime) -> None:
        key = ("attempt", attempt.object_type, attempt.object_id, attempt.number)
        await self.unit.insert(key, attempt)
        identity = Identity(attempt.object_type, attempt.object_id, attempt.number)
        await self.unit.insert(("reference", attempt.at, attempt.reference), identity)

    async def claim(
        self, object_type: ObjectType, object_id: str, now: datetime, until: datetime
    ) -> Attempt | None:
        raise NotImplementedError

    async def claim_due(self, now: datetime, until: datetime, limit: int) -> Sequence[Attempt]:
        raise NotImplementedError

    async def heard(
        self,
        attempt: NewAttempt,
        outcome: Outcome | None,
        details: Details,
        next_check_at: datetime | None,
        now: datetime,
    ) -> None:
        raise NotImplementedError

    async def end(
        self, object_type: ObjectType, object_id: str, number: int | None, now: datetime
    ) -> None:
        for key in self.unit.all("attempt"):
            if key[1:3] == (object_type, object_id) and number in (None, key[3]):
                self.unit.write(("attempt_end", *key[1:]), now)

    async def identify(
        self,
        at: ProviderAccount,
        object_type: ObjectType,
        provider_object_id: str,
        reference: str,
    ) -> Identity | None:
        found: Identity | None = self.unit.read(("identity", at, object_type, provider_object_id))
        if found is None and reference:
            found = self.unit.read(("reference", at, reference))
        return found if found and found.object_type is object_type else None

    async def register(
        self, at: ProviderAccount, provider_object_id: str, identity: Identity
    ) -> Identity:
        key = ("identity", at, identity.object_type, provider_object_id)
        held: Identity = await self.unit.claim(*key) or identity
        self.unit.write(key, held)
        return held


class MemoryRequests(_Part):
    """Implements `RequestRows`."""

    async def remember(
        self, request_id: str, method: str, request_hash: bytes, object_id: str, now: datetime
    ) -> bool:
        if await self.unit.claim("request", request_id) is not None:
            return False
        self.unit.write(("request", request_id), object_id)
        return True


def _key_of(row: StoredRow) -> Key:
    match row:
        case Deposit():
            return ("deposit", row.deposit_id)
        case Refund():
            return ("refund", row.refund_id)
        case Dispute():
            return ("dispute", row.dispute_id)
        case Withdrawal():
            return ("withdrawal", row.withdrawal_id)
        case Sweep():
            return ("sweep", row.at, row.sweep_id)


def _intent_key(intent: Intent) -> Key:
    posting = intent.posting
    return ("intent", intent.object_type, posting.object_id, posting.fact, posting.number)


def _decided(row: StoredIntent) -> tuple[int, int]:
    return (row.intent.event_sequence, row.position)
