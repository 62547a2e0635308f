"""The history on PostgreSQL: each method is one short unit of work. Implements `JournalStore`."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import Text

from services.kernel.clock import from_micros, to_micros
from services.ledger.adapters.postgres import journal_sql as sql
from services.ledger.adapters.postgres.rows import account_view
from services.ledger.adapters.postgres.unit import store_unit
from services.ledger.domain.accounts import AccountKind, AccountView
from services.ledger.domain.decisions import AccountBalances
from services.ledger.domain.history import (
    AccountFilter,
    Cut,
    EntryView,
    ExportFilter,
    StatementLine,
    TransactionView,
    TrialLine,
)


class PostgresJournal:
    """Reads the history."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def cut(self, tenant_id: str) -> Cut | None:
        async with self._reading() as connection:
            # One statement, so that the sequence and its transaction are of one moment.
            row = (await connection.execute(text(sql.HEAD_CUT), {"tenant": tenant_id})).first()
        return None if row is None else _cut(row)

    async def cut_at_sequence(self, tenant_id: str, sequence: int) -> Cut:
        if sequence == 0:
            return Cut(0, b"", None)
        async with self._reading() as connection:
            return _cut(
                (
                    await connection.execute(
                        text(sql.CUT_AT), {"tenant": tenant_id, "sequence": sequence}
                    )
                ).one()
            )

    async def sequence_at_time(self, tenant_id: str, micros: int, through: int) -> int:
        # Time rises strictly with the sequence, so bisection needs no index on time.
        moment = from_micros(micros)
        low, high = 0, through
        async with self._reading() as connection:
            while low < high:
                middle = (low + high + 1) // 2
                recorded = await connection.scalar(
                    text(sql.RECORDED_AT), {"tenant": tenant_id, "sequence": middle}
                )
                low, high = (middle, high) if recorded <= moment else (low, middle - 1)
        return low

    async def balances(
        self, tenant_id: str, account_ids: Collection[str], through: int
    ) -> Mapping[str, AccountBalances]:
        async with self._reading() as connection:
            rows = await connection.execute(
                text(sql.BALANCES).bindparams(_texts("accounts")),
                {"tenant": tenant_id, "accounts": list(account_ids), "through": through},
            )
            return {row.account_id: AccountBalances(*row) for row in rows}

    async def transaction(
        self,
        tenant_id: str,
        *,
        sequence: int | None = None,
        transaction_id: str | None = None,
        request_id: str | None = None,
    ) -> TransactionView | None:
        async with self._reading() as connection:
            if sequence is None:
                sequence = await connection.scalar(
                    text(sql.SEQUENCE_BY_ID if transaction_id else sql.SEQUENCE_BY_REQUEST),
                    {"tenant": tenant_id, "name": transaction_id or request_id},
                )
            if sequence is None:
                return None
            found = await _transactions(
                connection, tenant_id, sequence - 1, sequence, ExportFilter()
            )
        return found[0] if found else None

    async def statement_lines(
        self, tenant_id: str, account_id: str, after: tuple[int, int], through: int, limit: int
    ) -> Sequence[StatementLine]:
        async with self._reading() as connection:
            rows = await connection.execute(
                text(sql.STATEMENT_LINES),
                {
                    "tenant": tenant_id,
                    "account": account_id,
                    "sequence": after[0],
                    "number": after[1],
                    "through": through,
                    "limit": limit,
                },
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
        self, tenant_id: str, through: int, prefix: str, group_depth: int, limit: int
    ) -> Sequence[TrialLine]:
        async with self._reading() as connection:
            rows = await connection.execute(
                text(sql.TRIAL_LINES),
                {
                    "tenant": tenant_id,
                    "through": through,
                    "prefix": prefix,
                    "depth": group_depth,
                    "limit": limit,
                },
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
        self, tenant_id: str, after: int, through: int, chosen: ExportFilter
    ) -> tuple[int, Sequence[TransactionView]]:
        async with self._reading() as connection:
            count = await connection.scalar(
                text(sql.COUNT_RANGE),
                {"tenant": tenant_id, "after": after, "through": through},
            )
            return int(count or 0), await _transactions(
                connection, tenant_id, after, through, chosen
            )

    async def account(self, tenant_id: str, account_id: str) -> AccountView | None:
        async with self._reading() as connection:
            row = (
                await connection.execute(
                    text(sql.ACCOUNT), {"tenant": tenant_id, "account": account_id}
                )
            ).first()
        return None if row is None else account_view(row._asdict())

    async def accounts(
        self, tenant_id: str, chosen: AccountFilter, after: str, limit: int
    ) -> Sequence[AccountView]:
        async with self._reading() as connection:
            rows = await connection.execute(
                text(sql.ACCOUNTS),
                {
                    "tenant": tenant_id,
                    "after": after,
                    "prefix": chosen.prefix,
                    "kind": chosen.kind,
                    "state": chosen.state,
                    "label": chosen.label,
                    "currency": chosen.currency_code,
                    "limit": limit,
                },
            )
            return [account_view(row._asdict()) for row in rows]

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        async with store_unit(self._engine) as work:
            yield work.connection


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


async def _transactions(
    connection: AsyncConnection, tenant_id: str, after: int, through: int, chosen: ExportFilter
) -> list[TransactionView]:
    """Return the transactions of (after, through], with the entries that the filter passes."""
    span = {"tenant": tenant_id, "after": after, "through": through}
    legs: dict[int, list[EntryView]] = {}
    for row in await connection.execute(
        text(sql.ENTRIES).bindparams(_texts("accounts")),
        {**span, "prefix": chosen.prefix, "accounts": list(chosen.account_ids)},
    ):
        legs.setdefault(row.sequence, []).append(_entry(row))
    rows = await connection.execute(
        text(sql.TRANSACTIONS).bindparams(_texts("kinds")), {**span, "kinds": list(chosen.kinds)}
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
