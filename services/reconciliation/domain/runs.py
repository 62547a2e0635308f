"""Runs: one reconciliation of one provider account for one date, and how far it has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from services.kernel.movements import Pot
from services.reconciliation.domain.inputs import RunScope
from services.reconciliation.domain.rows import Side
from services.reconciliation.domain.statement import SequenceCut
from services.reconciliation.domain.verdict import Verdict


class RunMode(StrEnum):
    """Whether a run's result counts."""

    COMMIT = "COMMIT"
    """It counts: the date has one such result, and the next date carries on from it."""
    DRY_RUN = "DRY_RUN"
    """It is only to look at, and never stands in the way of another run."""


class RunTrigger(StrEnum):
    """How a run was started."""

    API = "API"
    """By CreateRun."""
    UI = "UI"
    """By a person in the Temporal Web UI, with `RequestReconciliation`."""
    STALE = "STALE"
    """By a re-run of an earlier date."""


class RunState(StrEnum):
    """How far a run has come."""

    RUNNING = "RUNNING"
    PUBLISHED = "PUBLISHED"
    """Its result is visible and stands."""
    SUPERSEDED = "SUPERSEDED"
    """Its result was visible, and that of a later run of the date stands in its place."""
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


class RunOutcome(StrEnum):
    """What a request for a run came to."""

    STARTED = "STARTED"
    ALREADY_RUNNING = "ALREADY_RUNNING"
    ALREADY_DONE = "ALREADY_DONE"


class RunPhase(StrEnum):
    """What a run does, in order; the three STAGE phases go side by side."""

    WAIT_PREDECESSOR = "WAIT_PREDECESSOR"
    WAIT_REPORT = "WAIT_REPORT"
    WAIT_BOOKING = "WAIT_BOOKING"
    RESOLVE_CUT = "RESOLVE_CUT"
    STAGE_SETTLEMENT = "STAGE_SETTLEMENT"
    STAGE_GATEWAY = "STAGE_GATEWAY"
    STAGE_LEDGER = "STAGE_LEDGER"
    MATCH = "MATCH"
    PROVE = "PROVE"
    PERSIST = "PERSIST"
    NOTIFY = "NOTIFY"


class IncompleteReason(StrEnum):
    """Why a run can conclude nothing."""

    PROOF_FAILED = "PROOF_FAILED"
    REPORT_MISSING = "REPORT_MISSING"
    REPORT_REFUSED = "REPORT_REFUSED"
    REPORT_NOT_BOOKED = "REPORT_NOT_BOOKED"
    PREDECESSOR_MISSING = "PREDECESSOR_MISSING"


LACKING: Mapping[IncompleteReason, str] = {
    IncompleteReason.REPORT_MISSING: "The provider's report did not come before the deadline",
    IncompleteReason.REPORT_REFUSED: "The provider's report was refused whole",
    IncompleteReason.REPORT_NOT_BOOKED: "The gateway did not book the report before the deadline",
    IncompleteReason.PREDECESSOR_MISSING: "The run of an earlier date did not end in time",
}
"""What the statement says of an input that was missing."""


@dataclass(frozen=True, slots=True)
class ReportInput:
    """A settlement report that a run reads."""

    report_id: str
    """The gateway's id of it."""
    batch_number: int
    sha256: str
    """Of its bytes, in lower-case hex."""
    report_format: str
    """The name of the parser."""
    posted_sequence: int
    """The ledger's sequence at the moment when the gateway had booked it."""


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The last published complete run before a date: what the date carries on from."""

    run_id: str
    business_date: date
    manifest_sha256: str
    ledger_through: int
    gateway_through: int
    last_batch_number: int
    """Of the last report that it, or a run before it, read; 0 if none did."""


@dataclass(frozen=True, slots=True)
class RunCut:
    """Exactly what a run reads, resolved once and stored: the same cut gives the same bytes."""

    ledger: SequenceCut
    gateway: SequenceCut
    reports: tuple[ReportInput, ...]
    """By batch number."""
    accounts: Mapping[str, Pot]
    """The exact ledger accounts of the provider account's pots, by id."""
    rules_version: str
    rules_sha256: str
    predecessor_run_id: str
    """Empty for the first run."""
    predecessor_date: date | None
    predecessor_manifest_sha256: str
    """Empty for the first run."""
    resolve_time: datetime


