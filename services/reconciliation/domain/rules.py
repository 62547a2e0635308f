"""The rules of a run, as versioned data: a run stores them with their hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from services.kernel.movements import MovementKind
from services.reconciliation.domain.calendar import Calendar
from services.reconciliation.domain.rows import Comparison, Side

_REPORT_ONLY = frozenset(
    {
        MovementKind.CAPTURE_FEE,
        MovementKind.REFUND_FEE,
        MovementKind.DISPUTE_FEE,
        MovementKind.WITHDRAWAL_FEE,
        MovementKind.ROLLING_RESERVE,
        MovementKind.ROLLING_RESERVE_RELEASE,
        MovementKind.ACCOUNT_FEE,
        MovementKind.TOP_UP,
        MovementKind.SWEEP,
        MovementKind.SWEEP_FAILURE,
        MovementKind.EXCHANGE,
        MovementKind.UNCLASSIFIED,
    }
)
_NO_GRACE = frozenset({"", MovementKind.UNCLASSIFIED})


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs from provider to provider and from year to year. Grace is in business days."""

    version: str = "1"
    calendar: Calendar = field(default_factory=Calendar)
    booking_grace_days: int = 1
    """How long a settled movement may be missing in the ledger."""
    settlement_grace_days: int = 3
    """How long a booked movement may be missing in settlement, ..."""
    settlement_grace_days_of: Mapping[MovementKind, int] = field(default_factory=dict)
    """... and for kinds that take another time."""
    report_only_kinds: frozenset[MovementKind] = _REPORT_ONLY
    """Kinds that only a report is sure to bring: not compared in I, nor missed in the gateway."""
    key_retention_months: int = 13
    """How long a closed key is remembered, and its second appearance called a duplicate."""

    @property
    def sha256(self) -> str:
        """The hash of the canonical JSON of all of it, in lower-case hex."""
        content = {
            "version": self.version,
            "weekend": sorted(self.calendar.weekend),
            "holidays": sorted(day.isoformat() for day in self.calendar.holidays),
            "booking_grace_days": self.booking_grace_days,
            "settlement_grace_days": self.settlement_grace_days,
            "settlement_grace_days_of": dict(self.settlement_grace_days_of),
            "report_only_kinds": sorted(self.report_only_kinds),
            "key_retention_months": self.key_retention_months,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def grace_days(self, side: Side, kind: str) -> int:
        """Return the business days that a row of comparison II has, by its side and kind.

        What can never match by waiting (no key, an unknown type) has none.
        """
        if kind in _NO_GRACE:
            return 0
        if side is Side.SETTLEMENT:
            return self.booking_grace_days
        known = {str(known): days for known, days in self.settlement_grace_days_of.items()}
        return known.get(kind, self.settlement_grace_days)

    def break_date(self, comparison: Comparison, side: Side, kind: str, first_date: date) -> date:
        """Return the date from which a row that is still open is a break, fixed at first sight.

        In I nothing takes days: both sides are ours, and the very next run must see both.
        """
        if comparison is Comparison.BOOKING:
            return first_date + timedelta(days=1) if kind else first_date
        return self.calendar.after(first_date, self.grace_days(side, kind))

    def remembered_since(self, business_date: date) -> date:
        """Return the first date whose closed keys a run of `business_date` still remembers."""
        month = business_date.year * 12 + business_date.month - 1 - self.key_retention_months
        return date(month // 12, month % 12 + 1, 1)
