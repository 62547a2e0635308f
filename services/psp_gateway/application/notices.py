"""What a provider says goes in: whose object it is, which facts it tells, and what of it is true.

An answer, a webhook and a lookup all become a `Notice`, and go the same way.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from services.kernel.clock import Clock
from services.kernel.money import Money
from services.psp_gateway.application.deciding import Rows
from services.psp_gateway.application.facts import Facts, Guard, News
from services.psp_gateway.application.ports import GatewayStore, GatewayUnit, NewId
from services.psp_gateway.application.providers import (
    Connection,
    Notice,
    ProviderUnavailableError,
)
from services.psp_gateway.application.records import ExceptionNote, Identity, Origin
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.exceptions import DecisionKind, ExceptionKind
from services.psp_gateway.domain.facts import Fact, ObjectType
from services.psp_gateway.domain.machine import ALREADY_KNOWN, Decision, Verdict
from services.psp_gateway.domain.objects import Deposit
from services.psp_gateway.domain.outcomes import Outcome

_UNKNOWN_OBJECT = "the object that it is about"
NOTHING_NEW = "NOTHING_NEW"
"""What is said of a notice that tells no fact."""
# Made at the provider: it may have objects of these kinds that we never asked for.
_BORN_THERE = frozenset({ObjectType.REFUND, ObjectType.DISPUTE})


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a notice as a whole."""

    verdict: Verdict
    why: str
    identity: Identity | None = None
    """Which object of ours it is about; None while that is not known."""


Record: TypeAlias = Callable[[GatewayUnit, Taken], Awaitable[None]]
"""Writes what became of a notice for whoever brought it, in the commit of its last fact."""


class _EchoDiffersError(Exception):
    """The provider repeats another amount or reference than we asked for."""

    def __init__(self, asked: Money, reference: str) -> None:
        super().__init__(reference)
        self._asked = asked
        self._reference = reference

    def differs(self, notice: Notice) -> bool:
        """Return whether a notice repeats something else."""
        if notice.reference and notice.reference != self._reference:
            return True
        return notice.echo is not None and notice.echo != self._asked


class _ContradictionError(Exception):
    """A fact contradicts what we know or asked for; nothing of it was written."""

    def __init__(self, fact: Fact) -> None:
        super().__init__(fact.key)
        self.fact = fact


