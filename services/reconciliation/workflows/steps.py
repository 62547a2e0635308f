"""The activities of a run, by their signatures. `activities/` implements them.

Each may be repeated: a repetition finds what was done, or does the same again.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from temporalio import activity

from services.reconciliation.domain.runs import (
    IncompleteReason,
    Predecessor,
    ReportInput,
    RunCut,
    RunPlan,
    RunRequest,
    RunState,
)
from services.reconciliation.domain.steps import Matched, Proven, Published, Staged
from services.reconciliation.workflows.models import ClaimAnswer, PersistAnswer, Reports

NOT_YET = "NotYet"
"""The type of failure of an activity that waits: it is tried again until its deadline."""
CLAIM_LOST = "ClaimLost"
"""The run has ended otherwise, or another execution does its work."""
BAD_INPUT = "BadInput"
"""A source sent what cannot be."""


class LightSteps(ABC):
    """Steps that ask and tell."""

    @activity.defn
    @abstractmethod
    async def claim_run(self, request: RunRequest) -> ClaimAnswer:
        """Claim a date, or find the run that holds it."""

    @activity.defn
    @abstractmethod
    async def begin_run(self, plan: RunPlan, first_execution_run_id: str) -> None:
        """Note which execution does the work."""

    @activity.defn
    @abstractmethod
    async def wait_predecessor(self, plan: RunPlan) -> Predecessor | None:
        """Wait until no earlier date is at work; return what this one carries on from."""

    @activity.defn
    @abstractmethod
    async def wait_report(
        self, plan: RunPlan, predecessor: Predecessor | None
    ) -> IncompleteReason | None:
        """Wait for the provider's report; return why it is of no use, if it is of none."""

    @activity.defn
    @abstractmethod
    async def wait_booking(self, plan: RunPlan, predecessor: Predecessor | None) -> Reports:
        """Wait until the gateway has booked all reports since the predecessor."""

    @activity.defn
    @abstractmethod
    async def resolve_cut(
        self, plan: RunPlan, predecessor: Predecessor | None, reports: Sequence[ReportInput]
    ) -> RunCut:
        """Fix exactly what the run reads."""

    @activity.defn
    @abstractmethod
    async def persist(self, plan: RunPlan, proven: Proven) -> PersistAnswer:
        """Copy breaks and statement as drafts, then make all of it visible at once."""

    @activity.defn
    @abstractmethod
    async def publish_nothing(
        self, plan: RunPlan, reasons: Sequence[IncompleteReason]
    ) -> Published:
        """End a run that could read nothing as INCOMPLETE."""

    @activity.defn
    @abstractmethod
    async def close_run(self, plan: RunPlan, execution: str, state: RunState, message: str) -> None:
        """End a run that this execution works on, unless it is published."""

    @activity.defn
    @abstractmethod
    async def notify(self, plan: RunPlan, published: Published) -> None:
        """Tell people how the run ended."""

    @activity.defn
    @abstractmethod
    async def claim_stale(self, plan: RunPlan) -> RunPlan | None:
        """Claim the re-run of the earliest stale date of the account."""


class HeavySteps(ABC):
    """Steps that read and make files."""

    @activity.defn
    @abstractmethod
    async def stage_settlement(self, plan: RunPlan) -> Staged:
        """Stage the settlement reports."""

    @activity.defn
    @abstractmethod
    async def stage_gateway(self, plan: RunPlan) -> Staged:
        """Stage the gateway's events."""

    @activity.defn
    @abstractmethod
    async def stage_ledger(self, plan: RunPlan) -> Staged:
        """Stage the ledger's transactions and balances."""

    @activity.defn
    @abstractmethod
    async def match(self, plan: RunPlan, staged: Sequence[Staged]) -> Matched:
        """Match what was carried and what is new."""

    @activity.defn
    @abstractmethod
    async def prove(
        self,
        plan: RunPlan,
        staged: Sequence[Staged],
        matched: Matched,
        lacking: Sequence[IncompleteReason],
    ) -> Proven:
        """Prove the run and seal its files."""
