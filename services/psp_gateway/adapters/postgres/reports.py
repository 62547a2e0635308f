"""Settlement reports on PostgreSQL. Implements `ReportRows` and `ReportStore`."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from services.formats.report import ReportBalance, ReportLine
from services.kernel.movements import Pot
from services.psp_gateway.adapters.postgres import reports_sql as sql
from services.psp_gateway.adapters.postgres.connection import connected
from services.psp_gateway.adapters.postgres.rows import place_of
from services.psp_gateway.application.report_ports import (
    LineState,
    Report,
    ReportFilter,
    ReportPosition,
    ReportRecord,
    ReportState,
    Total,
    WaitingLine,
)
from services.psp_gateway.domain.accounts import ProviderAccount

CHUNK_BYTES = 256 * 1024


class PostgresReports:
    """Writes reports, inside a unit of work."""

    def __init__(self, driver: asyncpg.Connection, tenant_id: str) -> None:
        self._driver = driver
        self._tenant_id = tenant_id

    async def insert(self, report: Report, content: bytes, lines: Sequence[ReportLine]) -> bool:
        made = await self._driver.fetchval(
            sql.INSERT,
            self._tenant_id,
            report.report_id,
            report.at.provider,
            report.at.provider_account,
            report.business_date,
            report.report_format,
            report.sha256,
            report.size_bytes,
            report.state,
            report.batch_number,
            report.period_start,
            report.period_end,
            _totals(report),
            _balances(report),
            report.line_count,
            report.refused_line_number,
            report.refusal_message,
            report.created_at if report.state is ReportState.BOOKING else None,
            report.created_at,
        )
        if made is None:
            return False
        await self._driver.copy_records_to_table(
            "settlement_report_chunks",
            schema_name="psp_gateway",
            columns=("tenant_id", "report_id", "chunk_number", "content"),
            records=[
                (self._tenant_id, report.report_id, number, content[start : start + CHUNK_BYTES])
                for number, start in enumerate(range(0, len(content), CHUNK_BYTES))
            ],
        )
        await self._driver.copy_records_to_table(
            "settlement_report_lines",
            schema_name="psp_gateway",
            columns=(
                *("tenant_id", "report_id", "line_number", "row_id", "movement_kind"),
                *("movement_key", "state", "attempt_count", "last_error"),
            ),
            records=[
                (
                    self._tenant_id,
                    report.report_id,
                    line.line_number,
                    line.row_id,
                    line.kind,
                    line.movement_key,
                    LineState.WAITING,
                    0,
                    "",
                )
                for line in lines
            ],
        )
        return True

    async def line_done(
        self, report_id: UUID, line_number: int, state: LineState, why: str
    ) -> None:
        await self._driver.execute(
            sql.LINE_DONE, self._tenant_id, report_id, line_number, state, why
        )

    async def all_lines_done(self, report_id: UUID, now: datetime) -> None:
        await self._driver.execute(sql.ALL_LINES_DONE, self._tenant_id, report_id, now)

    async def booked(self, report_id: UUID, posted_sequence: int, now: datetime) -> None:
        await self._driver.execute(sql.BOOKED, self._tenant_id, report_id, posted_sequence, now)

    async def look_again(self, report_id: UUID, at: datetime) -> None:
        await self._driver.execute(sql.LOOK_AGAIN, self._tenant_id, report_id, at)


class PostgresReportStore:
    """Reads reports."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def by_hash(
        self, tenant_id: str, at: ProviderAccount, sha256: bytes
    ) -> ReportRecord | None:
        async with connected(self._engine) as driver:
            row = await driver.fetchrow(
                sql.BY_HASH, tenant_id, at.provider, at.provider_account, sha256
            )
        return _record(row) if row else None

    async def of_date(
        self, tenant_id: str, at: ProviderAccount, business_date: date
    ) -> Sequence[ReportRecord]:
        async with connected(self._engine) as driver:
            rows = await driver.fetch(
                sql.OF_DATE, tenant_id, at.provider, at.provider_account, business_date
            )
        return [_record(row) for row in rows]

    async def list(
        self, tenant_id: str, chosen: ReportFilter, after: ReportPosition | None, limit: int
    ) -> Sequence[ReportRecord]:
        async with connected(self._engine) as driver:
            rows = await driver.fetch(
                sql.LIST,
                tenant_id,
                after.business_date if after else None,
                after.report_id if after else None,
                chosen.provider,
                chosen.provider_account,
                chosen.from_date,
                chosen.through_date,
                list(chosen.states),
                UUID(chosen.report_id) if chosen.report_id else None,
                limit,
            )
        return [_record(row) for row in rows]

    async def record(self, tenant_id: str, report_id: UUID) -> ReportRecord | None:
        async with connected(self._engine) as driver:
            row = await driver.fetchrow(sql.RECORD, tenant_id, report_id)
        return _record(row) if row else None

    async def content(self, tenant_id: str, report_id: UUID) -> AsyncIterator[bytes]:
        number = 0
        while True:
            # A connection a chunk: a slow reader holds none.
            async with connected(self._engine) as driver:
                chunk = await driver.fetchval(sql.CHUNK, tenant_id, report_id, number)
            if chunk is None:
                return
            yield chunk
            number += 1

    async def waiting_lines(self, tenant_id: str, report_id: UUID) -> Sequence[WaitingLine]:
        async with connected(self._engine) as driver:
            rows = await driver.fetch(sql.WAITING_LINES, tenant_id, report_id)
        return [WaitingLine(row["line_number"], row["attempt_count"]) for row in rows]

    async def booked_through(self, tenant_id: str, report_id: UUID) -> int | None:
        async with connected(self._engine) as driver:
            found = await driver.fetchval(sql.BOOKED_THROUGH, tenant_id, report_id)
        return None if found is None else int(found)

    async def due(self, tenant_id: str, now: datetime, limit: int) -> Sequence[UUID]:
        async with connected(self._engine) as driver:
            rows = await driver.fetch(sql.DUE, tenant_id, now, limit)
        return [row["report_id"] for row in rows]


def _totals(report: Report) -> str:
    return orjson.dumps(
        [
            [one.currency_code, one.gross_minor, one.fee_minor, one.net_minor]
            for one in report.totals
        ]
    ).decode()


def _balances(report: Report) -> str:
    return orjson.dumps(
        [
            [one.pot, one.currency_code, one.opening_minor, one.closing_minor]
            for one in report.balances
        ]
    ).decode()


def _balance(stored: list[Any]) -> ReportBalance:
    return ReportBalance(Pot(stored[0]), *stored[1:])


def _record(row: asyncpg.Record) -> ReportRecord:
    return ReportRecord(
        report=Report(
            report_id=row["report_id"],
            at=place_of(row),
            business_date=row["business_date"],
            report_format=row["report_format"],
            sha256=row["sha256"],
            size_bytes=row["size_bytes"],
            state=ReportState(row["state"]),
            batch_number=row["batch_number"],
            period_start=row["period_start_time"],
            period_end=row["period_end_time"],
            totals=[Total(*stored) for stored in row["totals"]],
            balances=[_balance(stored) for stored in row["balances"]],
            line_count=row["line_count"],
            refused_line_number=row["refused_line_number"],
            refusal_message=row["refusal_message"],
            created_at=row["create_time"],
        ),
        posted_sequence=row["posted_sequence"] or 0,
        processed_line_count=row["processed_line_count"],
        exception_count=row["exception_count"],
        booked_at=row["book_time"],
    )
