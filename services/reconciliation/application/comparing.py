"""The second half of a run: stage the three sides, match, prove, publish."""

from collections.abc import Sequence

from services.kernel.clock import Clock
from services.kernel.invariant import present
from services.reconciliation.application.ports import (
    Gateway,
    Ledger,
    RunClaims,
    RunProgress,
    Workbench,
)
from services.reconciliation.application.waiting import Phases
from services.reconciliation.domain.markdown import to_markdown
from services.reconciliation.domain.runs import (
    IncompleteReason,
    RunCut,
    RunPhase,
    RunPlan,
    RunState,
)
from services.reconciliation.domain.steps import Matched, Proven, Published, Staged
from services.reconciliation.domain.verdict import Verdict


class RunComparing:
    """Compares what the cut says, and publishes what came of it. Each method may be repeated.

    Args:
        progress: how the run moves on.
        claims: the claims of dates.
        ledger: where transactions and balances come from.
        gateway: where events and reports come from.
        workbench: where files are made.
        clock: for the phases.
        new_breaks_max: of more new breaks than that, alerts are held and one anomaly is reported.
    """

    def __init__(
        self,
        progress: RunProgress,
        claims: RunClaims,
        ledger: Ledger,
        gateway: Gateway,
        workbench: Workbench,
        clock: Clock,
        new_breaks_max: int,
    ) -> None:
        self._progress = progress
        self._claims = claims
        self._ledger = ledger
        self._gateway = gateway
        self._workbench = workbench
        self._clock = clock
        self._new_breaks_max = new_breaks_max
        self._phases = Phases(progress, clock)

    async def stage_settlement(self, plan: RunPlan) -> Staged:
        """Stage the lines of the cut's reports."""
        async with self._phases.of(plan, RunPhase.STAGE_SETTLEMENT) as note:
            cut = await self._cut(plan)
            reports = [
                await self._gateway.read_report(plan.tenant_id, report) for report in cut.reports
            ]
            staged = await self._workbench.stage_settlement(plan.scope, reports)
            note.text = _count(staged, "lines")
            return staged

    async def stage_gateway(self, plan: RunPlan) -> Staged:
        """Stage the gateway's events between the previous cut and this one."""
        async with self._phases.of(plan, RunPhase.STAGE_GATEWAY) as note:
            cut = (await self._cut(plan)).gateway
            exported = self._gateway.export(plan.scope.account, cut.after, cut.through)
            staged = await self._workbench.stage_gateway(exported)
            note.text = _count(staged, "events")
            return staged

    async def stage_ledger(self, plan: RunPlan) -> Staged:
        """Stage the ledger's transactions between the previous cut and this one.

        Its own balances at the cut are kept beside them: the proof asks nobody any more.
        """
        async with self._phases.of(plan, RunPhase.STAGE_LEDGER) as note:
            cut = await self._cut(plan)
            exported = self._ledger.export(
                plan.tenant_id, cut.ledger.after, cut.ledger.through, list(cut.accounts)
            )
            staged = await self._workbench.stage_ledger(
                exported,
                cut.accounts,
                await self._ledger.balances(plan.tenant_id, list(cut.accounts), cut.ledger.through),
            )
            note.text = _count(staged, "transactions")
            return staged

    async def match(self, plan: RunPlan, staged: Sequence[Staged]) -> Matched:
        """Match what was carried and what is new."""
        async with self._phases.of(plan, RunPhase.MATCH) as note:
            matched = await self._workbench.match(plan.scope, await self._cut(plan), staged)
            note.text = f"{matched.closed_rows} rows closed, {matched.open_rows} open"
            return matched

    async def prove(
        self,
        plan: RunPlan,
        staged: Sequence[Staged],
        matched: Matched,
        lacking: Sequence[IncompleteReason],
    ) -> Proven:
        """Prove the run from its files, which hold the ledger's own balances at the cut."""
        async with self._phases.of(plan, RunPhase.PROVE) as note:
            cut = await self._cut(plan)
            proven = await self._workbench.prove(plan.scope, cut, staged, matched, lacking)
            note.text = proven.verdict
            return proven

    async def persist(self, plan: RunPlan, proven: Proven) -> tuple[Published, bool]:
        """Copy breaks and statement as drafts, then make all of it visible in one commit.

        Returns what was published, and whether a date must be run again for it.

        Raises:
            ClaimLostError: the run has ended otherwise; nothing became visible.
        """
        async with self._phases.of(plan, RunPhase.PERSIST):
            statement = await self._workbench.statement(proven.statement_sha256)
            await self._progress.store_drafts(
                plan,
                statement,
                to_markdown(statement),
                self._workbench.breaks(proven.manifest_sha256),
            )
        published = Published(
            verdict=proven.verdict,
            incomplete_reasons=proven.incomplete_reasons,
            breaks=proven.counts.breaks,
            new_breaks=proven.counts.new_breaks,
            alerts_held=proven.counts.new_breaks > self._new_breaks_max,
            manifest_sha256=proven.manifest_sha256,
        )
        return published, await self._progress.publish(plan, published, proven, self._clock())

    async def publish_nothing(
        self, plan: RunPlan, reasons: Sequence[IncompleteReason]
    ) -> Published:
        """End a run that could read nothing as INCOMPLETE; its date is free."""
        published = Published(Verdict.INCOMPLETE, tuple(reasons), 0, 0, False, "")
        await self._progress.publish(plan, published, None, self._clock())
        return published

    async def close(self, plan: RunPlan, execution: str, state: RunState, message: str) -> None:
        """End a run that was cancelled or has failed; what is published stays."""
        await self._claims.close(plan, execution, state, message, self._clock())

    async def _cut(self, plan: RunPlan) -> RunCut:
        cut = await self._progress.cut(plan)
        return present(cut, "the cut is resolved before anything is read")


def _count(staged: Staged, what: str) -> str:
    return f"{staged.row_count} rows of {staged.source_count} {what}"
