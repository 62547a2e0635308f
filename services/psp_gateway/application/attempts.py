"""Attempts: one try of one operation at a provider, from before its call until its end is known.

Whoever finds an attempt that is due, a caller who asks again or the janitor, does what its state
allows: the first call, the same call again while the provider remembers its key, or a question.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from services.kernel.clock import Clock
from services.kernel.invariant import invariant
from services.psp_gateway.application.facts import Facts, News
from services.psp_gateway.application.notices import Notices, Taken
from services.psp_gateway.application.ports import GatewayStore, GatewayUnit
from services.psp_gateway.application.providers import (
    Answer,
    Connection,
    Connections,
    ProviderUnavailableError,
)
from services.psp_gateway.application.records import (
    FAILURE_MESSAGE_LENGTH_MAX,
    NO_DETAILS,
    Attempt,
    Details,
    ExceptionNote,
    FactSource,
    Identity,
    NewAttempt,
    Origin,
)
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.exceptions import DECISION_OF, ExceptionKind
from services.psp_gateway.domain.facts import Fact, ObjectType
from services.psp_gateway.domain.machine import Decision, Verdict
from services.psp_gateway.domain.outcomes import (
    NextStep,
    NotFound,
    Outcome,
    next_step,
    outcome_of_not_found,
)

CALL_LEASE = timedelta(seconds=30)
"""How long an attempt is left to whoever makes its call."""

UNKNOWN_AFTER = timedelta(hours=24)
"""After so long without a certain outcome people are told; the attempt is asked about still."""

SILENT_AFTER = timedelta(days=7)
"""After so long people are told of what a provider took, and of whose end it never spoke."""

_CHECK_PAUSES = (
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
)
_NEVER_TAKEN = {
    ObjectType.DEPOSIT: facts.DepositNotSent,
    ObjectType.REFUND: facts.RefundNotSent,
    ObjectType.WITHDRAWAL: facts.WithdrawalNotSent,
}
_UNKNOWN = {
    ObjectType.DEPOSIT: facts.DepositOutcomeUnknown,
    ObjectType.REFUND: facts.RefundOutcomeUnknown,
    ObjectType.WITHDRAWAL: facts.WithdrawalOutcomeUnknown,
}


@dataclass(frozen=True, slots=True)
class Called:
    """What a call came to, and what became of what it said."""

    outcome: Outcome
    failure_code: str = ""
    needs_funding: bool = False


class Attempts:
    """Makes the calls of attempts, and takes in what they come to."""

    def __init__(
        self,
        store: GatewayStore,
        facts: Facts,
        notices: Notices,
        connections: Connections,
        clock: Clock,
    ) -> None:
        self._store = store
        self._facts = facts
        self._notices = notices
        self._connections = connections
        self._clock = clock

    async def send(self, tenant_id: str, attempt: NewAttempt) -> Called:
        """Make the call of an attempt, for the first time or again, and take in its answer.

        Raises:
            StoreUnavailableError, LedgerUnavailableError: the call was made; the janitor goes on.
        """
        connection = self._connections.of(tenant_id, attempt.at)
        sender = connection.sender(attempt.object_type)
        invariant(sender is not None, "an attempt is made where its provider can do it")
        assert sender is not None
        answer = await sender.send(attempt.key, attempt.request)
        if isinstance(attempt, Attempt):
            answer = _of_repeated(answer)
        await self._take_answer(connection, attempt, answer)
        return Called(answer.outcome, answer.failure_code, answer.needs_funding)

    async def carry_on(self, tenant_id: str, attempt: Attempt) -> None:
        """Do what may be done about an attempt whose end is not known; it was claimed before.

        Raises:
            StoreUnavailableError, LedgerUnavailableError: it is tried again later.
        """
        connection = self._connections.of(tenant_id, attempt.at)
        now = self._clock()
        answered = attempt.outcome in (Outcome.DONE, Outcome.PENDING)
        step = next_step(now, attempt.replay_until, has_query=connection.query is not None)
        if answered:
            step = NextStep.ASK if connection.query else NextStep.WAIT
        match step:
            case NextStep.REPLAY:
                called = await self.send(tenant_id, attempt)
                if called.outcome is Outcome.UNKNOWN and connection.query:
                    # Some replay a failure for ever: what is found there is true all the same.
                    await self._ask(connection, attempt)
            case NextStep.ASK:
                await self._ask(connection, attempt)
            case NextStep.WAIT:
                pass
        if now - attempt.created_at >= (SILENT_AFTER if answered else UNKNOWN_AFTER):
            await self._tell_people(tenant_id, attempt)

    # --- what an answer comes to -----------------------------------------------------------------

    async def _take_answer(
        self, connection: Connection, attempt: NewAttempt, answer: Answer
    ) -> None:
        origin = Origin(FactSource.ANSWER)
        if answer.notice is not None:
            try:
                await self._notices.take(
                    connection,
                    answer.notice,
                    origin,
                    known=_identity(attempt),
                    record=self._heard(attempt, answer.outcome, answer.notice.details),
                )
            except ProviderUnavailableError:
                # It contradicts what we asked for, and cannot be asked now: only asked about later.
                await self._bring(connection, attempt, Outcome.UNKNOWN, NO_DETAILS, origin)
            return
        details = Details(
            failure_code=answer.failure_code,
            failure_message=answer.failure_message[:FAILURE_MESSAGE_LENGTH_MAX],
        )
        await self._bring(connection, attempt, answer.outcome, details, origin)

    async def _bring(
        self,
        connection: Connection,
        attempt: NewAttempt,
        outcome: Outcome,
        details: Details,
        origin: Origin,
    ) -> None:
        """Bring the fact that an outcome without the provider's word is."""
        heard = self._heard(attempt, outcome, details)

        async def also(unit: GatewayUnit, decision: Decision[object]) -> None:
            await heard(unit, Taken(decision.verdict, decision.why))

        await self._facts.bring(
            News(
                tenant_id=connection.tenant_id,
                fact=self._fact_of(attempt, outcome),
                at=attempt.at,
                origin=origin,
                details=details,
            ),
            also=also,
        )

    def _fact_of(self, attempt: NewAttempt, outcome: Outcome) -> Fact:
        object_id, now = attempt.object_id, self._clock()
        by_type: Mapping[ObjectType, type[facts.AttemptFact]] = (
            _NEVER_TAKEN if outcome is Outcome.NOT_SENT else _UNKNOWN
        )
        if outcome in (Outcome.NOT_SENT, Outcome.UNKNOWN):
            return by_type[attempt.object_type](
                object_id=object_id, occurred_at=now, attempt=attempt.number
            )
        invariant(outcome is Outcome.DECLINED, "what is done or pending comes with a notice")
        match attempt.object_type:
            case ObjectType.DEPOSIT:
                return facts.DepositDeclined(object_id=object_id, occurred_at=now)
            case ObjectType.REFUND:
                return facts.RefundFailed(object_id=object_id, occurred_at=now)
        return facts.WithdrawalFailed(object_id=object_id, occurred_at=now, attempt=attempt.number)

    def _heard(self, attempt: NewAttempt, outcome: Outcome | None, details: Details) -> "_Heard":
        return _Heard(attempt, outcome, details, self._clock)

    # --- what is asked ---------------------------------------------------------------------------

    async def _ask(self, connection: Connection, attempt: Attempt) -> None:
        assert connection.query is not None
        origin = Origin(FactSource.POLL)
        asked_at = self._clock()
        try:
            notice = await connection.query.ask(
                attempt.object_type, attempt.provider_object_id, attempt.reference
            )
            if notice is not None:
                await self._notices.take(
                    connection,
                    notice,
                    origin,
                    known=_identity(attempt),
                    record=self._heard(attempt, None, notice.details),
                )
                return
        except ProviderUnavailableError:
            await self._wait_longer(connection.tenant_id, attempt)
            return
        answer = NotFound(asked_at, connection.query.lookup_is_consistent)
        if outcome_of_not_found(answer, attempt.replay_until) is Outcome.NOT_SENT:
            await self._bring(connection, attempt, Outcome.NOT_SENT, NO_DETAILS, origin)
        else:
            await self._wait_longer(connection.tenant_id, attempt)

    async def _wait_longer(self, tenant_id: str, attempt: Attempt) -> None:
        async with self._store.open(tenant_id) as unit:
            await self._heard(attempt, None, NO_DETAILS)(unit, Taken(Verdict.IGNORED, ""))
            await unit.commit()

    async def _tell_people(self, tenant_id: str, attempt: Attempt) -> None:
        kind = ExceptionKind.UNKNOWN_OUTCOME
        note = ExceptionNote(
            kind=kind,
            decision_kind=DECISION_OF[kind],
            cause=f"attempt.{attempt.number}",
            message=f"Nobody knows what became of the attempt with reference {attempt.reference}",
            object_type=attempt.object_type,
            object_id=attempt.object_id,
            at=attempt.at,
        )
        async with self._store.open(tenant_id) as unit:
            await unit.raise_exceptions([note], self._clock())
            await unit.commit()


