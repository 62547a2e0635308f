"""The accounts that this process knows without asking the store, bounded for all tenants together.

A tenant's accounts are lent to one unit of work at a time. They come back only from a unit whose
commit returned: after any failure, whatever it was, they are forgotten.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.ledger.domain.accounts import Account


@dataclass(slots=True)
class Memory:
    """What is known of a tenant's accounts.

    Args:
        hash: the head's hash at which they are as they are here; None: in doubt.
        accounts: by path, used longest ago first.
    """

    hash: bytes | None = None
    accounts: OrderedDict[str, Account] = field(default_factory=OrderedDict)


class KnownAccounts:
    """Lends each tenant's accounts, and lets go of those used longest ago.

    Args:
        accounts_max: how many are kept at most, of all tenants.
    """

    def __init__(self, accounts_max: int) -> None:
        self._accounts_max = accounts_max
        self._count = 0
        # By tenant, used longest ago first; what is lent is not here, so nobody else lets it go.
        self._idle: OrderedDict[str, Memory] = OrderedDict()

    @property
    def count(self) -> int:
        """How many accounts are kept, those that are lent included as they were lent."""
        return self._count

    @contextmanager
    def lent(self, tenant_id: str) -> Iterator[Memory]:
        """Lend what is known of a tenant; it is kept if its hash is set when the block ends."""
        memory = self._idle.pop(tenant_id, None) or Memory()
        lent_count = len(memory.accounts)
        try:
            yield memory
        finally:
            self._count -= lent_count
            if memory.hash is not None:
                self._keep(tenant_id, memory)

    def _keep(self, tenant_id: str, memory: Memory) -> None:
        self._count += len(memory.accounts)
        while self._count > self._accounts_max and self._idle:
            _, oldest = self._idle.popitem(last=False)
            self._count -= len(oldest.accounts)
        while self._count > self._accounts_max and memory.accounts:
            memory.accounts.popitem(last=False)
            self._count -= 1
        if memory.accounts:
            self._idle[tenant_id] = memory