class Notices:
    """Takes notices in."""

    def __init__(self, store: GatewayStore, facts: Facts, clock: Clock, new_id: NewId) -> None:
        self._store = store
        self._facts = facts
        self._clock = clock
        self._new_id = new_id

    async def take(
        self,
        connection: Connection,
        notice: Notice,
        origin: Origin,
        *,
        known: Identity | None = None,
        record: Record | None = None,
    ) -> Taken:
        """Bring the facts that a notice tells, in order.

        A notice is a hint: where it repeats another amount than was asked for, or contradicts what
        we know, the provider is asked, and what it then says counts.

        Args:
            connection: the provider account that says it.
            notice: what it says.
            origin: how it came.
            known: which object of ours it is, where the caller knows.
            record: written with it, exactly once unless something fails.

        Raises:
            StoreUnavailableError, LedgerUnavailableError: it can be taken again.
            ProviderUnavailableError: it had to be asked, and did not answer or confirm it.
            UnreadableError: it says what cannot be.
        """
        identity = known or await self._identify(connection, notice)
        if identity is None:
            taken = Taken(Verdict.DEFERRED, _UNKNOWN_OBJECT)
            await self._record_alone(connection.tenant_id, record, taken)
            return taken
        try:
            return await self._bring(
                connection, notice, identity, origin, record, _echo_of(notice), is_hint=True
            )
        except _ContradictionError as error:
            confirmed = await self._confirmed(connection, notice, identity, error.fact)
            return await self._bring(connection, confirmed, identity, origin, record)
        except _EchoDiffersError as error:
            told = await self._told_again(connection, notice)
            taken_already = any(
                isinstance(fact, facts.DepositCaptured) for fact in told.facts_for(identity)
            )
            if taken_already or not error.differs(told):
                # Where the money is there, whatever was asked for, the machine puts it in review.
                return await self._bring(connection, told, identity, origin, record)
            return await self._called_off(connection, told, identity, origin, record)

    # --- whose object it is ----------------------------------------------------------------------

    async def _identify(self, connection: Connection, notice: Notice) -> Identity | None:
        """Find our object; one that was made at the provider gets an id at its first news."""
        at = connection.at
        if notice.object_type is ObjectType.PROVIDER_ACCOUNT:
            return Identity(ObjectType.PROVIDER_ACCOUNT, str(at))
        reference = "" if notice.object_type is ObjectType.DISPUTE else notice.reference
        async with self._store.open(connection.tenant_id) as unit:
            found = await unit.attempts.identify(
                at, notice.object_type, notice.provider_object_id, reference
            )
            if found is None and notice.object_type in _BORN_THERE:
                if notice.object_type is ObjectType.REFUND and not notice.made_at_provider:
                    return None
                parent = await unit.attempts.identify(
                    at,
                    ObjectType.DEPOSIT,
                    notice.parent_object_id,
                    notice.reference if notice.object_type is ObjectType.DISPUTE else "",
                )
                if parent is None:
                    return None
                object_id = str(self._new_id(self._clock()))
                found = Identity(notice.object_type, object_id, 0, parent.object_id)
                found = await unit.attempts.register(at, notice.provider_object_id, found)
                await unit.commit()
        return found

    # --- the facts -------------------------------------------------------------------------------

    async def _bring(
        self,
        connection: Connection,
        notice: Notice,
        identity: Identity,
        origin: Origin,
        record: Record | None,
        guard: Guard | None = None,
        *,
        is_hint: bool = False,
    ) -> Taken:
        """Bring what a notice tells, and cancel at the provider what the machine does not want.

        What a crash leaves uncancelled the provider tells again when the attempt is asked about.
        """
        taken, cancel = await self._tell(
            connection, notice, identity, origin, record, guard, is_hint=is_hint
        )
        if cancel:
            answer = await self._cancelled(connection, notice)
            await self._tell(connection, answer, identity, origin, None)
        return taken

    async def _tell(
        self,
        connection: Connection,
        notice: Notice,
        identity: Identity,
        origin: Origin,
        record: Record | None,
        guard: Guard | None = None,
        *,
        is_hint: bool = False,
    ) -> tuple[Taken, bool]:
        """Bring the facts in order; of a hint, those before the first that is a contradiction.

        Returns: what became of them, and whether the last of them asks to cancel at the provider.
        """
        told = notice.facts_for(identity)
        cancel = False
        results: list[tuple[Verdict, str]] = []
        for number, fact in enumerate(told, 1):
            is_last = number == len(told)

            async def also(
                unit: GatewayUnit,
                decision: Decision[Any],
                fact: Fact = fact,
                is_last: bool = is_last,
            ) -> None:
                if is_hint and decision.contradicts:
                    raise _ContradictionError(fact)
                results.append((decision.verdict, decision.why))
                if decision.verdict is Verdict.APPLIED and notice.provider_object_id:
                    await unit.attempts.register(connection.at, notice.provider_object_id, identity)
                if record and (is_last or decision.verdict is Verdict.DEFERRED):
                    await record(unit, _taken(results, identity))

            brought = await self._facts.bring(
                News(
                    tenant_id=connection.tenant_id,
                    fact=fact,
                    at=connection.at,
                    origin=origin,
                    deposit_id=identity.deposit_id,
                    details=notice.details,
                ),
                guard=guard,
                also=also,
            )
            cancel = brought.decision.cancel_at_provider
            if brought.verdict is Verdict.DEFERRED:
                # What follows would only wait as well.
                break
        if not told:
            results.append((Verdict.IGNORED, NOTHING_NEW))
            await self._record_alone(connection.tenant_id, record, _taken(results, identity))
        return _taken(results, identity), cancel

    async def _record_alone(self, tenant_id: str, record: Record | None, taken: Taken) -> None:
        if record is None:
            return
        async with self._store.open(tenant_id) as unit:
            await record(unit, taken)
            await unit.commit()

    # --- what contradicts what we know ----------------------------------------------------

    async def _confirmed(
        self, connection: Connection, notice: Notice, identity: Identity, doubted: Fact
    ) -> Notice:
        """Ask the provider for what it said; return it as it says it now, and what else it said.

        A provider that cannot be asked is believed: a person is told all the same.
        """
        asked = await self._told_again(connection, notice)
        facts_now = {fact.key: fact for fact in asked.facts_for(identity)}
        if doubted.key not in facts_now:
            raise ProviderUnavailableError(f"The provider does not confirm {doubted.key}")
        # What a lookup leaves out, such as fees, the notice tells.
        told = {fact.key: fact for fact in notice.facts_for(identity)} | facts_now
        in_order = sorted(told.values(), key=lambda fact: fact.key not in facts_now)
        return replace(asked, facts_for=lambda _ours: in_order)

    async def _told_again(self, connection: Connection, notice: Notice) -> Notice:
        query = connection.query
        if query is None or notice.object_type not in query.answers_about:
            return notice
        told = await query.ask(notice.object_type, notice.provider_object_id, notice.reference)
        if told is None:
            raise ProviderUnavailableError("The provider does not know what it spoke of")
        return told

    async def _called_off(
        self,
        connection: Connection,
        notice: Notice,
        identity: Identity,
        origin: Origin,
        record: Record | None,
    ) -> Taken:
        """Cancel what is not what we asked for before any of it is told."""
        answer = await self._cancelled(connection, notice)

        async def noted(unit: GatewayUnit, taken: Taken) -> None:
            kind = ExceptionKind.AMOUNT_DIFFERS
            note = ExceptionNote(
                kind=kind,
                decision_kind=DecisionKind.ACKNOWLEDGE,
                cause="echo",
                message=f"The provider spoke of {notice.echo}; it was cancelled there",
                object_type=identity.object_type,
                object_id=identity.object_id,
                at=connection.at,
                amount=notice.echo,
            )
            await unit.raise_exceptions([note], self._clock())
            if record:
                await record(unit, taken)

        taken, _ = await self._tell(connection, answer, identity, origin, noted)
        return taken

    async def _cancelled(self, connection: Connection, notice: Notice) -> Notice:
        """Cancel a deposit at the provider, before any money is taken; return what it says then."""
        if connection.deposits is None:
            raise ProviderUnavailableError("The provider cannot cancel what differs")
        answer = await connection.deposits.cancel(notice.provider_object_id)
        if answer.outcome is not Outcome.DONE or answer.notice is None:
            raise ProviderUnavailableError(f"Cancelling what differs came to {answer.outcome}")
        return answer.notice


def _echo_of(notice: Notice) -> Guard | None:
    """Return the check, under the deposit's lock, that a notice repeats what was asked for."""
    if notice.object_type is not ObjectType.DEPOSIT or notice.echo is None:
        return None

    async def guard(_unit: GatewayUnit, rows: Rows) -> None:
        deposit = rows.row
        if not isinstance(deposit, Deposit) or deposit.captured is not None:
            # What was captured is the machine's to compare.
            return
        error = _EchoDiffersError(deposit.asked, deposit.reference)
        if error.differs(notice):
            raise error

    return guard


def _taken(results: Sequence[tuple[Verdict, str]], identity: Identity) -> Taken:
    """Return what became of a notice: the verdict of its facts that asks for the most."""
    verdict, why = max(results, key=lambda result: _RANK[result[0], result[1] == ALREADY_KNOWN])
    return Taken(verdict, why, identity)


_RANK = {
    (Verdict.IGNORED, False): 0,
    (Verdict.IGNORED, True): 1,
    (Verdict.APPLIED, False): 2,
    (Verdict.DEFERRED, False): 3,
    (Verdict.EXCEPTION, False): 4,
}
