"""Settlement reports as they are stored and read, and the rows that hold them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple, Protocol, Self
from uuid import UUID

from services.formats.report import ReportBalance, ReportLine
from services.psp_gateway.domain.accounts import ProviderAccount


class ReportState(StrEnum):
    """How far a report has come."""

    BOOKING = "BOOKING"
    BOOKED = "BOOKED"
    REFUSED = "REFUSED"


class LineState(StrEnum):
    """What became of a line."""

    WAITING = "WAITING"
    """It is to be booked, or waits for what must come first."""
    DONE = "DONE"
    EXCEPTION = "EXCEPTION"


@dataclass(frozen=True, slots=True)
class Total:
    """The sums of a report's lines in one currency, in minor units; + is more of our money."""

    currency_code: str
    gross_minor: int
    fee_minor: int
    net_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report as it is stored, without its bytes."""

    report_id: UUID
    at: ProviderAccount
    business_date: date
    report_format: str
    sha256: bytes
    size_bytes: int
    state: ReportState
    batch_number: int = 0
    period_start: datetime | None = None
    period_end: datetime | None = None
    totals: Sequence[Total] = ()
    balances: Sequence[ReportBalance] = ()
    line_count: int = 0
    refused_line_number: int = 0
    refusal_message: str = ""
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRecord:
    """A report as it is read."""

    report: Report
    posted_sequence: int
    """0 until it is BOOKED."""
    processed_line_count: int
    exception_count: int
    booked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFilter:
    """Which reports to list; what is empty or None does not filter."""

    provider: str = ""
    provider_account: str = ""
    from_date: date | None = None
    through_date: date | None = None
    states: Sequence[ReportState] = ()
    report_id: str = ""


class ReportPosition(NamedTuple):
    """Where a report stands in the order of the list."""

    business_date: date
    report_id: UUID

    @classmethod
    def of(cls, record: ReportRecord) -> Self:
        """Return the position of a report."""
        return cls(record.report.business_date, record.report.report_id)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote; raises ValueError."""
        day, report_id = text.split("/")
        return cls(date.fromisoformat(day), UUID(report_id))

    def __str__(self) -> str:
        return f"{self.business_date}/{self.report_id}"


class ReportRows(Protocol):
    """A tenant's reports, inside a unit of work."""

    async def insert(self, report: Report, content: bytes, lines: Sequence[ReportLine]) -> bool:
        """Store a report with its bytes and lines.

        Returns: False, with nothing stored, if the file is known, or if another file of its batch
            was accepted and this one is not refused.
        """
        ...

    async def line_done(
        self, report_id: UUID, line_number: int, state: LineState, why: str
    ) -> None:
        """Write down what became of a line, or why it waits; each call counts a try."""
        ...

    async def all_lines_done(self, report_id: UUID, now: datetime) -> None:
        """Write down, once, that no line waits, with the event sequence of this moment."""
        ...

    async def booked(self, report_id: UUID, posted_sequence: int, now: datetime) -> None:
        """Write down that all its postings are in the ledger."""
        ...

    async def look_again(self, report_id: UUID, at: datetime) -> None:
        """Let the janitor look at a report's booking at a moment."""
        ...


@dataclass(frozen=True, slots=True)
class WaitingLine:
    """A line that is to be booked, and how often it was tried."""

    line_number: int
    attempt_count: int


class ReportStore(Protocol):
    """Reads reports. Each method raises StoreUnavailableError."""

    async def by_hash(
        self, tenant_id: str, at: ProviderAccount, sha256: bytes
    ) -> ReportRecord | None:
        """Return the report with this content."""
        ...

    async def of_date(
        self, tenant_id: str, at: ProviderAccount, business_date: date
    ) -> Sequence[ReportRecord]:
        """Return the reports that were fetched for a date, by batch number."""
        ...

    async def list(
        self, tenant_id: str, chosen: ReportFilter, after: ReportPosition | None, limit: int
    ) -> Sequence[ReportRecord]:
        """Return reports, the latest date first, after a position."""
        ...

    async def record(self, tenant_id: str, report_id: UUID) -> ReportRecord | None:
        """Return a report."""
        ...

    def content(self, tenant_id: str, report_id: UUID) -> AsyncIterator[bytes]:
        """Yield a report's bytes, as they were stored, in chunks of at most 256 KiB."""
        ...

    async def waiting_lines(self, tenant_id: str, report_id: UUID) -> Sequence[WaitingLine]:
        """Return the lines that are to be booked, in the order of the file."""
        ...

    async def booked_through(self, tenant_id: str, report_id: UUID) -> int | None:
        """Return the event sequence at which its last line was done; None before."""
        ...

    async def due(self, tenant_id: str, now: datetime, limit: int) -> Sequence[UUID]:
        """Return the reports whose booking is to be gone on with, the oldest first."""
        ...
