"""What the steps of a run hand on: counts and hashes, never rows.

Rows stay in files, which are named by the hash of their bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.reconciliation.domain.rows import Side
from services.reconciliation.domain.runs import IncompleteReason, ReportInput, RunCounts
from services.reconciliation.domain.verdict import Verdict


class ReportState(StrEnum):
    """How far the gateway has come with a settlement report."""

    BOOKING = "BOOKING"
    BOOKED = "BOOKED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class GatewayReport:
    """A settlement report as the gateway knows it."""

    input: ReportInput
    business_date: date
    state: ReportState
    line_count: int
    processed_line_count: int
    refusal_message: str


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A settlement report with its bytes."""

    input: ReportInput
    content: bytes


@dataclass(frozen=True, slots=True)
class Staged:
    """One side, staged."""

    side: Side
    scanned: int
    """Items of the range that were looked at."""
    source_count: int
    """Items that came."""
    row_count: int
    """Rows made of them."""
    sha256: str
    """Of the file of rows."""
    facts_sha256: str
    """Of the stored account of it: sums, exclusions, range, and the reports' own totals."""


@dataclass(frozen=True, slots=True)
class Matched:
    """The comparisons, matched."""

    closed_rows: int
    open_rows: int
    facts_sha256: str
    """Of the stored account of the result files."""


@dataclass(frozen=True, slots=True)
class Proven:
    """The run, proved and sealed."""

    verdict: Verdict
    incomplete_reasons: tuple[IncompleteReason, ...]
    counts: RunCounts
    manifest_sha256: str
    statement_sha256: str
    """Of the stored statement."""
    markdown: str
    """The statement for people, short enough for a run's page."""


@dataclass(frozen=True, slots=True)
class Published:
    """How a run ended."""

    verdict: Verdict
    incomplete_reasons: tuple[IncompleteReason, ...]
    breaks: int
    new_breaks: int
    alerts_held: bool
    manifest_sha256: str
    """Empty if it read nothing."""


def incomplete(
    lacking: Sequence[IncompleteReason], *, proofs_hold: bool
) -> tuple[IncompleteReason, ...]:
    """Return why a run is INCOMPLETE; empty if it is not."""
    if lacking:
        # A proof that fails because an input is missing says nothing new.
        return tuple(lacking)
    return () if proofs_hold else (IncompleteReason.PROOF_FAILED,)
