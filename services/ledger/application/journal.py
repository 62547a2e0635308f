"""Reading the history: every answer names the cut that it was read at."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from services.kernel.money import INT64_MAX, INT64_MIN
from services.ledger.application.ports import History, JournalStore
from services.ledger.domain.accounts import AccountView
from services.ledger.domain.commands import ENTRIES_MAX
from services.ledger.domain.decisions import AccountBalances
from services.ledger.domain.history import (
    AccountFilter,
    Cut,
    ExportFilter,
    Statement,
    TransactionName,
    TransactionView,
    TrialBalance,
)
from services.ledger.domain.reasons import LedgerError, Reason

EXPORT_PAGE_TRANSACTIONS = 1_000
TRIAL_LINES_MAX = 10_000
"""A reply holds so many lines and stays under 4 MiB."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """A point of the history: a sequence, a moment of recording, or (both None) now."""

    sequence: int | None = None
    micros: int | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What one step of an export sends: some transactions, or the summary at the end."""

    transactions: Sequence[TransactionView] = ()
    cut: Cut | None = None
    scanned: int = 0


class Journal:
    """The ledger's reads. Each raises TENANT_NOT_FOUND; UNAVAILABLE is the store's to raise."""

    def __init__(self, store: JournalStore) -> None:
        self._store = store

    async def cut(self, tenant_id: str, as_of: AsOf) -> Cut:
        """Return the cut at a point of the history.

        Raises:
            LedgerError: TENANT_NOT_FOUND, SEQUENCE_NOT_REACHED.
        """
        async with self._store.read(tenant_id) as history:
            return await _cut(history, as_of)

    async def balances(
        self, tenant_id: str, account_ids: Sequence[str], as_of: AsOf
    ) -> tuple[Cut, Sequence[AccountBalances]]:
        """Return the balances of accounts, in the order asked, all at one cut.

        Raises:
            LedgerError: as `cut`; ACCOUNT_NOT_FOUND.
        """
        async with self._store.read(tenant_id) as history:
            cut = await _cut(history, as_of)
            return cut, await _balances(history, account_ids, cut.sequence)

    async def transaction(self, tenant_id: str, name: TransactionName) -> TransactionView:
        """Return one transaction.

        Raises:
            LedgerError: TENANT_NOT_FOUND, TRANSACTION_NOT_FOUND.
        """
        async with self._store.read(tenant_id) as history:
            found = await history.transaction(name)
        if found is None:
            raise LedgerError(Reason.TRANSACTION_NOT_FOUND, f"There is no transaction {name.value}")
        return found

    async def statement(
        self,
        tenant_id: str,
        account_id: str,
        after: AsOf,
        through: AsOf,
        page_after: tuple[int, int] | None,
        limit: int,
    ) -> Statement:
        """Return a page of an account's statement.

        Args:
            tenant_id: whose account it is.
            account_id: the account.
            after: where the statement begins; `AsOf()` is the account's first entry.
            through: where it ends.
            page_after: the sequence and entry number that the page before ended with.
            limit: how many entries at most.

        Raises:
            LedgerError: as `balances`.
        """
        async with self._store.read(tenant_id) as history:
            end = await _cut(history, through)
            begin = (await _cut(history, after)).sequence if after != AsOf() else 0
            [closing] = await _balances(history, [account_id], end.sequence)
            [opening] = await _balances(history, [account_id], min(begin, end.sequence))
            lines = await history.statement_lines(
                account_id, page_after or (begin, ENTRIES_MAX), end.sequence, limit + 1
            )
        return Statement(opening, lines[:limit], closing, end, more=len(lines) > limit)

    async def trial_balance(
        self, tenant_id: str, as_of: AsOf, prefix: str, group_depth: int
    ) -> TrialBalance:
        """Sum all accounts.

        Raises:
            LedgerError: as `cut`; REQUEST_TOO_LARGE if there are more lines than a reply holds;
                OUT_OF_RANGE if a sum does not fit int64.
        """
        async with self._store.read(tenant_id) as history:
            cut = await _cut(history, as_of)
            lines = await history.trial_lines(
                cut.sequence, prefix, group_depth, TRIAL_LINES_MAX + 1
            )
        if len(lines) > TRIAL_LINES_MAX:
            raise LedgerError(
                Reason.REQUEST_TOO_LARGE,
                f"There are more than {TRIAL_LINES_MAX:,} lines; ask for a smaller group_depth, or "
                "under a prefix",
                lines_max=str(TRIAL_LINES_MAX),
            )
        totals: dict[str, tuple[int, int]] = {}
        for line in lines:
            debit, credit = totals.get(line.currency_code, (0, 0))
            totals[line.currency_code] = (debit + line.debit, credit + line.credit)
        figures = [figure for total in totals.values() for figure in total]
        if any(not INT64_MIN <= figure <= INT64_MAX for figure in figures):
            raise LedgerError(
                Reason.OUT_OF_RANGE, "A sum of the trial balance does not fit 64 bits"
            )
        return TrialBalance(cut, lines, totals)

    async def export(
        self, tenant_id: str, after: int, through: int, chosen: ExportFilter
    ) -> AsyncIterator[Exported]:
        """Yield the transactions of (after, through] that the filter lets through, then the end.

        Each page is a unit of work of its own, so that a slow reader holds none.

        Raises:
            LedgerError: as `cut`; ACCOUNT_NOT_FOUND for an account named exactly.
        """
        async with self._store.read(tenant_id) as history:
            cut = await _cut(history, AsOf(sequence=through))
            if chosen.account_ids:
                await _balances(history, chosen.account_ids, through)
        scanned = 0
        while after < through:
            page_end = min(after + EXPORT_PAGE_TRANSACTIONS, through)
            async with self._store.read(tenant_id) as history:
                count, transactions = await history.export_page(after, page_end, chosen)
            scanned += count
            after = page_end
            if transactions:
                yield Exported(transactions)
        yield Exported(cut=cut, scanned=scanned)

    async def account(self, tenant_id: str, account_id: str) -> AccountView:
        """Return one account.

        Raises:
            LedgerError: TENANT_NOT_FOUND, ACCOUNT_NOT_FOUND.
        """
        async with self._store.read(tenant_id) as history:
            found = await history.account(account_id)
        if found is None:
            raise _no_account(account_id)
        return found

    async def accounts(
        self, tenant_id: str, chosen: AccountFilter, after: str, limit: int
    ) -> tuple[Sequence[AccountView], bool]:
        """Return a page of accounts by path, and whether there are more.

        Raises:
            LedgerError: TENANT_NOT_FOUND.
        """
        async with self._store.read(tenant_id) as history:
            found = await history.accounts(chosen, after, limit + 1)
        return found[:limit], len(found) > limit


async def _cut(history: History, as_of: AsOf) -> Cut:
    """Return the cut at a point of the history; SEQUENCE_NOT_REACHED if it lies ahead."""
    now = history.now
    if as_of.micros is not None:
        sequence = await history.sequence_at_time(as_of.micros)
    elif as_of.sequence is not None:
        sequence = as_of.sequence
    else:
        return now
    if sequence > now.sequence:
        raise LedgerError(
            Reason.SEQUENCE_NOT_REACHED,
            f"The history ends at {now.sequence}, before {sequence}",
            sequence=str(now.sequence),
        )
    return await history.cut_at_sequence(sequence)


async def _balances(
    history: History, account_ids: Sequence[str], through: int
) -> Sequence[AccountBalances]:
    """Return the balances of accounts, in the order asked; ACCOUNT_NOT_FOUND if one is not."""
    found = await history.balances(set(account_ids), through)
    for account_id in account_ids:
        if account_id not in found:
            raise _no_account(account_id)
    return [found[account_id] for account_id in account_ids]


def _no_account(account_id: str) -> LedgerError:
    return LedgerError(
        Reason.ACCOUNT_NOT_FOUND, f"There is no account {account_id}", account_id=account_id
    )
