"""Time is passed in, never taken: a rule that needs it gets a moment, a use case gets a Clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def utc_now() -> datetime:
    """Return this machine's time, in UTC, to the microsecond."""
    return datetime.now(UTC)


def to_micros(moment: datetime) -> int:
    """Return the whole microseconds from 1970-01-01T00:00:00Z to `moment`, which has a zone."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the moment, in UTC, that is `micros` microseconds after 1970-01-01T00:00:00Z."""
    return _EPOCH + timedelta(microseconds=micros)
