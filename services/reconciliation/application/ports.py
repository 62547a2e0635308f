"""What the use cases of reconciliation need of the outside."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from services.kernel.movements import Pot
from services.reconciliation.application.questions import (
    BreakFilter,
    BreakPosition,
    BreakView,
    RunFilter,
    RunPosition,
)
from services.reconciliation.domain.breaks import Break
from services.reconciliation.domain.inputs import (
    AccountRef,
    GatewayEvent,
    LedgerBalance,
    LedgerTransaction,
    RunScope,
    ScannedRange,
)
from services.reconciliation.domain.reasons import Reason, ReconciliationError
from services.reconciliation.domain.runs import (
    IncompleteReason,
    Predecessor,
    ReportInput,
    Run,
    RunCut,
    RunOutcome,
    RunPhase,
    RunPlan,
    RunRequest,
    RunState,
)
from services.reconciliation.domain.statement import Statement
from services.reconciliation.domain.steps import (
    GatewayReport,
    Matched,
    Proven,
    Published,
    Staged,
    StoredReport,
)


class UnavailableError(ReconciliationError):
    """What is needed cannot be reached or was lost; the same request may be repeated."""

    def __init__(self, what: str) -> None:
        super().__init__(
            Reason.UNAVAILABLE,
            f"{what} is away or busy; retry with the same request id",
            dependency=what,
        )


class NotYetError(Exception):
    """What a run waits for is not there yet; the message says what it is."""


class ClaimLostError(Exception):
    """The run does not work for its date any more: it has ended, or another took its place."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim came to. A run that was `found` holds the date, or answers the request already.

    Args:
        run: the run that was made or found.
        outcome: what the request is answered with.
        replayed: whether this request was answered before.
    """

    run: Run
    outcome: RunOutcome
    replayed: bool = False


class RunClaims(Protocol):
    """The claims of dates. Each method is one unit of work, and raises UnavailableError."""

    async def answered(self, request: RunRequest) -> Claimed | None:
        """Return how this request was answered before.

        Raises:
            ReconciliationError: REQUEST_ID_REUSED, if that was another body.
        """
        ...

    async def claim(self, request: RunRequest, run_id: str, now: datetime) -> Claimed:
        """Make a run that claims its date, or find the one that does.

        A dry run claims nothing and is always made. A run that was made is answered and recorded
        in the same commit; one that was found is not recorded: see `record`.

        Raises:
            ReconciliationError: REQUEST_ID_REUSED, BUSINESS_DATE_OUT_OF_ORDER.
        """
        ...

    async def record(self, request: RunRequest, claimed: Claimed, now: datetime) -> Claimed:
        """Record the answer to a request, so that its repetition is answered alike."""
        ...

    async def claim_stale(self, plan: RunPlan, run_id: str, now: datetime) -> Run | None:
        """Claim the re-run of the account's earliest stale date, if no run of it is at work."""
        ...

    async def close(
        self, plan: RunPlan, execution: str, state: RunState, message: str, now: datetime
    ) -> None:
        """End a run that works, without a result: its drafts are deleted, its date is free.

        Nothing happens to a run that has ended, or that another execution works on.
        """
        ...


class RunProgress(Protocol):
    """How a run moves on. Each method is one unit of work, and raises UnavailableError."""

    async def begin(self, plan: RunPlan, first_execution_run_id: str, now: datetime) -> None:
        """Note the execution that does the work.

        Raises:
            ClaimLostError: the run has ended, or another execution does it.
        """
        ...

    async def start_phase(self, plan: RunPlan, phase: RunPhase, detail: str, now: datetime) -> None:
        """Note the first beginning of a phase, and what it waits for now."""
        ...

    async def end_phase(self, plan: RunPlan, phase: RunPhase, detail: str, now: datetime) -> None:
        """Note the end of a phase, and what came of it."""
        ...

    async def fix_predecessor(self, plan: RunPlan) -> Run | Predecessor | None:
        """Return the run of an earlier date that is still at work; else fix what comes before.

        From then on no earlier date of the account may begin that was never run. None: nothing
        came before.
        """
        ...

    async def cut(self, plan: RunPlan) -> RunCut | None:
        """Return the stored cut."""
        ...

    async def earlier_cut(self, plan: RunPlan) -> RunCut | None:
        """Return the cut of the complete result that this run's would replace, if there is one."""
        ...

    async def store_cut(self, plan: RunPlan, cut: RunCut) -> RunCut:
        """Store the cut unless there is one; return the one that stands."""
        ...

    async def store_drafts(
        self,
        plan: RunPlan,
        statement: Statement,
        markdown: str,
        breaks: AsyncIterator[Sequence[Break]],
    ) -> None:
        """Replace the run's drafts by these, whole.

        Raises:
            ClaimLostError: the run has ended.
        """
        ...

    async def publish(
        self, plan: RunPlan, published: Published, proven: Proven | None, now: datetime
    ) -> bool:
        """Make the drafts visible, in one commit; return whether a stale date must be run again.

        Raises:
            ClaimLostError: the run has ended otherwise.
        """
        ...


