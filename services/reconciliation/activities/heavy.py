"""Implements HeavySteps."""

from collections.abc import Sequence

from temporalio import activity

from services.reconciliation.activities.telling import beating
from services.reconciliation.application.comparing import RunComparing
from services.reconciliation.domain.runs import IncompleteReason, RunPlan
from services.reconciliation.domain.steps import Matched, Proven, Staged
from services.reconciliation.workflows.steps import HeavySteps


class HeavyActivities(HeavySteps):
    """Steps that read and make files."""

    def __init__(self, comparing: RunComparing) -> None:
        self._comparing = comparing

    @activity.defn
    async def stage_settlement(self, plan: RunPlan) -> Staged:
        async with beating():
            return await self._comparing.stage_settlement(plan)

    @activity.defn
    async def stage_gateway(self, plan: RunPlan) -> Staged:
        async with beating():
            return await self._comparing.stage_gateway(plan)

    @activity.defn
    async def stage_ledger(self, plan: RunPlan) -> Staged:
        async with beating():
            return await self._comparing.stage_ledger(plan)

    @activity.defn
    async def match(self, plan: RunPlan, staged: Sequence[Staged]) -> Matched:
        async with beating():
            return await self._comparing.match(plan, staged)

    @activity.defn
    async def prove(
        self,
        plan: RunPlan,
        staged: Sequence[Staged],
        matched: Matched,
        lacking: Sequence[IncompleteReason],
    ) -> Proven:
        async with beating():
            return await self._comparing.prove(plan, staged, matched, lacking)
