"""Implements LightSteps."""

from collections.abc import Sequence

import structlog
from temporalio import activity

from services.reconciliation.activities.telling import beating, told
from services.reconciliation.application.comparing import RunComparing
from services.reconciliation.application.starting import RunStarter
from services.reconciliation.application.waiting import RunWaiting
from services.reconciliation.domain.runs import (
    IncompleteReason,
    Predecessor,
    ReportInput,
    RunCut,
    RunPlan,
    RunRequest,
    RunState,
)
from services.reconciliation.domain.steps import Proven, Published
from services.reconciliation.workflows.models import ClaimAnswer, PersistAnswer, Reports
from services.reconciliation.workflows.steps import LightSteps

log = structlog.get_logger("vezne.reconciliation")


class LightActivities(LightSteps):
    """Steps that ask and tell."""

    def __init__(self, starter: RunStarter, waiting: RunWaiting, comparing: RunComparing) -> None:
        self._starter = starter
        self._waiting = waiting
        self._comparing = comparing

    @activity.defn
    async def claim_run(self, request: RunRequest) -> ClaimAnswer:
        with told():
            claimed = await self._starter.claim(request)
        run = claimed.run
        return ClaimAnswer(
            plan=self._starter.plan(run),
            outcome=claimed.outcome,
            verdict=run.verdict,
            must_start=not run.has_ended and not run.first_execution_run_id,
        )

    @activity.defn
    async def begin_run(self, plan: RunPlan, first_execution_run_id: str) -> None:
        with told():
            await self._waiting.begin(plan, first_execution_run_id)

    @activity.defn
    async def wait_predecessor(self, plan: RunPlan) -> Predecessor | None:
        with told():
            return await self._waiting.wait_predecessor(plan)

    @activity.defn
    async def wait_report(
        self, plan: RunPlan, predecessor: Predecessor | None
    ) -> IncompleteReason | None:
        with told():
            return await self._waiting.wait_report(plan, predecessor)

    @activity.defn
    async def wait_booking(self, plan: RunPlan, predecessor: Predecessor | None) -> Reports:
        with told():
            return Reports(await self._waiting.wait_booking(plan, predecessor))

    @activity.defn
    async def resolve_cut(
        self, plan: RunPlan, predecessor: Predecessor | None, reports: Sequence[ReportInput]
    ) -> RunCut:
        with told():
            return await self._waiting.resolve_cut(plan, predecessor, reports)

    @activity.defn
    async def persist(self, plan: RunPlan, proven: Proven) -> PersistAnswer:
        async with beating():
            return PersistAnswer(*await self._comparing.persist(plan, proven))

    @activity.defn
    async def publish_nothing(
        self, plan: RunPlan, reasons: Sequence[IncompleteReason]
    ) -> Published:
        async with beating():
            return await self._comparing.publish_nothing(plan, reasons)

    @activity.defn
    async def close_run(self, plan: RunPlan, execution: str, state: RunState, message: str) -> None:
        with told():
            await self._comparing.close(plan, execution, state, message)

    @activity.defn
    async def notify(self, plan: RunPlan, published: Published) -> None:
        log.info(
            "run_published",
            tenant=plan.tenant_id,
            run_id=plan.run_id,
            provider=plan.provider,
            provider_account=plan.provider_account,
            business_date=plan.business_date.isoformat(),
            mode=plan.mode.value,
            verdict=published.verdict.value,
            incomplete_reasons=[reason.value for reason in published.incomplete_reasons],
            breaks=published.breaks,
            new_breaks=published.new_breaks,
            alerts_held=published.alerts_held,
        )

    @activity.defn
    async def claim_stale(self, plan: RunPlan) -> RunPlan | None:
        with told():
            return await self._starter.claim_stale(plan)