@dataclass(frozen=True, slots=True)
class SideCounts:
    """How many rows a run had of one side."""

    side: Side
    scanned: int
    """Items of the range that were looked at: transactions, events, lines."""
    staged: int
    """Rows made of them."""
    carried: int
    """Open rows carried over from the predecessor."""


@dataclass(frozen=True, slots=True)
class RunCounts:
    """How much a run read and found, in groups unless said otherwise."""

    sides: tuple[SideCounts, ...]
    matched_groups: int
    breaks: int
    new_breaks: int
    """Breaks that were none in the run before."""
    resolved_groups: int
    """Open in the run before, and not any more."""
    warnings: int
    pending: int


@dataclass(frozen=True, slots=True)
class PhaseRecord:
    """When a run did something."""

    phase: RunPhase
    start_time: datetime
    end_time: datetime | None
    detail: str
    """What it waits for or what came of it, in a few words for people."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a run waits before it goes on without, in seconds."""

    predecessor_s: float
    report_s: float
    booking_s: float


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run's workflow is started with: which run it is, and how long it may wait."""

    tenant_id: str
    run_id: str
    provider: str
    provider_account: str
    business_date: date
    mode: RunMode
    trigger: RunTrigger
    rerun_number: int
    workflow_id: str
    workflow_url: str
    """Empty if nobody said where the Temporal Web UI is."""
    waits: Waits

    @property
    def scope(self) -> RunScope:
        """Which provider account and date it proves."""
        return RunScope(self.tenant_id, self.provider, self.provider_account, self.business_date)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What is asked for: the run of a date."""

    scope: RunScope
    mode: RunMode
    trigger: RunTrigger
    request_id: str
    """The caller's; of a workflow, one that is made of its id. Never empty."""
    requested_by: str
    rerun_reason: str
    """Not empty: run the date again although it has a result."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it is stored; see the contract's `Run`."""

    tenant_id: str
    run_id: str
    provider: str
    provider_account: str
    business_date: date
    mode: RunMode
    trigger: RunTrigger
    request_id: str
    """Empty unless CreateRun started it."""
    requested_by: str
    rerun_number: int
    rerun_reason: str
    workflow_id: str
    first_execution_run_id: str
    """Empty until its workflow has begun."""
    state: RunState
    verdict: Verdict | None
    incomplete_reasons: tuple[IncompleteReason, ...]
    failure_message: str
    counts: RunCounts | None
    manifest_sha256: str
    """Empty before its files are whole."""
    alerts_held: bool
    stale: bool
    superseded_by_run_id: str
    create_time: datetime
    update_time: datetime
    publish_time: datetime | None
    cut: RunCut | None = None
    phases: tuple[PhaseRecord, ...] = ()

    @property
    def scope(self) -> RunScope:
        """Which provider account and date it proves."""
        return RunScope(self.tenant_id, self.provider, self.provider_account, self.business_date)

    @property
    def has_ended(self) -> bool:
        """Whether it will never change by itself again."""
        return self.state is not RunState.RUNNING

    def plan(self, workflow_url: str, waits: Waits) -> RunPlan:
        """Return what its workflow is started with."""
        return RunPlan(
            self.tenant_id,
            self.run_id,
            self.provider,
            self.provider_account,
            self.business_date,
            self.mode,
            self.trigger,
            self.rerun_number,
            self.workflow_id,
            workflow_url,
            waits,
        )


def workflow_id(scope: RunScope, mode: RunMode, number: int) -> str:
    """Return the id of the workflow of the `number`-th run (from 0) of a date in a mode."""
    canonical = (
        f"reconciliation/{scope.tenant_id}/{scope.provider}/{scope.provider_account}/"
        f"{scope.business_date}"
    )
    if mode is RunMode.DRY_RUN:
        return f"{canonical}/dry-{number + 1}"
    return f"{canonical}/rerun-{number}" if number else canonical
