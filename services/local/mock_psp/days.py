"""The days of a provider account: what its terms make of each, and the report that ends it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from services.local.mock_psp.books import Books, FeeRate, Fees, RowType
from services.local.mock_psp.books.funds import SweepState
from services.local.mock_psp.scenarios import Plan, ReportFault
from services.local.mock_psp.settlement import Period, render
from services.local.mock_psp.stories import Tell

_DAY = timedelta(days=1)
_LAST_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the provider and the operator agreed on for one provider account."""

    mode: str = "test"
    """Named in every webhook: `test` or `live`."""
    fees: Fees = field(default_factory=Fees)
    available_after_days: int = 0
    """Captured money is available at the first close of a day that is so many days later."""
    sweeps: bool = True
    """Whether each close of a day sweeps what is available."""
    sweep_days: int = 1
    """How many closes later a sweep reaches the bank."""
    bank_fee_minor: int = 0
    """What the bank takes of each sweep, in the sweep's currency."""
    rolling_reserve_basis_points: int = 0
    """The share of the payments of a day that its close keeps back."""
    rolling_reserve_days: int = 180
    step_s: float = 1.0
    """How long a step of a story takes, in seconds."""


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A settlement report as it was written; it never changes."""

    period: Period
    content: bytes


class Days:
    """The current day of one provider account and the reports of the days before.

    Days end at midnight UTC. Every day has a report, and so every batch number.
    """

    def __init__(
        self,
        books: Books,
        terms: Terms,
        tell: Tell,
        plan_of: Callable[[str], Plan],
        started_at: datetime,
    ) -> None:
        self._books = books
        self._terms = terms
        self._tell = tell
        self._plan_of = plan_of
        midnight = datetime(started_at.year, started_at.month, started_at.day, tzinfo=UTC)
        self.period = Period(1, midnight, midnight + _DAY)
        self.reports: list[StoredReport] = []

    def close(self) -> None:
        """End the day: bank, availability, rolling reserve, sweep, report, in this order."""
        at = self.period.end - _LAST_MOMENT
        self._land_sweeps(at)
        self._tell(self._books.funds.make_available(at), at)
        self._release_reserves(at)
        for currency in self._books.currencies:
            self._keep_reserve(currency, at)
            if self._terms.sweeps:
                self._tell(self._books.funds.sweep(currency, at), at)
        self.reports.append(StoredReport(self.period, self._report()))
        self.period = Period(self.period.batch_number + 1, self.period.end, self.period.end + _DAY)

    def _land_sweeps(self, at: datetime) -> None:
        for sweep in self._books.funds.sweeps():
            landing = sweep.created_at + self._terms.sweep_days * _DAY
            if sweep.state is SweepState.IN_TRANSIT and landing <= at:
                fee_minor = self._terms.bank_fee_minor
                self._tell(self._books.funds.land_sweep(sweep.sweep_id, at, fee_minor), at)

    def _release_reserves(self, at: datetime) -> None:
        for reserve in self._books.funds.reserves():
            release = reserve.created_at + self._terms.rolling_reserve_days * _DAY
            if reserve.left_minor and release <= at:
                self._tell(self._books.funds.release_reserve(reserve.reserve_id, at), at)

    def _keep_reserve(self, currency: str, at: datetime) -> None:
        paid_minor = sum(
            row.gross_minor
            for row in self._books.rows
            if row.currency == currency
            and row.row_type is RowType.PAYMENT
            and row.available_at is not None
            and row.available_at >= self.period.start
        )
        kept_minor = FeeRate(self._terms.rolling_reserve_basis_points).of(paid_minor)
        if kept_minor:
            self._tell(self._books.funds.keep_reserve(currency, kept_minor, at), at)

    def _report(self) -> bytes:
        wrong = any(
            row.available_at is not None
            and row.available_at >= self.period.start
            and self._plan_of(row.reference).report is ReportFault.WRONG_TOTAL
            for row in self._books.rows
        )
        return render(
            self._books.provider_account,
            self.period,
            self._books.rows,
            total_off_by_minor=int(wrong),
        )
