"""The one way in for every fact, whoever brings it.

Under the object's lock one unit of work writes the new state, its event, the posting intents and
whatever belongs to whoever brought it; then the ledger is called with exactly the bytes that were
stored. A final refusal goes back to the machine. What a crash or a lost ledger leaves, the janitor
finishes: the same bytes have the same answer.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from services.kernel.clock import Clock
from services.psp_gateway.application.accounts import Accounts
from services.psp_gateway.application.deciding import (
    Rows,
    Subject,
    answer,
    decide,
    decided_through,
    lock,
    look,
    postings_stand,
    subject_of,
    subject_of_intent,
)
from services.psp_gateway.application.keeping import keep
from services.psp_gateway.application.notes import note_of, unfit_note
from services.psp_gateway.application.ports import (
    GatewayStore,
    GatewayUnit,
    Ledger,
    LedgerRefusedError,
    LedgerUnavailableError,
    Posted,
)
from services.psp_gateway.application.providers import Connections
from services.psp_gateway.application.records import (
    NO_DETAILS,
    Details,
    FactSource,
    Intent,
    IntentState,
    Origin,
)
from services.psp_gateway.application.writing import Beside, write
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.accounts import PlayerChart, ProviderAccount
from services.psp_gateway.domain.facts import Fact
from services.psp_gateway.domain.machine import (
    Decision,
    Holdings,
    Refusal,
    Situation,
    Verdict,
    deferred,
)

Guard: TypeAlias = Callable[[GatewayUnit, Rows], Awaitable[None]]
"""Called under the lock before the decision; what it raises leaves everything as it was."""

Also: TypeAlias = Callable[[GatewayUnit, Decision[Any]], Awaitable[None]]
"""Called in the unit of work of a decision, whatever it is: writes what belongs to the bringer."""

Wake: TypeAlias = Callable[[str, Fact], Awaitable[None]]
"""Called after a fact was applied and committed, with the tenant: wakes whoever waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A fact on its way in: who brings it, and what else the provider said."""

    tenant_id: str
    fact: Fact
    at: ProviderAccount | None
    """The provider account that it concerns; None for a fact about a player."""
    origin: Origin
    deposit_id: str = ""
    """Of a refund or dispute that may have no row yet, its deposit."""
    details: Details = NO_DETAILS


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of a fact, and whether all its postings stand in the ledger."""

    decision: Decision[Any]
    posted: bool = True

    @property
    def verdict(self) -> Verdict:
        """What became of the fact."""
        return self.decision.verdict


@dataclass(frozen=True, slots=True)
class _Asked:
    """What came of asking the ledger for a posting."""

    is_settled: bool
    """Whether what follows it may be asked for: it stands, or its refusal has its answer."""
    instead: Sequence[Intent] = ()
    """What is to be asked for in the place of one that was refused."""


_WAITS = _Asked(is_settled=False)
"""It is answered by somebody else, only by a person, or after what comes with it."""


@dataclass(frozen=True, slots=True)
class _Before:
    """What was seen before the lock."""

    holdings: Holdings | None = None
    stands: bool = True
    through: int | None = None
    """The last posting of the object that it counts; None where nobody had to look."""