@dataclass(frozen=True, slots=True)
class _Heard:
    """Writes what was heard of an attempt, and when it is asked about next."""

    attempt: NewAttempt
    outcome: Outcome | None
    details: Details
    clock: Clock

    async def __call__(self, unit: GatewayUnit, taken: Taken) -> None:
        now = self.clock()
        checks = self.attempt.check_count if isinstance(self.attempt, Attempt) else 0
        pause = _CHECK_PAUSES[min(checks, len(_CHECK_PAUSES) - 1)]
        certain = self.outcome in (Outcome.NOT_SENT, Outcome.DECLINED)
        if taken.verdict is Verdict.DEFERRED:
            # The fact is not in yet: whoever looks next brings it again.
            certain = False
        await unit.attempts.heard(
            self.attempt, self.outcome, self.details, None if certain else now + pause, now
        )


def _of_repeated(answer: Answer) -> Answer:
    """Return what the answer to a repeated call says of the attempt.

    That this call was not taken, such as by an open breaker, says nothing about the one before it.
    Only the provider's own refusal under the attempt's key does.
    """
    if answer.outcome is Outcome.NOT_SENT and not answer.needs_funding:
        return replace(answer, outcome=Outcome.UNKNOWN)
    return answer


def _identity(attempt: NewAttempt) -> Identity:
    return Identity(attempt.object_type, attempt.object_id, attempt.number)
