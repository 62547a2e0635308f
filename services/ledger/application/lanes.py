"""The lanes of all tenants that this process serves."""

from collections import OrderedDict
from collections.abc import Callable

from services.kernel.clock import Clock
from services.ledger.application.known_accounts import KnownAccounts
from services.ledger.application.lane import Lane, LaneLimits
from services.ledger.application.ports import BookStore

LANES_MAX = 1_000


class Lanes:
    """Gives each tenant its lane, made at first use.

    Lanes do not wait for each other. Past LANES_MAX the idle ones used longest ago are let go, and
    past `cached_accounts_max` what they know of accounts: both are what the store can tell again.
    """

    def __init__(
        self,
        store: BookStore,
        clock: Clock,
        new_id: Callable[[int], str],
        limits: LaneLimits,
        cached_accounts_max: int,
    ) -> None:
        known = KnownAccounts(cached_accounts_max)
        self._make: Callable[[str], Lane] = lambda tenant_id: Lane(
            tenant_id, store, clock, new_id, known, limits
        )
        self._lanes: OrderedDict[str, Lane] = OrderedDict()

    def of(self, tenant_id: str) -> Lane:
        """Return the tenant's lane."""
        lane = self._lanes.get(tenant_id)
        if lane is None:
            lane = self._lanes[tenant_id] = self._make(tenant_id)
            self._let_go()
        else:
            self._lanes.move_to_end(tenant_id)
        return lane

    async def drain(self) -> None:
        """Let every lane decide what it took."""
        for lane in self._lanes.values():
            await lane.drain()

    def _let_go(self) -> None:
        if len(self._lanes) <= LANES_MAX:
            return
        # The newest is never let go: its first request is on the way.
        for tenant_id in [*self._lanes][:-1]:
            if self._lanes[tenant_id].idle:
                del self._lanes[tenant_id]
                return