class Facts:
    """Takes facts in."""

    def __init__(
        self,
        store: GatewayStore,
        ledger: Ledger,
        accounts: Accounts,
        connections: Connections,
        clock: Clock,
        wake: Wake,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._accounts = accounts
        self._connections = connections
        self._clock = clock
        self._wake = wake

    async def bring(
        self, news: News, *, guard: Guard | None = None, also: Also | None = None
    ) -> Brought:
        """Decide a fact, write all that follows, and call the ledger.

        An object that is not there makes it DEFERRED. A ledger that is away does not undo the fact:
        its intent is left to the janitor.

        Raises:
            StoreUnavailableError: the fact may or may not have been written.
            LedgerUnavailableError: it could not be decided without what the player has now.
            Exception: what `guard` or `also` raises; nothing was written.
        """
        subject = subject_of(news.fact, news.at, news.deposit_id)
        before = await self._look_before(news, subject)
        intents: Sequence[Intent] = ()
        async with self._store.open(news.tenant_id) as unit:
            rows = await lock(unit, subject)
            if rows is None:
                decision: Decision[Any] = deferred(None, "its object")
            else:
                if guard:
                    await guard(unit, rows)
                situation = await self._situation(unit, subject, rows, news.fact, before)
                decision = decide(rows, news.fact, situation)
                intents = await self._write(unit, news, subject, decision)
            if also:
                await also(unit, decision)
            await unit.commit()
        if decision.verdict is not Verdict.APPLIED:
            return Brought(decision)
        posted = await self.post(news.tenant_id, intents)
        await self._wake(news.tenant_id, news.fact)
        return Brought(decision, posted)

    async def post(self, tenant_id: str, intents: Sequence[Intent]) -> bool:
        """Ask the ledger for each posting, in order; return whether all of them stand.

        The next is not asked for before the one before it stands.
        """
        waiting = list(intents)
        while waiting:
            intent = waiting.pop(0)
            try:
                asked = await self._ask_for(tenant_id, intent)
            except LedgerUnavailableError:
                return False
            except LedgerRefusedError as error:
                await self._note_unfit(tenant_id, intent, error)
                return False
            if not asked.is_settled:
                return False
            waiting = [*asked.instead, *waiting]
        return True

    # --- the decision ----------------------------------------------------------------------------

    async def _situation(
        self, unit: GatewayUnit, subject: Subject, rows: Rows, fact: Fact, before: "_Before"
    ) -> Situation:
        deposit_id = rows.deposit.deposit_id if rows.deposit else ""
        stands = before.stands and await postings_stand(unit, subject, deposit_id)
        if stands and before.through is not None:
            # What was decided since then may have brought the player something: look again.
            stands = before.through == await decided_through(unit, subject, deposit_id)
        return Situation(
            now=self._clock(),
            known=await unit.history.is_known(subject.object_type, subject.object_id, fact.key),
            posted=stands,
            holdings=before.holdings,
        )

    async def _look_before(self, news: News, subject: Subject) -> "_Before":
        """Read what the player has before anything is locked; a refusal corrects what is stale.

        What the object's own postings have brought him must be in it: so they are looked at first.
        """
        if not news.fact.looks_at_holdings:
            return _Before()
        async with self._store.open(news.tenant_id) as unit:
            seen = await look(unit, subject)
        if seen.chart is None or not seen.stands:
            # An object that is made from here on is looked at when its fact comes again.
            return _Before(stands=False, through=seen.through)
        holdings = await self._ledger.holdings(news.tenant_id, seen.chart)
        return _Before(holdings, through=seen.through)

    async def _write(
        self, unit: GatewayUnit, news: News, subject: Subject, decision: Decision[Any]
    ) -> Sequence[Intent]:
        """Write the decision about a fact; return its intents."""
        now = self._clock()
        beside = Beside(
            origin=news.origin,
            now=now,
            requests=self._requests(news.tenant_id, decision),
            notes=[
                note_of(raised, news.fact, news.at, news.origin) for raised in decision.exceptions
            ],
        )
        intents = await write(unit, subject, decision, beside)
        if decision.verdict is Verdict.APPLIED:
            await keep(unit, news.fact, decision, news.details, self._connections, news.at, now)
        return intents

    def _requests(self, tenant_id: str, decision: Decision[Any]) -> Sequence[bytes]:
        return [self._ledger.request_of(tenant_id, posting) for posting in decision.postings]

    # --- the ledger's answer ---------------------------------------------------------------------

    async def _ask_for(self, tenant_id: str, intent: Intent) -> _Asked:
        """Ask the ledger for one posting, and write what it answers."""
        accounts = [entry.account for entry in intent.posting.entries]
        await self._accounts.ensure(tenant_id, accounts)
        outcome = await self._ledger.post(intent.request)
        if isinstance(outcome, Refusal):
            return await self._refused(tenant_id, intent, outcome)
        return _Asked(is_settled=await self._posted(tenant_id, intent, outcome))

    async def _posted(self, tenant_id: str, intent: Intent, posted: Posted) -> bool:
        """Mark an intent whose posting stands; return whether it is done with."""
        # Before the intent is marked: if we die in between, the janitor gets the same answer.
        if not await self._recover(tenant_id, intent, posted):
            return False
        async with self._store.open(tenant_id) as unit:
            await unit.intents.finish(
                intent, IntentState.POSTED, self._clock(), ledger_sequence=posted.sequence
            )
            await unit.commit()
        return True

    async def _recover(self, tenant_id: str, intent: Intent, posted: Posted) -> bool:
        """Let what a player was credited with pay what he owes; return False if that must wait.

        It does while the ledger has not answered for a recovery before it.
        """
        credit = intent.posting.credit
        if credit is None:
            return True
        of = PlayerChart(intent.posting.credited_player, credit.account.currency_code)
        if not await self._ledger.receivable_minor(tenant_id, of):
            return True
        brought = await self.bring(
            News(
                tenant_id=tenant_id,
                fact=facts.ReceivableRecovered(
                    object_id=of.player_id,
                    occurred_at=self._clock(),
                    row_id=posted.transaction_id,
                    currency_code=of.currency_code,
                    credited_minor=credit.amount_minor,
                ),
                at=None,
                origin=Origin(FactSource.LEDGER),
            )
        )
        return brought.verdict is not Verdict.DEFERRED

    async def _refused(self, tenant_id: str, intent: Intent, refusal: Refusal) -> _Asked:
        """Let the machine answer a refusal."""
        posting = intent.posting
        subject = subject_of_intent(intent)
        holdings: Holdings | None = None
        async with self._store.open(tenant_id) as unit:
            chart = (await look(unit, subject)).chart
        if chart:
            holdings = await self._ledger.holdings(tenant_id, chart)
        async with self._store.open(tenant_id) as unit:
            rows = await lock(unit, subject)
            if rows is None or not await unit.intents.lock_open(intent):
                # Somebody else has heard the same answer, and has written what follows.
                return _WAITS
            now = self._clock()
            decision = answer(rows, posting, refusal, Situation(now=now, holdings=holdings))
            answered = decision.verdict is Verdict.APPLIED
            await unit.intents.finish(
                intent,
                IntentState.REFUSED if answered else IntentState.BLOCKED,
                now,
                ledger_reason=refusal.reason,
            )
            instead = await self._write_answer(unit, tenant_id, subject, intent, decision)
            await unit.commit()
        return _Asked(is_settled=True, instead=instead) if answered else _WAITS

    async def _write_answer(
        self,
        unit: GatewayUnit,
        tenant_id: str,
        subject: Subject,
        intent: Intent,
        decision: Decision[Any],
    ) -> Sequence[Intent]:
        """Write the decision about a refusal; return the intents of what is posted instead."""
        posting, origin = intent.posting, Origin(FactSource.LEDGER)
        notes = [
            replace(
                note_of(raised, None, posting.at, origin),
                cause=posting.request_id,
                object_type=subject.object_type,
                object_id=subject.object_id,
            )
            for raised in decision.exceptions
        ]
        requests = self._requests(tenant_id, decision)
        beside = Beside(origin=origin, now=self._clock(), requests=requests, notes=notes)
        return await write(unit, subject, decision, beside)

    async def _note_unfit(self, tenant_id: str, intent: Intent, error: LedgerRefusedError) -> None:
        """Tell people of a posting that the ledger will not take until somebody acts."""
        async with self._store.open(tenant_id) as unit:
            await unit.raise_exceptions([unfit_note(intent, error)], self._clock())
            await unit.commit()
