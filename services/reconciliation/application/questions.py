"""What people ask for: which runs, which breaks, and where a page of them begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Self
from uuid import UUID

from services.reconciliation.domain.breaks import Break
from services.reconciliation.domain.classes import Severity
from services.reconciliation.domain.runs import Run


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are listed; None and empty do not filter."""

    provider: str = ""
    provider_account: str = ""
    from_date: date | None = None
    through_date: date | None = None
    modes: Sequence[str] = ()
    triggers: Sequence[str] = ()
    states: Sequence[str] = ()
    verdicts: Sequence[str] = ()
    stale_only: bool = False


@dataclass(frozen=True, slots=True)
class BreakFilter:
    """Which breaks are listed; None and empty do not filter."""

    run_id: str = ""
    business_date: date | None = None
    provider: str = ""
    provider_account: str = ""
    comparisons: Sequence[str] = ()
    classes: Sequence[str] = ()
    severities: Sequence[str] = ()
    lifecycles: Sequence[str] = ()
    currency_code: str = ""
    key: str = ""
    break_id: str = ""
    from_first_seen: date | None = None
    through_first_seen: date | None = None
    open_only: bool = False


class RunPosition(NamedTuple):
    """Where a run stands in the order of the list."""

    business_date: date
    run_id: str

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return the position of a run."""
        return cls(run.business_date, run.run_id)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote; raises ValueError."""
        day, run_id = text.split("/")
        return cls(date.fromisoformat(day), str(UUID(run_id)))

    def __str__(self) -> str:
        return f"{self.business_date}/{self.run_id}"


class BreakPosition(NamedTuple):
    """Where a break stands in the order of the list: the worst first, then the oldest."""

    severity_rank: int
    first_seen_date: date
    run_id: str
    break_id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote; raises ValueError."""
        rank, day, run_id, break_id = text.split("/")
        severity_rank = int(rank)
        if not 0 <= severity_rank < len(Severity):
            raise ValueError(rank)
        return cls(severity_rank, date.fromisoformat(day), str(UUID(run_id)), break_id)

    def __str__(self) -> str:
        return f"{self.severity_rank}/{self.first_seen_date}/{self.run_id}/{self.break_id}"


@dataclass(frozen=True, slots=True)
class BreakView:
    """A published break with the run that says it."""

    found: Break
    run: Run
    position: BreakPosition
