"""The steps of a withdrawal: what its workflow calls, one use case an activity.

Each reads the row, does what its state allows, and returns how the withdrawal then stands. Done
twice, a step is done once: the row, under its lock, knows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.kernel.clock import Clock
from services.kernel.errors import DomainError
from services.psp_gateway.application.attempts import CALL_LEASE, Attempts
from services.psp_gateway.application.deciding import Rows
from services.psp_gateway.application.facts import Also, Brought, Facts, Guard, News
from services.psp_gateway.application.object_records import WithdrawalDecision, WithdrawalRecord
from services.psp_gateway.application.ports import GatewayStore, GatewayUnit, NewId
from services.psp_gateway.application.providers import Connections, WithdrawalAsk, missing
from services.psp_gateway.application.reading import ObjectReader
from services.psp_gateway.application.records import (
    ExceptionNote,
    FactSource,
    NewAttempt,
    Origin,
)
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.approval import (
    ApprovalPolicy,
    check_approver,
    check_cancellable,
    check_in_review,
)
from services.psp_gateway.domain.exceptions import DECISION_OF, ExceptionKind
from services.psp_gateway.domain.facts import DecisionFact, ObjectType, WithdrawalFact
from services.psp_gateway.domain.machine import Decision, Verdict
from services.psp_gateway.domain.objects import Withdrawal, WithdrawalState
from services.psp_gateway.domain.outcomes import Capability
from services.psp_gateway.domain.reasons import Reason, refusal
from services.psp_gateway.domain.withdrawal_steps import (
    Plan,
    Step,
    Tries,
    WaitingFor,
    WithdrawalTimes,
    needs_person,
    plan,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What decides about withdrawals beside the machine."""

    approval: ApprovalPolicy
    times: WithdrawalTimes


@dataclass(frozen=True, slots=True)
class Standing:
    """How a withdrawal stands, and what is to be done about it next."""

    record: WithdrawalRecord
    plan: Plan

    @property
    def in_review(self) -> bool:
        """Whether people may approve or reject it now."""
        return not _reason_against(check_in_review, self.record.withdrawal)

    @property
    def cancellable(self) -> bool:
        """Whether it may be called off now."""
        return not _reason_against(check_cancellable, self.record.withdrawal)

    @property
    def may_not_approve(self) -> Mapping[str, str]:
        """Who may not approve it while it is in review, and for which reason."""
        if not self.in_review:
            return {}
        withdrawal = self.record.withdrawal
        people = (withdrawal.requested_by, *(one.approver for one in withdrawal.approvals))
        return {person: _reason_against(check_approver, withdrawal, person) for person in people}


def _reason_against(check: Callable[..., None], *arguments: object) -> str:
    """Return the reason for which a check refuses; empty if it passes."""
    try:
        check(*arguments)
    except DomainError as error:
        return error.reason
    return ""


