"""The calendar of grace days: which days count when a provider or we are given time."""

from dataclasses import dataclass
from datetime import date, timedelta

from services.kernel.invariant import invariant

_DAY = timedelta(days=1)
_SUNDAY = 7


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days off, as data."""

    weekend: frozenset[int] = frozenset({6, 7})
    """Weekdays that do not count, as in ISO 8601: 1 is Monday. At most six of them."""
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        invariant(self.weekend < frozenset(range(1, _SUNDAY + 1)), "some weekday is a business day")

    def is_business_day(self, day: date) -> bool:
        """Whether the day counts."""
        return day.isoweekday() not in self.weekend and day not in self.holidays

    def after(self, day: date, business_days: int) -> date:
        """Return the `business_days`-th business day after `day`; `day` itself for 0."""
        while business_days > 0:
            day += _DAY
            business_days -= self.is_business_day(day)
        return day
