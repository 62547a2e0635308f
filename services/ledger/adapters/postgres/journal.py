"""The history on PostgreSQL, read in short units of work. Implements `JournalStore`."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import CursorResult, Row, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import Text

from services.kernel.clock import from_micros, to_micros
from services.ledger.adapters.postgres import journal_sql as sql
from services.ledger.adapters.postgres.rows import account_view
from services.ledger.adapters.postgres.unit import store_unit
from services.ledger.application.ports import TenantNotFoundError
from services.ledger.domain.accounts import AccountKind, AccountView
from services.ledger.domain.decisions import AccountBalances
from services.ledger.domain.history import (
    AccountFilter,
    Cut,
    EntryView,
    ExportFilter,
    NamedBy,
    StatementLine,
    TransactionName,
    TransactionView,
    TrialLine,
)

_SEQUENCE_BY = {
    NamedBy.TRANSACTION_ID: sql.SEQUENCE_BY_ID,
    NamedBy.REQUEST_ID: sql.SEQUENCE_BY_REQUEST,
}


class PostgresJournal:
    """Opens the histories of tenants."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def read(self, tenant_id: str) -> AsyncIterator["PostgresHistory"]:
        """Open a tenant's history."""
        async with store_unit(self._engine) as work:
            # One statement, so that the sequence and its transaction are of one moment.
            found = await work.connection.execute(text(sql.HEAD_CUT), {"tenant": tenant_id})
            row = found.first()
            if row is None:
                raise TenantNotFoundError(tenant_id)
            yield PostgresHistory(work.connection, tenant_id, _cut(row))


class PostgresHistory:
    """One tenant's history during one unit of work; implements `History`."""

    def __init__(self, connection: AsyncConnection, tenant_id: str, now: Cut) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._now = now

    @property
    def now(self) -> Cut:
        """The end of the history when the unit began."""
        return self._now

    async def cut_at_sequence(self, sequence: int) -> Cut:
        if sequence == 0:
            return Cut(0, b"", None)
        found = await self._rows(text(sql.CUT_AT), sequence=sequence)
        return _cut(found.one())

    async def sequence_at_time(self, micros: int) -> int:
        # Time rises strictly with the sequence, so bisection needs no index on time.
        moment = from_micros(micros)
        low, high = 0, self._now.sequence
        while low < high:
            middle = (low + high + 1) // 2
            recorded = (await self._rows(text(sql.RECORDED_AT), sequence=middle)).scalar_one()
            low, high = (middle, high) if recorded <= moment else (low, middle - 1)
        return low

    async def balances(
        self, account_ids: Collection[str], through: int
    ) -> Mapping[str, AccountBalances]:
        rows = await self._rows(
            text(sql.BALANCES).bindparams(_texts("accounts")),
            accounts=list(account_ids),
            through=through,
        )
        return {row.account_id: AccountBalances._make(row) for row in rows}

    async def transaction(self, name: TransactionName) -> TransactionView | None:
        if name.by is NamedBy.SEQUENCE:
            sequence = int(name.value)
        else:
            found = (await self._rows(text(_SEQUENCE_BY[name.by]), name=name.value)).scalar()
            if found is None:
                return None
            sequence = found
        transactions = await self._transactions(sequence - 1, sequence, ExportFilter())
        return transactions[0] if transactions else None

    async def statement_lines(
        self, account_id: str, after: tuple[int, int], through: int, limit: int
    ) -> Sequence[StatementLine]:
        rows = await self._rows(
            text(sql.STATEMENT_LINES),
            account=account_id,
            sequence=after[0],
            number=after[1],
            through=through,
            limit=limit,
        )
        return [
            StatementLine(
                _entry(row),
                str(row.transaction_id),
                row.sequence,
                row.kind,
                to_micros(row.effective_time),
                to_micros(row.create_time),
                row.description,
            )
            for row in rows
        ]

    async def trial_lines(
        self, through: int, prefix: str, group_depth: int, limit: int
    ) -> Sequence[TrialLine]:
        rows = await self._rows(
            text(sql.TRIAL_LINES), through=through, prefix=prefix, depth=group_depth, limit=limit
        )
        return [
            TrialLine(
                row.currency_code,
                AccountKind(row.kind),
                row.prefix,
                row.account_count,
                int(row.debit),
                int(row.credit),
            )
            for row in rows
        ]

    async def export_page(
        self, after: int, through: int, chosen: ExportFilter
    ) -> tuple[int, Sequence[TransactionView]]:
        count = await self._rows(text(sql.COUNT_RANGE), after=after, through=through)
        return int(count.scalar_one()), await self._transactions(after, through, chosen)

    async def account(self, account_id: str) -> AccountView | None:
        row = (await self._rows(text(sql.ACCOUNT), account=account_id)).first()
        return None if row is None else account_view(row._asdict())

    async def accounts(
        self, chosen: AccountFilter, after: str, limit: int
    ) -> Sequence[AccountView]:
        rows = await self._rows(
            text(sql.ACCOUNTS),
            after=after,
            prefix=chosen.prefix,
            kind=chosen.kind,
            state=chosen.state,
            label=chosen.label,
            currency=chosen.currency_code,
            limit=limit,
        )
        return [account_view(row._asdict()) for row in rows]

    async def _transactions(
        self, after: int, through: int, chosen: ExportFilter
    ) -> list[TransactionView]:
        """Return the transactions of (after, through], with the entries that the filter passes."""
        legs: dict[int, list[EntryView]] = {}
        for row in await self._rows(
            text(sql.ENTRIES).bindparams(_texts("accounts")),
            after=after,
            through=through,
            prefix=chosen.prefix,
            accounts=list(chosen.account_ids),
        ):
            legs.setdefault(row.sequence, []).append(_entry(row))
        rows = await self._rows(
            text(sql.TRANSACTIONS).bindparams(_texts("kinds")),
            after=after,
            through=through,
            kinds=list(chosen.kinds),
        )
        return [
            TransactionView(
                str(row.transaction_id),
                row.sequence,
                row.request_id,
                row.kind,
                legs[row.sequence],
                to_micros(row.effective_time),
                to_micros(row.create_time),
                row.description,
                row.external_id,
                row.metadata,
                row.hash,
            )
            for row in rows
            if row.sequence in legs
        ]

    async def _rows(self, statement: TextClause, **values: Any) -> CursorResult[Any]:
        """Run a statement about the tenant."""
        return await self._connection.execute(statement, {"tenant": self._tenant_id, **values})


def _texts(name: str) -> Any:
    return bindparam(name, type_=ARRAY(Text))


def _cut(row: Row[Any]) -> Cut:
    return Cut(
        row.sequence,
        row.hash or b"",
        None if row.create_time is None else to_micros(row.create_time),
    )


def _entry(row: Row[Any]) -> EntryView:
    return EntryView(
        row.entry_number,
        row.account_id,
        row.currency_code,
        row.amount,
        row.posted,
        row.pending_in,
        row.pending_out,
        row.account_version,
    )
