"""ReconcileProviderAccount: the run of one provider account for one business date."""

import asyncio
from datetime import timedelta
from typing import TypedDict

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    FailureError,
    RetryState,
    TimeoutError,  # noqa: A004 - Temporal's own, which is meant here.
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from services.reconciliation.domain.runs import (
        IncompleteReason,
        Predecessor,
        ReportInput,
        RunPlan,
        RunState,
    )
    from services.reconciliation.domain.steps import Proven, Published, Staged
    from services.reconciliation.workflows.failing import root_of, told
    from services.reconciliation.workflows.models import (
        COMPARING,
        HEAVY_QUEUE,
        RECONCILE,
        VERDICT,
        RunAnswer,
    )
    from services.reconciliation.workflows.requesting import start_run
    from services.reconciliation.workflows.steps import (
        BAD_INPUT,
        CLAIM_LOST,
        HeavySteps,
        LightSteps,
    )
    from services.reconciliation.workflows.story import Story

_DETERMINISTIC = [BAD_INPUT, CLAIM_LOST]
_WHAT_TO_DO = "The date is free: when this is mended, start RequestReconciliation for it again"


class _Options(TypedDict, total=False):
    task_queue: str
    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy


# An outage of what a step calls must not fail a run: it is tried again for as long as people sleep.
_LIGHT = _Options(
    start_to_close_timeout=timedelta(minutes=1),
    retry_policy=RetryPolicy(
        maximum_interval=timedelta(minutes=1), non_retryable_error_types=_DETERMINISTIC
    ),
)
_STAGE = _Options(
    task_queue=HEAVY_QUEUE,
    start_to_close_timeout=timedelta(minutes=30),
    schedule_to_close_timeout=timedelta(hours=6),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(
        maximum_interval=timedelta(minutes=1), non_retryable_error_types=_DETERMINISTIC
    ),
)
# Over files alone the same failure comes again: a few attempts are for workers that are ended.
_COMPARE = _Options(
    task_queue=HEAVY_QUEUE,
    start_to_close_timeout=timedelta(minutes=30),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(
        maximum_attempts=5,
        maximum_interval=timedelta(minutes=1),
        non_retryable_error_types=_DETERMINISTIC,
    ),
)
_PERSIST = _Options(
    start_to_close_timeout=timedelta(minutes=15),
    schedule_to_close_timeout=timedelta(hours=2),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(
        maximum_interval=timedelta(minutes=1), non_retryable_error_types=_DETERMINISTIC
    ),
)
_NOTIFY = _Options(
    start_to_close_timeout=timedelta(minutes=1), retry_policy=RetryPolicy(maximum_attempts=5)
)


def _waiting(wait_s: float, poll_s: float, poll_max_s: float) -> _Options:
    """Return the options of a step that is tried again until what it waits for is there."""
    return _Options(
        start_to_close_timeout=timedelta(minutes=1),
        schedule_to_close_timeout=timedelta(seconds=wait_s),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=poll_s),
            backoff_coefficient=1.5,
            maximum_interval=timedelta(seconds=poll_max_s),
            non_retryable_error_types=_DETERMINISTIC,
        ),
    )


