"""What the gateway's use cases need of the outside. Locking is part of these contracts."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.kernel.errors import DomainError
from services.kernel.money import Money
from services.psp_gateway.application.inbox_ports import InboxRows
from services.psp_gateway.application.object_records import (
    NewDeposit,
    NewRefund,
    NewWithdrawal,
)
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
from services.psp_gateway.domain.accounts import Account, PlayerChart, ProviderAccount
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.machine import Event, Holdings, Refusal
from services.psp_gateway.domain.objects import (
    Deposit,
    Dispute,
    DisputeState,
    Refund,
    Sweep,
    Withdrawal,
)
from services.psp_gateway.domain.outcomes import Outcome
from services.psp_gateway.domain.postings import Posting
from services.psp_gateway.domain.reasons import CATEGORIES, Reason

NewId = Callable[[datetime], UUID]
"""Makes an id, a UUID of version 7, of its time."""

StoredRow = Deposit | Refund | Dispute | Withdrawal | Sweep
"""A row that a fact changes."""


class StoreUnavailableError(DomainError):
    """The store cannot be reached or was lost; what was in progress may or may not be durable."""

    def __init__(self) -> None:
        super().__init__(
            Reason.UNAVAILABLE,
            CATEGORIES[Reason.UNAVAILABLE],
            "The gateway's database is away or busy; retry with the same request id",
        )


class LedgerUnavailableError(DomainError):
    """The ledger did not answer, or not now: the same request may yet be answered."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.UNAVAILABLE, CATEGORIES[Reason.UNAVAILABLE], message)


class LedgerRefusedError(DomainError):
    """The ledger refuses for a reason that it does not remember, such as a tenant that is missing.

    Whoever removes the cause may ask the same again.
    """

    def __init__(self, ledger_reason: str, message: str) -> None:
        super().__init__(
            Reason.LEDGER_REFUSED,
            CATEGORIES[Reason.LEDGER_REFUSED],
            f"The ledger refused: {message}",
            {"ledger_reason": ledger_reason},
        )


# --- the ledger ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Posted:
    """A posting stands in the ledger."""

    sequence: int
    transaction_id: str


class Ledger(Protocol):
    """The ledger. Each call raises LedgerUnavailableError or LedgerRefusedError."""

    def request_of(self, tenant_id: str, posting: Posting) -> bytes:
        """Return the bytes that ask for a posting; the same posting gives the same bytes."""
        ...

    async def post(self, request: bytes) -> Posted | Refusal:
        """Ask with exactly these bytes; a Refusal is final, and remembered under its request id."""
        ...

    async def create_accounts(self, tenant_id: str, accounts: Sequence[Account]) -> None:
        """Open accounts; one that exists stays as it is."""
        ...

    async def holdings(self, tenant_id: str, of: PlayerChart) -> Holdings:
        """Return what a player has and owes now."""
        ...

    async def receivable_minor(self, tenant_id: str, of: PlayerChart) -> int:
        """Return what a player owes now; 0 if he never had an account."""
        ...

    async def sequence(self, tenant_id: str) -> int:
        """Return the ledger's sequence now."""
        ...


# --- the store -----------------------------------------------------------------------------------
class ObjectRows(Protocol):
    """The rows of objects. What is locked stays so until the unit ends.

    A refund's or dispute's deposit is locked before it: whoever keeps this order meets no deadlock.
    """

    async def lock_deposit(self, deposit_id: str) -> Deposit | None:
        """Lock a deposit and return it."""
        ...

    async def lock_refund(self, refund_id: str) -> Refund | None:
        """Lock a refund, whose deposit is locked, and return it."""
        ...

    async def lock_dispute(self, dispute_id: str) -> Dispute | None:
        """Lock a dispute, whose deposit is locked, and return it."""
        ...

    async def lock_withdrawal(self, withdrawal_id: str) -> Withdrawal | None:
        """Lock a withdrawal and return it."""
        ...

    async def lock_sweep(self, at: ProviderAccount, sweep_id: str) -> Sweep | None:
        """Lock a sweep and return it."""
        ...

    async def deposit_of(self, object_type: ObjectType, object_id: str) -> str | None:
        """Return the id of a refund's or dispute's deposit, without a lock: it never changes."""
        ...

    async def player_of(self, object_type: ObjectType, object_id: str) -> PlayerChart | None:
        """Return the accounts of a deposit's or withdrawal's player, without a lock."""
        ...

    async def refunded_minor(self, deposit_id: str) -> int:
        """Return the sum of a deposit's refunds that have not failed or been rejected."""
        ...

    async def insert_deposit(self, new: NewDeposit, now: datetime) -> None:
        """Insert a deposit that was asked for."""
        ...

    async def insert_withdrawal(self, new: NewWithdrawal, now: datetime) -> None:
        """Insert a withdrawal that was asked for."""
        ...

    async def save(self, row: StoredRow, event_sequence: int, now: datetime) -> None:
        """Write a row; a refund, dispute or sweep that is not there yet is inserted."""
        ...

    async def describe_refund(self, refund_id: str, new: NewRefund) -> None:
        """Write down what was asked for with a refund of ours."""
        ...

    async def add_details(
        self, object_type: ObjectType, object_id: str, details: Details, now: datetime
    ) -> None:
        """Write what a provider says of an object over what it said before."""
        ...

    async def set_ledger_reason(self, object_type: ObjectType, object_id: str, reason: str) -> None:
        """Write why the ledger refused what a refund or withdrawal began with."""
        ...

    async def set_expected_fee(self, deposit_id: str, fee_minor: int) -> None:
        """Write what the contract with the provider lets us expect as a deposit's fee."""
        ...

    async def open_round(
        self,
        dispute_id: str,
        round_number: int,
        withdrawn: Money,
        movement_key: str,
        opened_at: datetime,
    ) -> None:
        """Insert a round of a dispute."""
        ...

    async def end_round(
        self,
        dispute_id: str,
        round_number: int,
        state: DisputeState,
        reinstated_minor: int,
        ended_at: datetime,
    ) -> None:
        """Write how a round of a dispute ended."""
        ...

    async def add_round_fee(self, dispute_id: str, movement_key: str, fee_minor: int) -> None:
        """Add a fee to the round of a dispute whose movement it is for."""
        ...

    async def set_sweep(self, deposit_id: str, sweep_id: str) -> None:
        """Write which sweep took a deposit along; empty if it came back."""
        ...


