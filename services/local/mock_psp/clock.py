"""The provider's own time, which can be moved forward, and never back."""

from datetime import datetime, timedelta

from services.kernel.clock import Clock
from services.kernel.invariant import invariant


class VirtualClock:
    """A clock that starts at a chosen time.

    Args:
        start: what it shows first, in UTC.
        real: the time that it runs with; None for a clock that stands until it is moved.
    """

    def __init__(self, start: datetime, real: Clock | None = None) -> None:
        self._real = real
        self._origin = real() if real else start
        self._shown_at_origin = start
        self._latest = start

    @property
    def runs(self) -> bool:
        """Whether time passes by itself."""
        return self._real is not None

    def now(self) -> datetime:
        """Return the provider's time, in UTC."""
        passed = self._real() - self._origin if self._real else timedelta(0)
        # The machine's clock may be set back; the provider's stands until it is caught up with.
        self._latest = max(self._latest, self._shown_at_origin + passed)
        return self._latest

    def advance(self, span: timedelta) -> None:
        """Move the clock forward by a span that is not below zero."""
        invariant(span >= timedelta(0), "the provider's clock never goes back")
        self._shown_at_origin += span