class RunReader(Protocol):
    """What people ask for. Each method raises UnavailableError."""

    async def run(self, tenant_id: str, run_id: str) -> Run | None:
        """Return a run with its cut and its phases."""
        ...

    async def runs(
        self, tenant_id: str, chosen: RunFilter, after: RunPosition | None, limit: int
    ) -> Sequence[Run]:
        """Return runs with their cuts and phases by business date, the latest first."""
        ...

    async def statement(self, tenant_id: str, run_id: str) -> tuple[Statement, str] | None:
        """Return the statement of a published run, as data and as Markdown."""
        ...

    async def breaks(
        self, tenant_id: str, chosen: BreakFilter, after: BreakPosition | None, limit: int
    ) -> Sequence[BreakView]:
        """Return breaks of published runs, the worst first, then the oldest."""
        ...


class Ledger(Protocol):
    """The ledger. Each method raises UnavailableError, and TENANT_NOT_FOUND."""

    async def cut(self, tenant_id: str) -> int:
        """Return the last sequence."""
        ...

    async def account_ids(self, account: AccountRef) -> Sequence[str]:
        """Return the paths of all accounts of the provider account."""
        ...

    async def balances(
        self, tenant_id: str, account_ids: Sequence[str], sequence: int
    ) -> Sequence[LedgerBalance]:
        """Return the balances of accounts as of a sequence."""
        ...

    def export(
        self, tenant_id: str, after: int, through: int, account_ids: Sequence[str]
    ) -> AsyncIterator[Sequence[LedgerTransaction] | ScannedRange]:
        """Yield the transactions of (after, through] on these accounts; last, what was scanned."""
        ...


class Gateway(Protocol):
    """The gateway. Each method raises UnavailableError, TENANT_NOT_FOUND and
    PROVIDER_ACCOUNT_NOT_FOUND.
    """

    async def check_provider_account(self, account: AccountRef) -> None:
        """Raise unless the tenant has this provider account."""
        ...

    async def cut(self, tenant_id: str) -> int:
        """Return the last event sequence."""
        ...

    def export(
        self, account: AccountRef, after: int, through: int
    ) -> AsyncIterator[Sequence[GatewayEvent] | ScannedRange]:
        """Yield the provider account's events of (after, through]; last, what was scanned."""
        ...

    async def fetch_reports(
        self, account: AccountRef, business_date: date, request_id: str
    ) -> Sequence[GatewayReport]:
        """Have the reports of a date fetched and booked; return those that are there."""
        ...

    async def list_reports(
        self, scope: RunScope, from_date: date | None
    ) -> Sequence[GatewayReport]:
        """Return the reports from a date on (None: all) through the scope's, by batch number."""
        ...

    async def read_report(self, tenant_id: str, report: ReportInput) -> StoredReport:
        """Return a report with its bytes, whole."""
        ...


class Workflows(Protocol):
    """The workflows of runs. Each method raises UnavailableError."""

    async def is_open(self, workflow_id: str) -> bool:
        """Return whether a workflow with this id is there and has not ended."""
        ...

    async def start(self, plan: RunPlan) -> None:
        """Start a run's workflow, unless it was started before."""
        ...


class BadInputError(Exception):
    """What a source sent cannot be: the message says what. Asking again gives the same."""


class Workbench(Protocol):
    """Where files are made: by content, so that a step done twice gives the same files.

    The three that stage raise BadInputError.
    """

    async def stage_settlement(self, scope: RunScope, reports: Sequence[StoredReport]) -> Staged:
        """Stage the lines of the reports, by batch number."""
        ...

    async def stage_gateway(
        self, exported: AsyncIterator[Sequence[GatewayEvent] | ScannedRange]
    ) -> Staged:
        """Stage the gateway's events."""
        ...

    async def stage_ledger(
        self,
        exported: AsyncIterator[Sequence[LedgerTransaction] | ScannedRange],
        pots: Mapping[str, Pot],
        balances: Sequence[LedgerBalance],
    ) -> Staged:
        """Stage the ledger's transactions, and keep its balances at the cut for the proof."""
        ...

    async def match(self, scope: RunScope, cut: RunCut, staged: Sequence[Staged]) -> Matched:
        """Match what was carried and what is new."""
        ...

    async def prove(
        self,
        scope: RunScope,
        cut: RunCut,
        staged: Sequence[Staged],
        matched: Matched,
        lacking: Sequence[IncompleteReason],
    ) -> Proven:
        """Prove the run, seal its files and store its statement."""
        ...

    async def statement(self, statement_sha256: str) -> Statement:
        """Return a stored statement."""
        ...

    def breaks(self, manifest_sha256: str) -> AsyncIterator[Sequence[Break]]:
        """Yield the breaks of a sealed run, a page at a time."""
        ...