@workflow.defn(name=RECONCILE)
class ReconcileProviderAccount:
    """Waits, stages, matches, proves, publishes; what it cannot conclude ends as INCOMPLETE."""

    @workflow.init
    def __init__(self, plan: RunPlan) -> None:
        self._plan = plan
        self._story = Story(plan)

    @workflow.run
    async def run(self, plan: RunPlan) -> RunAnswer:
        """Run; a run that is cancelled or fails frees its date, unless it is published."""
        try:
            await workflow.execute_activity_method(
                LightSteps.begin_run,
                args=[plan, workflow.info().first_execution_run_id],
                summary="take up the claim",
                **_LIGHT,
            )
            return await self._reconcile()
        except (FailureError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) or is_cancelled_exception(error):
                await self._close(RunState.CANCELLED, "It was cancelled")
                raise
            sentence = _sentence(error)
            await self._close(RunState.FAILED, sentence)
            raise told(error, f"{sentence}. {_WHAT_TO_DO}") from error

    async def _reconcile(self) -> RunAnswer:
        plan = self._plan
        found = await self._wait_predecessor()
        if isinstance(found, IncompleteReason):
            return await self._conclude_nothing(found)
        reports, lacking = await self._wait_reports(found)
        workflow.upsert_search_attributes([VERDICT.value_set(COMPARING)])
        cut = await workflow.execute_activity_method(
            LightSteps.resolve_cut,
            args=[plan, found, reports],
            summary="fix what is read",
            **_LIGHT,
        )
        self._tell(
            "cut",
            f"ledger {cut.ledger.after} to {cut.ledger.through}, "
            f"gateway {cut.gateway.after} to {cut.gateway.through}, {len(cut.reports)} reports",
        )
        proven = await self._compare(await self._stage(), lacking)
        answer = await workflow.execute_activity_method(
            LightSteps.persist, args=[plan, proven], summary="make it visible", **_PERSIST
        )
        self._tell("published", f"manifest `{proven.manifest_sha256}`")
        await self._end(answer.published)
        if answer.has_stale:
            await self._run_stale()
        return RunAnswer(plan.run_id, answer.published, proven.markdown)

    async def _wait_predecessor(self) -> Predecessor | IncompleteReason | None:
        plan = self._plan
        self._tell("date before", "waiting")
        try:
            found = await workflow.execute_activity_method(
                LightSteps.wait_predecessor,
                plan,
                summary="wait for the date before",
                **_waiting(plan.waits.predecessor_s, 1, 30),
            )
        except ActivityError as error:
            if not _ran_out(error):
                raise
            return IncompleteReason.PREDECESSOR_MISSING
        self._tell("date before", str(found.business_date) if found else "none: from zero")
        return found

    async def _wait_reports(
        self, predecessor: Predecessor | None
    ) -> tuple[tuple[ReportInput, ...], list[IncompleteReason]]:
        """Return the booked reports; or none, and why: what is found is then unproven."""
        plan = self._plan
        self._tell("report", "waiting")
        try:
            lacking = await workflow.execute_activity_method(
                LightSteps.wait_report,
                args=[plan, predecessor],
                summary=f"wait for the report of {plan.business_date}",
                **_waiting(plan.waits.report_s, 2, 60),
            )
        except ActivityError as error:
            if not _ran_out(error):
                raise
            lacking = IncompleteReason.REPORT_MISSING
        if lacking is None:
            self._tell("report", "there; being booked")
            try:
                reports = await workflow.execute_activity_method(
                    LightSteps.wait_booking,
                    args=[plan, predecessor],
                    summary="wait until it is booked",
                    **_waiting(plan.waits.booking_s, 0.5, 15),
                )
            except ActivityError as error:
                if not _ran_out(error):
                    raise
                lacking = IncompleteReason.REPORT_NOT_BOOKED
            else:
                self._tell("report", f"{len(reports.inputs)} booked")
                return reports.inputs, []
        self._tell("report", f"**{lacking}**")
        return (), [lacking]

    async def _stage(self) -> list[Staged]:
        plan = self._plan
        self._tell("staging", "under way")
        staged = await asyncio.gather(
            workflow.execute_activity_method(
                HeavySteps.stage_settlement, plan, summary="stage the reports", **_STAGE
            ),
            workflow.execute_activity_method(
                HeavySteps.stage_gateway, plan, summary="stage the gateway", **_STAGE
            ),
            workflow.execute_activity_method(
                HeavySteps.stage_ledger, plan, summary="stage the ledger", **_STAGE
            ),
        )
        self._tell("staging", ", ".join(f"{side.side}: {side.row_count} rows" for side in staged))
        return list(staged)

    async def _compare(self, staged: list[Staged], lacking: list[IncompleteReason]) -> Proven:
        plan = self._plan
        matched = await workflow.execute_activity_method(
            HeavySteps.match, args=[plan, staged], summary="match", **_COMPARE
        )
        self._tell("matching", f"{matched.closed_rows} rows closed, {matched.open_rows} open")
        proven = await workflow.execute_activity_method(
            HeavySteps.prove, args=[plan, staged, matched, lacking], summary="prove", **_COMPARE
        )
        self._story.conclude(proven.markdown)
        self._tell("verdict", f"**{proven.verdict}**")
        return proven

    async def _conclude_nothing(self, reason: IncompleteReason) -> RunAnswer:
        published = await workflow.execute_activity_method(
            LightSteps.publish_nothing,
            args=[self._plan, [reason]],
            summary="end without a result",
            **_PERSIST,
        )
        self._tell("verdict", f"**{published.verdict}**: {reason}")
        await self._end(published)
        return RunAnswer(self._plan.run_id, published, "")

    async def _end(self, published: Published) -> None:
        """Show the verdict where it is seen without a worker, and tell people."""
        workflow.upsert_search_attributes([VERDICT.value_set(published.verdict.value)])
        workflow.upsert_memo(
            {
                "verdict": published.verdict.value,
                "breaks": published.breaks,
                "new_breaks": published.new_breaks,
                "manifest_sha256": published.manifest_sha256,
            }
        )
        try:
            await workflow.execute_activity_method(
                LightSteps.notify,
                args=[self._plan, published],
                summary="tell people",
                **_NOTIFY,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            # What was published stands, whether or not somebody could be told.
            workflow.logger.warning("nobody could be told how the run ended")

    async def _run_stale(self) -> None:
        """Start the run of the next date whose opening rows are out of date."""
        following = await workflow.execute_activity_method(
            LightSteps.claim_stale, self._plan, summary="run the next stale date", **_LIGHT
        )
        if following is not None:
            await start_run(following)

    async def _close(self, state: RunState, message: str) -> None:
        workflow.upsert_search_attributes([VERDICT.value_set(state.value)])
        self._tell(state.lower(), message)
        await workflow.execute_activity_method(
            LightSteps.close_run,
            args=[self._plan, workflow.info().first_execution_run_id, state, message],
            summary="free the date",
            **_LIGHT,
        )

    def _tell(self, step: str, outcome: str) -> None:
        self._story.tell(step, outcome)
        workflow.set_current_details(self._story.to_markdown())


def _ran_out(error: ActivityError) -> bool:
    """Whether a step that waits ended because its time was over."""
    return error.retry_state is RetryState.TIMEOUT or isinstance(error.cause, TimeoutError)


def _sentence(error: FailureError) -> str:
    """Return which step failed, and the sentence at the root of it."""
    step = f"{error.activity_type}: " if isinstance(error, ActivityError) else ""
    return f"{step}{root_of(error).message}"
