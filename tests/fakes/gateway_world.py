"""The real one way in, over a store and a ledger of the test's, with a process that can die."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeVar, cast
from uuid import UUID

from services.kernel.errors import DomainError
from services.kernel.money import Money
from services.psp_gateway.application.accounts import Accounts
from services.psp_gateway.application.facts import Brought, Facts, Guard, News
from services.psp_gateway.application.janitor import Janitor
from services.psp_gateway.application.notices import Notices, Taken
from services.psp_gateway.application.object_records import NewDeposit, NewWithdrawal
from services.psp_gateway.application.ports import GatewayStore, GatewayUnit
from services.psp_gateway.application.providers import Connection, Connections, FeeTerms, Notice
from services.psp_gateway.application.records import (
    FactSource,
    IntentState,
    NewAttempt,
    Origin,
)
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.facts import Fact, ObjectType
from services.psp_gateway.domain.machine import Decision, Event, Verdict
from services.psp_gateway.domain.objects import Deposit, Withdrawal
from tests.fakes.gateway_memory import MemoryStore
from tests.fakes.gateway_stored import Stored
from tests.fakes.ledger_model import LedgerModel
from tests.fakes.provider_news import AT, BANK
from tests.fakes.troubles import (
    ProcessDiedError,
    Trouble,
    TroubledLedger,
    TroubledStore,
    Troubles,
)

ROUNDS_MAX = 30
"""So many rounds of the janitor finish anything that can be finished."""

Result = TypeVar("Result")

_BEGINS_AN_ATTEMPT = (
    facts.DepositSubmitStarted | facts.RefundSubmitStarted | facts.WithdrawalSubmitStarted
)
_NEEDLESS = cast("Any", None)


@dataclass
class World:
    """A gateway, and the process that runs it.

    Args:
        store: its store.
        read: what its store holds.
        now: the time.
        tenant_id: whose it is.
        loop: everything runs on it.
    """

    store: GatewayStore
    read: Callable[[], Awaitable[Stored]]
    now: datetime
    tenant_id: str
    loop: asyncio.AbstractEventLoop
    ledger: LedgerModel = field(default_factory=LedgerModel)
    troubles: Troubles = field(default_factory=Troubles)
    ids: int = 0
    seen: Stored | None = None

    def __post_init__(self) -> None:
        self.connection = Connection(
            tenant_id=self.tenant_id,
            at=AT,
            currencies=frozenset({"EUR"}),
            bank_account=BANK,
            report_format="mock",
            fee_terms=FeeTerms(140, 25),
            key_lifetime=timedelta(hours=23),
        )
        self._start()

    def _start(self) -> None:
        """Start a process: what the last one had in its memory is gone."""
        store = TroubledStore(self.store, self.troubles)
        ledger = TroubledLedger(self.ledger, self.troubles)
        connections = Connections({AT: self.connection})
        accounts = Accounts(ledger)
        self.facts = Facts(store, ledger, accounts, connections, self._clock, _wake_nobody)
        self.notices = Notices(store, self.facts, self._clock, lambda _now: self.new_id())
        # It finishes postings; nothing else of it is used.
        self.janitor = Janitor(
            store,
            _NEEDLESS,
            _NEEDLESS,
            _NEEDLESS,
            self.facts,
            _NEEDLESS,
            _NEEDLESS,
            _NEEDLESS,
            self._clock,
            timedelta(),
        )

    def _clock(self) -> datetime:
        return self.now

    def new_id(self) -> UUID:
        """Make an id."""
        self.ids += 1
        return UUID(int=self.ids)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do something, to its end."""
        self.seen = None
        return self.loop.run_until_complete(work)

    def attempted(
        self, *work: Coroutine[Any, Any, Result], trouble: Trouble | None = None, turns: int = 0
    ) -> list[Result | BaseException]:
        """Do things, at once if several, with perhaps a trouble at some point.

        Returns: the result of each, or what ended it: its process or what it needs was lost.
        """
        self.troubles.prepare(trouble)
        self.troubles.turns = Random(turns) if len(work) > 1 else None  # noqa: S311 - a dice.
        done = self.run(_all(work))
        self.troubles.coming = None
        for result in done:
            lost = isinstance(result, ProcessDiedError | DomainError)
            if isinstance(result, BaseException) and not lost:
                raise result
        if any(isinstance(result, ProcessDiedError) for result in done):
            self._start()
        return done

    # --- what is brought ---------------------------------------------------------------------

    async def bring(
        self, fact: Fact, *, deposit_id: str = "", guard: Guard | None = None
    ) -> Brought:
        """Bring a fact as its use case does; one that begins an attempt comes with its row."""

        async def also(unit: GatewayUnit, decision: Decision[Any]) -> None:
            if isinstance(fact, _BEGINS_AN_ATTEMPT) and decision.verdict is Verdict.APPLIED:
                await unit.attempts.add(self._attempt(fact), self.now)

        news = News(
            tenant_id=self.tenant_id,
            fact=fact,
            at=None if fact.object_type is ObjectType.PLAYER else AT,
            origin=Origin(FactSource.WORKFLOW),
            deposit_id=deposit_id,
        )
        return await self.facts.bring(news, guard=guard, also=also)

    async def take(self, notice: Notice, letter_id: str) -> Taken:
        """Take a notice in; a letter that is done with is recorded as the inbox does."""

        async def record(unit: GatewayUnit, taken: Taken) -> None:
            if taken.verdict is not Verdict.DEFERRED:
                await unit.requests.remember(letter_id, "letter", b"", "", self.now)

        return await self.notices.take(
            self.connection, notice, Origin(FactSource.POLL), record=record
        )

    def _attempt(
        self,
        fact: facts.DepositSubmitStarted
        | facts.RefundSubmitStarted
        | facts.WithdrawalSubmitStarted,
    ) -> NewAttempt:
        return NewAttempt(
            object_type=fact.object_type,
            object_id=fact.object_id,
            number=fact.attempt,
            attempt_id=self.new_id(),
            at=AT,
            reference=reference_of(fact.object_id, fact.attempt),
            request=b"",
            replay_until=self.now,
            next_check_at=self.now,
        )

    async def create(self, row: Deposit | Withdrawal) -> None:
        """Store an object that was asked for, with its first event."""
        async with self.store.open(self.tenant_id) as unit:
            if isinstance(row, Deposit):
                object_type, object_id = ObjectType.DEPOSIT, row.deposit_id
                deposit = NewDeposit(deposit=row, request_id=object_id, metadata={}, expire_at=None)
                await unit.objects.insert_deposit(deposit, self.now)
            else:
                object_type, object_id = ObjectType.WITHDRAWAL, row.withdrawal_id
                withdrawal = NewWithdrawal(
                    withdrawal=row,
                    at=AT,
                    request_id=object_id,
                    destination_token="token",
                    metadata={},
                    attend_at=self.now,
                )
                await unit.objects.insert_withdrawal(withdrawal, self.now)
            created = Event(
                object_type=object_type,
                object_id=object_id,
                fact="created",
                state=row.state,
                occurred_at=self.now,
            )
            origin = Origin(FactSource.REQUEST)
            sequence = await unit.history.append([created], AT, origin, self.now)
            await unit.objects.save(row, sequence, self.now)
            await unit.commit()

    def decided(self, fact: Fact, *, deposit_id: str = "") -> Decision[Any]:
        """Bring a fact, with nothing in its way, and return what it came to."""
        return self.run(self.bring(fact, deposit_id=deposit_id)).decision

    # --- what is finished, and what there is ---------------------------------------------------

    def finish(self) -> None:
        """Let the janitor go its rounds until no posting is open."""
        for _ in range(ROUNDS_MAX):
            if not any(one.state is IntentState.OPEN for one in self.stored().intents):
                return
            self.now += timedelta(minutes=10)
            # Two processes have a janitor each, and both may go a round at once.
            rounds = [self.janitor.finish_intents(self.tenant_id, 200) for _ in range(2)]
            self.ids += 1
            self.attempted(*rounds, turns=self.ids)
        raise AssertionError("A posting stays open")

    def stored(self) -> Stored:
        """Return what the store holds now."""
        if self.seen is None:
            self.seen = self.run(_awaited(self.read()))
            # `run` forgets what was seen.
        return self.seen


def memory_world(now: datetime, loop: asyncio.AbstractEventLoop) -> World:
    """Return a world whose store is in memory."""
    store = MemoryStore()
    return World(store, store.stored, now, "acme", loop)


def reference_of(object_id: str, attempt: int) -> str:
    """Return our reference of an attempt, which the provider sees and repeats."""
    return f"{object_id}-{attempt}"


def eur(amount_minor: int) -> Money:
    """Return an amount of euro."""
    return Money("EUR", amount_minor)


async def _awaited(work: Awaitable[Result]) -> Result:
    return await work


async def _all(work: tuple[Coroutine[Any, Any, Result], ...]) -> list[Result | BaseException]:
    if len(work) > 1:
        return await asyncio.gather(*work, return_exceptions=True)
    [only] = work
    try:
        return [await only]
    except (ProcessDiedError, DomainError) as error:
        return [error]


async def _wake_nobody(_tenant_id: str, _fact: Fact) -> None:
    pass
