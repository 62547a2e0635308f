"""Lanes for tests: a clock that stands still, and bounds that only a test of them meets."""

from services.kernel.clock import from_micros
from services.ledger.application.known_accounts import KnownAccounts
from services.ledger.application.lane import Lane, LaneLimits
from tests.fakes.book_store import MemoryBookStore
from tests.fakes.posts import NOW, new_id

LIMITS = LaneLimits(commit_max=1_000, queue_max=5_000)


def lane_on(
    store: MemoryBookStore, known: KnownAccounts | None = None, limits: LaneLimits = LIMITS
) -> Lane:
    """A lane of the tenant `acme`, with a memory of its own unless one is given."""
    return Lane(
        "acme", store, lambda: from_micros(NOW), new_id, known or KnownAccounts(99_999), limits
    )