class WithdrawalSteps:
    """The use cases of a withdrawal's workflow.

    Each may raise POSTINGS_PENDING or UNAVAILABLE, where it is to be tried again, and
    WITHDRAWAL_NOT_FOUND.
    """

    def __init__(
        self,
        store: GatewayStore,
        reader: ObjectReader,
        facts: Facts,
        attempts: Attempts,
        connections: Connections,
        rules: Rules,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._reader = reader
        self._facts = facts
        self._attempts = attempts
        self._connections = connections
        self._rules = rules
        self._clock = clock
        self._new_id = new_id

    async def look(self, tenant_id: str, withdrawal_id: str) -> Standing:
        """Return how it stands."""
        record = await self._reader.withdrawal(tenant_id, withdrawal_id)
        if record is None:
            message = f"There is no withdrawal {withdrawal_id}"
            raise refusal(Reason.WITHDRAWAL_NOT_FOUND, message)
        next_plan = plan(
            record.withdrawal,
            _tries(record),
            WaitingFor(record.waiting_for),
            record.approval_expires_at,
            self._rules.times,
            self._clock(),
        )
        return Standing(record, next_plan)

    async def reserve(self, tenant_id: str, withdrawal_id: str) -> Standing:
        """Put the player's cash aside; what the ledger refuses is REJECTED with its reason."""
        standing = await self.look(tenant_id, withdrawal_id)
        fact = facts.WithdrawalReserved(object_id=withdrawal_id, occurred_at=self._clock())
        return await self._bring(tenant_id, standing, fact)

    async def ask_rules(self, tenant_id: str, withdrawal_id: str) -> Standing:
        """Ask the rules: approved at once, or in review until people decide or it expires."""
        standing = await self.look(tenant_id, withdrawal_id)
        now, policy = self._clock(), self._rules.approval
        approvers = policy.approvers_required(standing.record.withdrawal.amount)
        if not approvers:
            approved = facts.WithdrawalAutoApproved(object_id=withdrawal_id, occurred_at=now)
            return await self._bring(tenant_id, standing, approved)

        async def also(unit: GatewayUnit, decision: Decision[Any]) -> None:
            if decision.verdict is Verdict.APPLIED:
                await unit.withdrawals.begin_review(withdrawal_id, policy.expires_at(now))

        review = facts.WithdrawalReviewRequired(
            object_id=withdrawal_id, occurred_at=now, approvers=approvers
        )
        return await self._bring(tenant_id, standing, review, also=also)

    async def expire(self, tenant_id: str, withdrawal_id: str) -> Standing:
        """End a review whose time is over; before that nothing happens."""
        standing = await self.look(tenant_id, withdrawal_id)
        now, expires_at = self._clock(), standing.record.approval_expires_at
        if expires_at is None or now < expires_at:
            return standing
        fact = facts.WithdrawalExpired(object_id=withdrawal_id, occurred_at=now)
        return await self._bring(tenant_id, standing, fact)

    async def give_up(self, tenant_id: str, withdrawal_id: str) -> Standing:
        """Give the money back, after an attempt that failed for certain."""
        standing = await self.look(tenant_id, withdrawal_id)
        if standing.plan.step is not Step.GIVE_UP:
            return standing
        fact = facts.WithdrawalGivenUp(object_id=withdrawal_id, occurred_at=self._clock())
        return await self._bring(tenant_id, standing, fact)

    # --- people's decisions ----------------------------------------------------------------------

    async def decide(
        self, tenant_id: str, withdrawal_id: str, decision: WithdrawalDecision
    ) -> Standing:
        """Write down what a person decided; the same decision again changes nothing.

        Raises:
            DomainError: WITHDRAWAL_NOT_IN_REVIEW, APPROVER_IS_REQUESTER, ALREADY_APPROVED,
                WITHDRAWAL_NOT_CANCELLABLE.
        """
        standing = await self.look(tenant_id, withdrawal_id)
        if any(one.decision_id == decision.decision_id for one in standing.record.decisions):
            return standing

        async def guard(_unit: GatewayUnit, rows: Rows) -> None:
            assert isinstance(rows.row, Withdrawal)
            _check_decision(rows.row, decision)

        async def also(unit: GatewayUnit, decided: Decision[Any]) -> None:
            if decided.verdict is Verdict.APPLIED:
                requested_by = standing.record.withdrawal.requested_by
                await unit.withdrawals.add_decision(withdrawal_id, requested_by, decision)

        fact = _fact_of(withdrawal_id, decision)
        return await self._bring(tenant_id, standing, fact, guard=guard, also=also)

    # --- the provider ----------------------------------------------------------------------------

    async def submit(self, tenant_id: str, withdrawal_id: str) -> Standing:
        """Begin the next attempt, which is stored and booked first, and ask the provider."""
        standing = await self.look(tenant_id, withdrawal_id)
        if standing.plan.step is not Step.SUBMIT:
            return standing
        attempt = self._next_attempt(tenant_id, standing.record)

        async def also(unit: GatewayUnit, decision: Decision[Any]) -> None:
            if decision.verdict is Verdict.APPLIED:
                await unit.attempts.add(attempt, self._clock())

        fact = facts.WithdrawalSubmitStarted(
            object_id=withdrawal_id,
            occurred_at=self._clock(),
            attempt=attempt.number,
            at=attempt.at,
        )
        brought = await self._brought(tenant_id, standing, fact, also=also)
        if brought.verdict is Verdict.APPLIED:
            if not brought.posted:
                # What is sent stands in the books first: the next question makes the call.
                raise _pending("the attempt's posting")
            called = await self._attempts.send(tenant_id, attempt)
            if called.needs_funding:
                await self._wait_for_funding(tenant_id, attempt)
        return await self.look(tenant_id, withdrawal_id)

    async def ask(self, tenant_id: str, withdrawal_id: str) -> Standing:
        """Ask what became of the attempt: by the same call while that is safe, then by a lookup.

        Where nobody can say, a person is told; the withdrawal waits, and is asked about still.
        """
        standing = await self.look(tenant_id, withdrawal_id)
        if standing.plan.step is not Step.ASK_PROVIDER:
            return standing
        if standing.record.standing.postings_pending:
            raise _pending("the attempt's posting")
        await self._attempts.carry_on(tenant_id, standing.record.attempts[-1])
        standing = await self.look(tenant_id, withdrawal_id)
        tries, state = _tries(standing.record), standing.record.withdrawal.state
        if tries and needs_person(state, tries, self._rules.times, self._clock()):
            await self._wait_for_person(tenant_id, standing.record)
            return await self.look(tenant_id, withdrawal_id)
        return standing

    def _next_attempt(self, tenant_id: str, record: WithdrawalRecord) -> NewAttempt:
        connection = self._connections.of(tenant_id, record.at)
        if connection.withdrawals is None:
            raise missing(Capability.WITHDRAWALS)
        withdrawal, now = record.withdrawal, self._clock()
        number = withdrawal.attempt + 1
        ask = WithdrawalAsk(
            amount=withdrawal.amount,
            reference=f"w-{withdrawal.withdrawal_id}-{number}",
            destination_token=record.destination_token,
        )
        return NewAttempt(
            object_type=ObjectType.WITHDRAWAL,
            object_id=withdrawal.withdrawal_id,
            number=number,
            attempt_id=self._new_id(now),
            at=connection.at,
            reference=ask.reference,
            request=connection.withdrawals.request_of(ask),
            replay_until=now + connection.key_lifetime,
            next_check_at=now + CALL_LEASE,
        )

    # --- what only people can end ----------------------------------------------------------------

    async def _wait_for_funding(self, tenant_id: str, attempt: NewAttempt) -> None:
        note = _note(
            ExceptionKind.FUNDING_NEEDED,
            "funding",
            attempt,
            f"Our balance at {attempt.at} is too low for this withdrawal",
        )
        await self._wait(tenant_id, WithdrawalState.APPROVED, WaitingFor.FUNDING, note)

    async def _wait_for_person(self, tenant_id: str, record: WithdrawalRecord) -> None:
        attempt = record.attempts[-1]
        note = _note(
            ExceptionKind.UNKNOWN_OUTCOME,
            f"attempt.{attempt.number}",
            attempt,
            f"Nobody knows what became of the attempt with reference {attempt.reference}",
        )
        await self._wait(tenant_id, record.withdrawal.state, WaitingFor.EXCEPTION, note)

    async def _wait(
        self, tenant_id: str, state: WithdrawalState, waiting_for: WaitingFor, note: ExceptionNote
    ) -> None:
        """Write what it waits for, and tell people once; nothing if its state has moved on."""
        async with self._store.open(tenant_id) as unit:
            if await unit.withdrawals.wait_for(note.object_id, state, waiting_for):
                await unit.raise_exceptions([note], self._clock())
                await unit.commit()

    # --- the one way in --------------------------------------------------------------------------

    async def _bring(
        self,
        tenant_id: str,
        standing: Standing,
        fact: WithdrawalFact,
        *,
        guard: Guard | None = None,
        also: Also | None = None,
    ) -> Standing:
        """Bring a fact and return how it then stands."""
        await self._brought(tenant_id, standing, fact, guard=guard, also=also)
        return await self.look(tenant_id, fact.object_id)

    async def _brought(
        self,
        tenant_id: str,
        standing: Standing,
        fact: WithdrawalFact,
        *,
        guard: Guard | None = None,
        also: Also | None = None,
    ) -> Brought:
        """Bring a fact; one that must wait for a posting is brought again by whoever retries."""
        source = FactSource.PERSON if isinstance(fact, DecisionFact) else FactSource.WORKFLOW
        brought = await self._facts.bring(
            News(tenant_id=tenant_id, fact=fact, at=standing.record.at, origin=Origin(source)),
            guard=guard,
            also=also,
        )
        if brought.verdict is Verdict.DEFERRED:
            raise _pending(brought.decision.why)
        return brought


def _tries(record: WithdrawalRecord) -> Tries | None:
    if not record.attempts:
        return None
    last = record.attempts[-1]
    return Tries(
        outcome=last.outcome,
        begun_at=last.created_at,
        first_begun_at=record.attempts[0].created_at,
        replay_until=last.replay_until,
    )


def _check_decision(withdrawal: Withdrawal, decision: WithdrawalDecision) -> None:
    match decision.kind:
        case "APPROVED":
            check_approver(withdrawal, decision.decided_by)
        case "REJECTED":
            check_in_review(withdrawal)
        case _:
            check_cancellable(withdrawal)


def _fact_of(withdrawal_id: str, decision: WithdrawalDecision) -> WithdrawalFact:
    at = decision.decided_at
    if decision.kind == "CANCELLED":
        return facts.WithdrawalCancelled(object_id=withdrawal_id, occurred_at=at)
    approved = decision.kind == "APPROVED"
    fact_type = facts.WithdrawalApproved if approved else facts.WithdrawalRejected
    return fact_type(
        object_id=withdrawal_id,
        occurred_at=at,
        decision_id=decision.decision_id,
        decided_by=decision.decided_by,
    )


def _note(kind: ExceptionKind, cause: str, attempt: NewAttempt, message: str) -> ExceptionNote:
    return ExceptionNote(
        kind=kind,
        decision_kind=DECISION_OF[kind],
        cause=cause,
        message=message,
        object_type=ObjectType.WITHDRAWAL,
        object_id=attempt.object_id,
        at=attempt.at,
    )


def _pending(what: str) -> DomainError:
    message = f"What comes first is not in the ledger yet ({what}); retry"
    return refusal(Reason.POSTINGS_PENDING, message)
