"""Reading the history: every answer names the cut that it was read at."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from services.kernel.money import INT64_MAX, INT64_MIN
from services.ledger.application.ports import JournalStore
from services.ledger.domain.accounts import AccountView
from services.ledger.domain.decisions import AccountBalances
from services.ledger.domain.history import (
    AccountFilter,
    Cut,
    ExportFilter,
    Statement,
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
        now = await self._store.cut(tenant_id)
        if now is None:
            raise LedgerError(
                Reason.TENANT_NOT_FOUND, f"There is no tenant {tenant_id}", tenant_id=tenant_id
            )
        if as_of.micros is not None:
            sequence = await self._store.sequence_at_time(tenant_id, as_of.micros, now.sequence)
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
        return await self._store.cut_at_sequence(tenant_id, sequence)

    async def balances(
        self, tenant_id: str, account_ids: Sequence[str], as_of: AsOf
    ) -> tuple[Cut, Sequence[AccountBalances]]:
        """Return the balances of accounts, in the order asked, all at one cut.

        Raises:
            LedgerError: as `cut`; ACCOUNT_NOT_FOUND.
        """
        cut = await self.cut(tenant_id, as_of)
        found = await self._store.balances(tenant_id, set(account_ids), cut.sequence)
        for account_id in account_ids:
            if account_id not in found:
                raise _no_account(account_id)
        return cut, [found[account_id] for account_id in account_ids]

    async def transaction(
        self,
        tenant_id: str,
        *,
        sequence: int | None = None,
        transaction_id: str | None = None,
        request_id: str | None = None,
    ) -> TransactionView:
        """Return one transaction.

        Raises:
            LedgerError: TENANT_NOT_FOUND, TRANSACTION_NOT_FOUND.
        """
        await self.cut(tenant_id, AsOf())
        found = await self._store.transaction(
            tenant_id, sequence=sequence, transaction_id=transaction_id, request_id=request_id
        )
        if found is None:
            name = next(str(name) for name in (sequence, transaction_id, request_id) if name)
            raise LedgerError(Reason.TRANSACTION_NOT_FOUND, f"There is no transaction {name}")
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
        end = await self.cut(tenant_id, through)
        begin = (await self.cut(tenant_id, after)).sequence if after != AsOf() else 0
        opening = await self._store.balances(tenant_id, [account_id], min(begin, end.sequence))
        closing = await self._store.balances(tenant_id, [account_id], end.sequence)
        if account_id not in closing:
            raise _no_account(account_id)
        lines = await self._store.statement_lines(
            tenant_id, account_id, page_after or (begin, 100), end.sequence, limit + 1
        )
        return Statement(
            opening[account_id], lines[:limit], closing[account_id], end, more=len(lines) > limit
        )

    async def trial_balance(
        self, tenant_id: str, as_of: AsOf, prefix: str, group_depth: int
    ) -> TrialBalance:
        """Sum all accounts.

        Raises:
            LedgerError: as `cut`; REQUEST_TOO_LARGE if there are more lines than a reply holds;
                OUT_OF_RANGE if a sum does not fit int64.
        """
        cut = await self.cut(tenant_id, as_of)
        lines = await self._store.trial_lines(
            tenant_id, cut.sequence, prefix, group_depth, TRIAL_LINES_MAX + 1
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

        Raises:
            LedgerError: as `cut`; ACCOUNT_NOT_FOUND for an account named exactly.
        """
        cut = await self.cut(tenant_id, AsOf(sequence=through))
        if chosen.account_ids:
            await self.balances(tenant_id, chosen.account_ids, AsOf(sequence=through))
        scanned = 0
        while after < through:
            page_end = min(after + EXPORT_PAGE_TRANSACTIONS, through)
            count, transactions = await self._store.export_page(tenant_id, after, page_end, chosen)
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
        await self.cut(tenant_id, AsOf())
        found = await self._store.account(tenant_id, account_id)
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
        await self.cut(tenant_id, AsOf())
        found = await self._store.accounts(tenant_id, chosen, after, limit + 1)
        return found[:limit], len(found) > limit


def _no_account(account_id: str) -> LedgerError:
    return LedgerError(
        Reason.ACCOUNT_NOT_FOUND, f"There is no account {account_id}", account_id=account_id
    )