class HistoryRows(Protocol):
    """The events."""

    async def is_known(self, object_type: ObjectType, object_id: str, fact: str) -> bool:
        """Return whether an event of this object with this fact's key exists."""
        ...

    async def append(
        self, events: Sequence[Event], at: ProviderAccount | None, origin: Origin, now: datetime
    ) -> int:
        """Append events, numbered without a gap, and return the last number.

        It locks the tenant's head until the unit ends, after every other lock.
        """
        ...

    async def lock_head(self) -> None:
        """Lock the tenant's head until the unit ends, before any other lock.

        It orders the facts of objects that have no row to lock; nobody who begins with a row of
        another kind locks theirs.
        """
        ...


class IntentRows(Protocol):
    """The posting intents."""

    async def unfinished(self, object_type: ObjectType, object_id: str, row_id: str) -> bool:
        """Return whether a posting of this object (and row of it) is not in the ledger yet."""
        ...

    async def decided_through(self, object_type: ObjectType, object_id: str) -> int:
        """Return the event sequence of the last posting of an object; 0 if it has none."""
        ...

    async def add(
        self, intents: Sequence[Intent], next_attempt_at: datetime, now: datetime
    ) -> None:
        """Store intents; the janitor leaves them alone until then."""
        ...

    async def lock_open(self, intent: Intent) -> bool:
        """Lock an intent, whose object is locked; return whether it is still OPEN."""
        ...

    async def finish(
        self,
        intent: Intent,
        state: IntentState,
        now: datetime,
        *,
        ledger_sequence: int | None = None,
        ledger_reason: str = "",
    ) -> None:
        """Write down the ledger's answer, unless it was written before."""
        ...

    async def postpone(self, intent: Intent, next_attempt_at: datetime, now: datetime) -> None:
        """Count a try without an answer."""
        ...

    async def due(self, now: datetime, limit: int) -> Sequence[Intent]:
        """Return OPEN intents whose time has come, in the order in which they were decided."""
        ...

    async def open_through(self, at: ProviderAccount, event_sequence: int) -> bool:
        """Return whether a posting of a provider account, decided up to then, is OPEN."""
        ...


class AttemptRows(Protocol):
    """The attempts, and the registry of providers' objects."""

    async def add(self, attempt: NewAttempt, now: datetime) -> None:
        """Store an attempt before its first call."""
        ...

    async def claim(
        self,
        object_type: ObjectType,
        object_id: str,
        now: datetime,
        until: datetime,
    ) -> Attempt | None:
        """Take up the object's last attempt until then, if it is due and has not ended."""
        ...

    async def claim_due(self, now: datetime, until: datetime, limit: int) -> Sequence[Attempt]:
        """Take up attempts that are due."""
        ...

    async def heard(
        self,
        attempt: NewAttempt,
        outcome: Outcome | None,
        details: Details,
        next_check_at: datetime | None,
        now: datetime,
    ) -> None:
        """Write what was heard of an attempt: `next_check_at` None ends it."""
        ...

    async def end(
        self, object_type: ObjectType, object_id: str, number: int | None, now: datetime
    ) -> None:
        """End an attempt, or all of the object: its outcome is known for certain."""
        ...

    async def identify(
        self,
        at: ProviderAccount,
        object_type: ObjectType,
        provider_object_id: str,
        reference: str,
    ) -> Identity | None:
        """Return which object of ours this is, by the provider's id, else by our reference."""
        ...

    async def register(
        self, at: ProviderAccount, provider_object_id: str, identity: Identity
    ) -> Identity:
        """Give a provider's object its identity, unless it has one; return the one that holds."""
        ...


class RequestRows(Protocol):
    """The memory of request ids."""

    async def remember(
        self, request_id: str, method: str, request_hash: bytes, object_id: str, now: datetime
    ) -> bool:
        """Remember a request; return False if its id is taken."""
        ...


class GatewayUnit(Protocol):
    """One unit of work of one tenant. Left without `commit`, it has changed nothing."""

    @property
    def objects(self) -> ObjectRows: ...
    @property
    def history(self) -> HistoryRows: ...
    @property
    def intents(self) -> IntentRows: ...
    @property
    def attempts(self) -> AttemptRows: ...
    @property
    def requests(self) -> RequestRows: ...
    @property
    def inbox(self) -> InboxRows: ...
    @property
    def reports(self) -> ReportRows: ...
    @property
    def withdrawals(self) -> WithdrawalRows: ...

    async def raise_exceptions(self, notes: Collection[ExceptionNote], now: datetime) -> None:
        """Raise those that were not raised before."""
        ...

    async def commit(self) -> None:
        """Make it durable; when this returns, it is."""
        ...


class GatewayStore(Protocol):
    """Opens units of work."""

    def open(self, tenant_id: str) -> AbstractAsyncContextManager[GatewayUnit]:
        """Open a unit of work of a tenant.

        Raises:
            StoreUnavailableError: at any point inside the block.
        """
        ...
