"""A withdrawal from its request to its end.

The workflow waits and calls; it knows no rule. How the withdrawal stands, which step is next and
how long that may wait follows from its row, and every activity answers with it. So nothing is lost
when this ends early: started again, it reads the row and goes on. A rule that changes needs no new
workflow.
"""

from collections.abc import Mapping
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from services.kernel.invariant import present
    from services.psp_gateway.workflows import signatures
    from services.psp_gateway.workflows.details import details
    from services.psp_gateway.workflows.models import (
        DecisionKind,
        NextStep,
        PersonsDecision,
        Standing,
        WithdrawalRef,
    )

STEPS: Mapping[NextStep, tuple[signatures.StepActivity, str]] = {
    "RESERVE": (signatures.reserve_withdrawal, "Reserve the player's money"),
    "ASK_RULES": (signatures.ask_withdrawal_rules, "Ask the rules who must approve it"),
    "EXPIRE": (signatures.expire_withdrawal, "Nobody decided in time"),
    "SUBMIT": (signatures.submit_withdrawal, "Ask the provider to pay"),
    "GIVE_UP": (signatures.give_withdrawal_up, "Give the money back"),
    "ASK_PROVIDER": (signatures.ask_provider, "Ask the provider what became of it"),
}

# Nothing that fails here is the withdrawal's failure: it is tried until it is done. What goes on
# failing is seen in the UI, and alerted on.
_UNTIL_DONE = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(minutes=1),
)
# Of one try: far more than the calls of a step take, and how long a killed worker holds a step up.
_CALL_TIMEOUT = timedelta(seconds=20)
# A person waits for the answer to a decision.
_DECISION_TIMEOUT = timedelta(seconds=30)


@workflow.defn(name="Withdrawal")
class WithdrawalWorkflow:
    """One withdrawal, until it is paid or its money is the player's again."""

    @workflow.init
    def __init__(self, of: WithdrawalRef) -> None:
        self._of = of
        self._standing: Standing | None = None
        self._has_news = False

    @workflow.run
    async def run(self, of: WithdrawalRef) -> str:
        """Go on from wherever it stands; return the state in which it ended."""
        standing = await self._look()
        while standing.step != "NOTHING":
            if workflow.info().is_continue_as_new_suggested():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(of)
            if not await self._news_came(standing):
                activity, summary = STEPS[standing.step]
                await self._do(activity, summary)
            standing = self._newest()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._newest().state

    # --- news ------------------------------------------------------------------------------------

    @workflow.signal(description="Something has happened to it: look at its row. No input.")
    def something_happened(self) -> None:
        """Take note that somebody else has changed the row."""
        self._has_news = True

    async def _news_came(self, standing: Standing) -> bool:
        """Wait for news, for the pause that the standing allows; return whether some came."""
        if standing.pause_s > 0 and not self._has_news:
            try:
                await workflow.wait_condition(
                    lambda: self._has_news or self._standing is not standing,
                    timeout=standing.pause_s,
                    timeout_summary=standing.why,
                )
            except TimeoutError:
                return False
        if self._has_news:
            self._has_news = False
            await self._look()
            return True
        return self._standing is not standing

    # --- people's decisions ----------------------------------------------------------------------

    @workflow.update(
        description='One person approves it: {"decision_id": "...", "decided_by": "...", '
        '"comment": "..."}. Neither who requested it nor the same person twice.'
    )
    async def approve(self, decision: PersonsDecision) -> Standing:
        """Take one person's approval."""
        return await self._decide("APPROVED", decision)

    @approve.validator
    def _may_approve(self, decision: PersonsDecision) -> None:
        if self._is_new(decision) and self._standing:
            _check_in_review(self._standing)
            reason = self._standing.may_not_approve.get(decision.decided_by)
            if reason:
                raise _refused(reason, f"{decision.decided_by} may not approve it")

    @workflow.update(
        description='One person rejects it, which is enough: {"decision_id": "...", '
        '"decided_by": "...", "comment": "..."}.'
    )
    async def reject(self, decision: PersonsDecision) -> Standing:
        """Take one person's rejection: the money is the player's again."""
        return await self._decide("REJECTED", decision)

    @reject.validator
    def _may_reject(self, decision: PersonsDecision) -> None:
        if self._is_new(decision) and self._standing:
            _check_in_review(self._standing)

    @workflow.update(
        description='Call it off before it is submitted: {"decision_id": "...", '
        '"decided_by": "...", "comment": "..."}.'
    )
    async def cancel(self, decision: PersonsDecision) -> Standing:
        """Take it back before it is submitted: the money is the player's again."""
        return await self._decide("CANCELLED", decision)

    @cancel.validator
    def _may_cancel(self, decision: PersonsDecision) -> None:
        if self._is_new(decision) and self._standing and not self._standing.cancellable:
            message = f"The withdrawal is {self._standing.state}"
            raise _refused("WITHDRAWAL_NOT_CANCELLABLE", message)

    def _is_new(self, decision: PersonsDecision) -> bool:
        if decision.wrong:
            raise _refused("INVALID_REQUEST", decision.wrong)
        return self._standing is None or decision.decision_id not in self._standing.decision_ids

    async def _decide(self, kind: DecisionKind, decision: PersonsDecision) -> Standing:
        # The validator looked at what was known here; the row's word, under its lock, counts.
        standing = await workflow.execute_activity(
            signatures.decide_withdrawal,
            args=[self._of, kind, decision],
            start_to_close_timeout=_CALL_TIMEOUT,
            schedule_to_close_timeout=_DECISION_TIMEOUT,
            retry_policy=_UNTIL_DONE,
            summary=f"{kind} by {decision.decided_by}",
        )
        self._learn(standing)
        return standing

    # --- activities ------------------------------------------------------------------------------

    async def _look(self) -> Standing:
        return await self._do(signatures.look_at_withdrawal, "Look at its row")

    async def _do(self, activity: signatures.StepActivity, summary: str) -> Standing:
        standing = await workflow.execute_activity(
            activity,
            self._of,
            start_to_close_timeout=_CALL_TIMEOUT,
            retry_policy=_UNTIL_DONE,
            summary=summary,
        )
        self._learn(standing)
        return self._newest()

    def _learn(self, standing: Standing) -> None:
        """Keep the newer standing: a decision and a step may end in any order."""
        if self._standing is None or standing.event_sequence >= self._standing.event_sequence:
            self._standing = standing
            workflow.set_current_details(details(standing))

    def _newest(self) -> Standing:
        return present(self._standing, "a withdrawal's workflow begins with its standing")


def _check_in_review(standing: Standing) -> None:
    # What is known here may be a moment old: before the rules were asked, the row decides.
    may_be_by_now = standing.step in ("RESERVE", "ASK_RULES")
    if not standing.in_review and not may_be_by_now:
        raise _refused("WITHDRAWAL_NOT_IN_REVIEW", f"The withdrawal is {standing.state}")


def _refused(reason: str, message: str) -> ApplicationError:
    return ApplicationError(message, type=reason, non_retryable=True)
