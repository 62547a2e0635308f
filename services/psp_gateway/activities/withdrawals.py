"""The activities of a withdrawal's workflow, as `workflows/signatures.py` names them."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from services.kernel.clock import Clock
from services.kernel.errors import Category, DomainError
from services.psp_gateway.application.object_records import WithdrawalDecision
from services.psp_gateway.application.withdrawal_steps import Standing as Found
from services.psp_gateway.application.withdrawal_steps import WithdrawalSteps
from services.psp_gateway.workflows.models import (
    Attempt,
    DecisionKind,
    PersonsDecision,
    Standing,
    WithdrawalRef,
)

# The caller made a mistake, or came too late: trying again would come to the same.
_FOR_GOOD = frozenset({Category.SHAPE, Category.NOT_FOUND, Category.CONFLICT, Category.STATE})

SHOWN_ATTEMPTS_MAX = 10
"""How many attempts go into the history, for people to see: the last ones."""


class WithdrawalActivities:
    """What a withdrawal's workflow calls."""

    def __init__(self, steps: WithdrawalSteps, clock: Clock) -> None:
        self._steps = steps
        self._clock = clock

    @activity.defn
    async def look_at_withdrawal(self, of: WithdrawalRef) -> Standing:
        return _standing(await self._steps.look(of.tenant_id, of.withdrawal_id))

    @activity.defn
    async def reserve_withdrawal(self, of: WithdrawalRef) -> Standing:
        return _standing(await self._steps.reserve(of.tenant_id, of.withdrawal_id))

    @activity.defn
    async def ask_withdrawal_rules(self, of: WithdrawalRef) -> Standing:
        return _standing(await self._steps.ask_rules(of.tenant_id, of.withdrawal_id))

    @activity.defn
    async def expire_withdrawal(self, of: WithdrawalRef) -> Standing:
        return _standing(await self._steps.expire(of.tenant_id, of.withdrawal_id))

    @activity.defn
    async def submit_withdrawal(self, of: WithdrawalRef) -> Standing:
        return _standing(await self._steps.submit(of.tenant_id, of.withdrawal_id))

    @activity.defn
    async def give_withdrawal_up(self, of: WithdrawalRef) -> Standing:
        return _standing(await self._steps.give_up(of.tenant_id, of.withdrawal_id))

    @activity.defn
    async def ask_provider(self, of: WithdrawalRef) -> Standing:
        return _standing(await self._steps.ask(of.tenant_id, of.withdrawal_id))

    @activity.defn
    async def decide_withdrawal(
        self, of: WithdrawalRef, kind: DecisionKind, decision: PersonsDecision
    ) -> Standing:
        written = WithdrawalDecision(
            decision_id=decision.decision_id,
            kind=kind,
            decided_by=decision.decided_by,
            comment=decision.comment,
            decided_at=self._clock(),
        )
        try:
            return _standing(await self._steps.decide(of.tenant_id, of.withdrawal_id, written))
        except DomainError as error:
            if error.category not in _FOR_GOOD:
                raise
            raise ApplicationError(error.message, type=error.reason, non_retryable=True) from error


def _standing(found: Found) -> Standing:
    record, plan = found.record, found.plan
    return Standing(
        state=record.withdrawal.state,
        event_sequence=record.standing.event_sequence,
        step=plan.step.value,
        pause_s=plan.pause.total_seconds(),
        why=plan.why,
        waiting_for=record.waiting_for,
        amount=str(record.withdrawal.amount),
        provider_account=str(record.at),
        in_review=found.in_review,
        cancellable=found.cancellable,
        may_not_approve=dict(found.may_not_approve),
        decision_ids=[one.decision_id for one in record.decisions],
        attempts=[
            Attempt(
                number=one.number,
                provider_account=str(one.at),
                outcome=one.outcome or "",
                provider_state=one.provider_state,
                failure_code=one.failure_code,
            )
            for one in record.attempts[-SHOWN_ATTEMPTS_MAX:]
        ],
    )
