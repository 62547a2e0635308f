"""The first half of a run: what it waits for, in order, and exactly what it then reads."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from services.kernel.clock import Clock
from services.reconciliation.application.ports import (
    Gateway,
    Ledger,
    NotYetError,
    RunProgress,
    UnavailableError,
)
from services.reconciliation.application.starting import RunStarter
from services.reconciliation.domain.pots import pots_of
from services.reconciliation.domain.rules import Rules
from services.reconciliation.domain.runs import (
    IncompleteReason,
    Predecessor,
    ReportInput,
    Run,
    RunCut,
    RunPhase,
    RunPlan,
)
from services.reconciliation.domain.statement import SequenceCut
from services.reconciliation.domain.steps import GatewayReport, ReportState

LATE_REPORTS = timedelta(days=31)
"""A report of a date that is over may still come so late. Later ones leave a hole in the numbers,
which the proof of the range shows."""


@dataclass(slots=True)
class Note:
    """What came of a phase, in a few words; set before the phase ends."""

    text: str = ""


class Phases:
    """Notes when a run did what."""

    def __init__(self, progress: RunProgress, clock: Clock) -> None:
        self._progress = progress
        self._clock = clock

    @asynccontextmanager
    async def of(self, plan: RunPlan, phase: RunPhase) -> AsyncIterator[Note]:
        """Note the beginning and the end of a phase; while it waits, what it waits for."""
        await self._progress.start_phase(plan, phase, "", self._clock())
        note = Note()
        try:
            yield note
        except NotYetError as error:
            await self._progress.start_phase(plan, phase, str(error), self._clock())
            raise
        await self._progress.end_phase(plan, phase, note.text, self._clock())


class RunWaiting:
    """Waits for the date before, the report and its booking, and fixes the cut.

    Each method may be repeated; each raises UnavailableError where a service or the store is away.
    """

    def __init__(
        self,
        progress: RunProgress,
        starter: RunStarter,
        ledger: Ledger,
        gateway: Gateway,
        rules: Rules,
        clock: Clock,
    ) -> None:
        self._progress = progress
        self._starter = starter
        self._ledger = ledger
        self._gateway = gateway
        self._rules = rules
        self._clock = clock
        self._phases = Phases(progress, clock)

    async def begin(self, plan: RunPlan, first_execution_run_id: str) -> None:
        """Note which execution does the work.

        Raises:
            ClaimLostError: the run has ended, or another execution does it.
        """
        await self._progress.begin(plan, first_execution_run_id, self._clock())

    async def wait_predecessor(self, plan: RunPlan) -> Predecessor | None:
        """Return the last published complete run before this date; None for the first run.

        Raises:
            NotYetError: an earlier date is at work.
        """
        async with self._phases.of(plan, RunPhase.WAIT_PREDECESSOR) as note:
            found = await self._progress.fix_predecessor(plan)
            if isinstance(found, Run):
                if await self._starter.is_abandoned(found):
                    await self._starter.give_up(found)
                raise NotYetError(f"The run of {found.business_date} is at work")
            note.text = (
                f"carries on from {found.business_date}" if found else "the first run: from zero"
            )
            return found

    async def wait_report(
        self, plan: RunPlan, predecessor: Predecessor | None
    ) -> IncompleteReason | None:
        """Have every report since the predecessor fetched; return why the date's is of no use.

        Raises:
            NotYetError: the date's report is not there.
        """
        async with self._phases.of(plan, RunPhase.WAIT_REPORT) as note:
            reports = await self._fetch(plan, plan.business_date)
            if not reports:
                raise NotYetError(f"The provider has no report of {plan.business_date} yet")
            for day in _days_between(predecessor, plan.business_date):
                # One that is missing here shows as a hole in the numbers of the reports.
                await self._fetch(plan, day)
            refused = [report for report in reports if report.state is ReportState.REFUSED]
            if len(refused) == len(reports):
                note.text = refused[0].refusal_message
                return IncompleteReason.REPORT_REFUSED
            note.text = f"{len(reports)} of the date"
            return None

    async def _fetch(self, plan: RunPlan, day: date) -> Sequence[GatewayReport]:
        request_id = f"recon:{plan.run_id}:{day}"
        return await self._gateway.fetch_reports(plan.scope.account, day, request_id)

    async def wait_booking(
        self, plan: RunPlan, predecessor: Predecessor | None
    ) -> tuple[ReportInput, ...]:
        """Return the reports since the predecessor, all of them booked.

        Raises:
            NotYetError: lines of one are not booked yet.
        """
        async with self._phases.of(plan, RunPhase.WAIT_BOOKING) as note:
            since = predecessor.business_date - LATE_REPORTS if predecessor else None
            last_batch = predecessor.last_batch_number if predecessor else 0
            reports = [
                report
                for report in await self._gateway.list_reports(plan.scope, since)
                if report.state is not ReportState.REFUSED
                and report.input.batch_number > last_batch
            ]
            waiting = [report for report in reports if report.state is ReportState.BOOKING]
            if waiting or not reports:
                done = sum(report.processed_line_count for report in waiting)
                lines = sum(report.line_count for report in waiting)
                raise NotYetError(f"{done} of {lines} lines are booked")
            note.text = f"reports {', '.join(str(one.input.batch_number) for one in reports)}"
            return tuple(report.input for report in reports)

    async def resolve_cut(
        self, plan: RunPlan, predecessor: Predecessor | None, reports: Sequence[ReportInput]
    ) -> RunCut:
        """Fix what the run reads. The first answer stands, whatever happens later.

        A re-run reads what the result that it replaces read, of the ledger and of the gateway:
        what came since belongs to later dates.
        """
        async with self._phases.of(plan, RunPhase.RESOLVE_CUT) as note:
            cut = await self._progress.cut(plan)
            if cut is None:
                cut = await self._new_cut(plan, predecessor, reports)
                cut = await self._progress.store_cut(plan, cut)
            note.text = f"ledger {cut.ledger.through}, gateway {cut.gateway.through}"
            return cut

    async def _new_cut(
        self, plan: RunPlan, predecessor: Predecessor | None, reports: Sequence[ReportInput]
    ) -> RunCut:
        earlier = await self._progress.earlier_cut(plan)
        if earlier is not None:
            ledger_through, gateway_through = earlier.ledger.through, earlier.gateway.through
        else:
            ledger_through = await self._ledger.cut(plan.tenant_id)
            gateway_through = await self._gateway.cut(plan.tenant_id)
            if ledger_through < max((report.posted_sequence for report in reports), default=0):
                # The ledger that answers has not heard yet of what the gateway booked there.
                raise UnavailableError("ledger")
        return RunCut(
            ledger=SequenceCut(predecessor.ledger_through if predecessor else 0, ledger_through),
            gateway=SequenceCut(predecessor.gateway_through if predecessor else 0, gateway_through),
            reports=tuple(reports),
            # Asked for after the cut: an account that is opened later has nothing in it there.
            accounts=pots_of(await self._ledger.account_ids(plan.scope.account)),
            rules_version=self._rules.version,
            rules_sha256=self._rules.sha256,
            predecessor_run_id=predecessor.run_id if predecessor else "",
            predecessor_date=predecessor.business_date if predecessor else None,
            predecessor_manifest_sha256=predecessor.manifest_sha256 if predecessor else "",
            resolve_time=self._clock(),
        )


def _days_between(predecessor: Predecessor | None, day: date) -> Sequence[date]:
    if predecessor is None:
        return ()
    first = predecessor.business_date + timedelta(days=1)
    return [first + timedelta(days=number) for number in range((day - first).days)]
