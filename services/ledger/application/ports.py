"""What the ledger's use cases need of the outside. Locking is part of these contracts."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from services.kernel.group_commit import WholeBatchError
from services.ledger.domain.accounts import Account, AccountView
from services.ledger.domain.commands import Command
from services.ledger.domain.decisions import AccountBalances, Changes, Head, Known
from services.ledger.domain.history import (
    AccountFilter,
    Cut,
    ExportFilter,
    StatementLine,
    TenantView,
    TransactionName,
    TransactionView,
    TrialLine,
)
from services.ledger.domain.reasons import LedgerError, Reason


class StoreUnavailableError(LedgerError, WholeBatchError):
    """The store cannot be reached or was lost; what was in progress may or may not be durable."""

    def __init__(self) -> None:
        super().__init__(
            Reason.UNAVAILABLE,
            "The ledger's database is away or busy; retry with the same request id",
        )


class TenantNotFoundError(LedgerError, WholeBatchError):
    """There is no such tenant, whatever was asked of it."""

    def __init__(self, tenant_id: str) -> None:
        super().__init__(
            Reason.TENANT_NOT_FOUND, f"There is no tenant {tenant_id}", tenant_id=tenant_id
        )


class BookUnit(Protocol):
    """One unit of work on one tenant's book. Left without `commit`, it has changed nothing."""

    async def lock_head(self) -> Head:
        """Lock the tenant's head until the unit ends, and return it.

        Everything else is read after this: a snapshot taken before the wait would be stale.

        Raises:
            TenantNotFoundError: there is none.
        """
        ...

    async def accounts(self, account_ids: Collection[str]) -> Sequence[Account]:
        """Return those of the accounts that exist, with the balances of their last entries."""
        ...

    async def known(self, commands: Sequence[Command]) -> Mapping[str, Known]:
        """Return, by request id, how those of the requests that were decided before ended.

        Whatever kind of command used the id. Several of `commands` may carry one request id, with
        bodies of their own.
        """
        ...

    async def write(self, head: Head, changes: Changes) -> None:
        """Write all changes and the head."""
        ...

    async def commit(self) -> None:
        """Make it durable; when this returns, it is."""
        ...


class BookStore(Protocol):
    """Opens units of work."""

    def open(self, tenant_id: str) -> AbstractAsyncContextManager[BookUnit]:
        """Open a unit of work on a tenant's book.

        Raises:
            StoreUnavailableError: at any point inside the block.
        """
        ...


class History(Protocol):
    """One tenant's history during one short unit of work."""

    @property
    def now(self) -> Cut:
        """The end of the history when the unit began."""
        ...

    async def cut_at_sequence(self, sequence: int) -> Cut:
        """Return the cut after a transaction that exists, or the one before the first (0)."""
        ...

    async def sequence_at_time(self, micros: int) -> int:
        """Return the last sequence, up to now, that was recorded at or before a moment."""
        ...

    async def balances(
        self, account_ids: Collection[str], through: int
    ) -> Mapping[str, AccountBalances]:
        """Return the balances of those accounts that exist, as of a sequence."""
        ...

    async def transaction(self, name: TransactionName) -> TransactionView | None:
        """Return one transaction, by one of its names."""
        ...

    async def statement_lines(
        self, account_id: str, after: tuple[int, int], through: int, limit: int
    ) -> Sequence[StatementLine]:
        """Return an account's entries after a (sequence, entry number), in order."""
        ...

    async def trial_lines(
        self, through: int, prefix: str, group_depth: int, limit: int
    ) -> Sequence[TrialLine]:
        """Sum all balances as of a sequence; return at most `limit` lines."""
        ...

    async def export_page(
        self, after: int, through: int, chosen: ExportFilter
    ) -> tuple[int, Sequence[TransactionView]]:
        """Return how many transactions there are in (after, through], and those let through."""
        ...

    async def account(self, account_id: str) -> AccountView | None:
        """Return one account."""
        ...

    async def accounts(
        self, chosen: AccountFilter, after: str, limit: int
    ) -> Sequence[AccountView]:
        """Return accounts by path, after a path."""
        ...


class JournalStore(Protocol):
    """Opens units of work that read.

    The history is immutable and ordered, so that each is short and no snapshot need be held.
    """

    def read(self, tenant_id: str) -> AbstractAsyncContextManager[History]:
        """Open a tenant's history.

        Raises:
            TenantNotFoundError: there is no such tenant.
            StoreUnavailableError: at any point inside the block.
        """
        ...


class TenantStore(Protocol):
    """Keeps tenants. Each method raises StoreUnavailableError."""

    async def create(self, tenant_id: str, micros: int) -> tuple[TenantView, bool]:
        """Make the tenant's head, or find it; return it, and whether it existed."""
        ...

    async def list(self, after: str, limit: int) -> Sequence[TenantView]:
        """Return tenants by id, after an id."""
        ...
