"""Settlement reports: fetched, stored by their hash, read, and booked line by line.

Every line is a fact, or an exception; all go through the one use case. When the last posting is in,
the report carries the ledger's sequence of that moment.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import structlog

from services.formats import parse
from services.formats.report import ReportFormatError, ReportLine, SettlementReport
from services.kernel.clock import Clock
from services.kernel.errors import DomainError
from services.psp_gateway.application.background import Background
from services.psp_gateway.application.booking import Booking
from services.psp_gateway.application.ports import GatewayStore, Ledger, NewId
from services.psp_gateway.application.providers import (
    Connection,
    Connections,
    ProviderUnavailableError,
    missing,
)
from services.psp_gateway.application.reading import ObjectReader, Request, replayed
from services.psp_gateway.application.records import MESSAGE_LENGTH_MAX, ExceptionNote
from services.psp_gateway.application.report_ports import (
    Report,
    ReportFilter,
    ReportPosition,
    ReportRecord,
    ReportState,
    ReportStore,
    Total,
    WaitingLine,
)
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.exceptions import DECISION_OF, ExceptionKind
from services.psp_gateway.domain.outcomes import Capability
from services.psp_gateway.domain.reasons import Reason, refusal

_LOOK_AGAIN = timedelta(seconds=5)
_LEASE = timedelta(minutes=2)
_LANES = 8

log = structlog.get_logger("vezne.settlement")


@dataclass(frozen=True, slots=True)
class FetchReport:
    """A business date whose reports are asked for."""

    request: Request
    at: ProviderAccount
    business_date: date


class Settlement:
    """The use cases of settlement reports."""

    def __init__(
        self,
        store: GatewayStore,
        reader: ObjectReader,
        reports: ReportStore,
        booking: Booking,
        ledger: Ledger,
        connections: Connections,
        background: Background,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._reader = reader
        self._reports = reports
        self._booking = booking
        self._ledger = ledger
        self._connections = connections
        self._background = background
        self._clock = clock
        self._new_id = new_id
        self._being_booked: set[UUID] = set()

    async def fetch(self, asked: FetchReport) -> tuple[Sequence[ReportRecord], bool]:
        """Store the reports of a date and begin to book them; return them, and whether replayed.

        Raises:
            DomainError: REQUEST_ID_REUSED, PROVIDER_ACCOUNT_NOT_FOUND, CAPABILITY_MISSING,
                SETTLEMENT_REPORT_NOT_AVAILABLE, UNAVAILABLE.
        """
        tenant_id = asked.request.tenant_id
        known = await replayed(self._reader, asked.request)
        connection = self._connections.of(tenant_id, asked.at)
        if known is None:
            await self._fetched(asked, connection)
        found = await self._reports.of_date(tenant_id, asked.at, asked.business_date)
        for one in found:
            if one.report.state is ReportState.BOOKING:
                self._background.start(self.book(tenant_id, one.report.report_id))
        return found, known is not None

    async def list(
        self, tenant_id: str, chosen: ReportFilter, after: ReportPosition | None, limit: int
    ) -> Sequence[ReportRecord]:
        """Return reports, the latest business date first, after a position."""
        return await self._reports.list(tenant_id, chosen, after, limit)

    async def stream(
        self, tenant_id: str, report_id: UUID
    ) -> tuple[ReportRecord, AsyncIterator[bytes]]:
        """Return a report and its bytes as they were stored.

        Raises:
            DomainError: SETTLEMENT_REPORT_NOT_FOUND.
        """
        record = await self._reports.record(tenant_id, report_id)
        if record is None:
            raise refusal(Reason.SETTLEMENT_REPORT_NOT_FOUND, f"There is no report {report_id}")
        return record, self._reports.content(tenant_id, report_id)

    async def go_on(self, tenant_id: str, limit: int) -> int:
        """Go on with reports whose booking is due; return how many there were."""
        due = await self._reports.due(tenant_id, self._clock(), limit)
        for report_id in due:
            await self.book(tenant_id, report_id)
        return len(due)

    async def book(self, tenant_id: str, report_id: UUID) -> None:
        """Book the lines that wait; once none does, note when the last posting was in.

        What fails is tried again by the janitor. It may run beside itself in other processes: every
        line books once.
        """
        if report_id in self._being_booked:
            return
        self._being_booked.add(report_id)
        try:
            await self._book(tenant_id, report_id)
        finally:
            self._being_booked.discard(report_id)

    # --- fetching --------------------------------------------------------------------------------

    async def _fetched(self, asked: FetchReport, connection: Connection) -> None:
        if connection.reports is None:
            raise missing(Capability.SETTLEMENT_REPORTS)
        try:
            contents = await connection.reports.fetch(asked.business_date)
        except ProviderUnavailableError as error:
            raise refusal(Reason.UNAVAILABLE, error.message) from error
        if contents is None:
            raise refusal(
                Reason.SETTLEMENT_REPORT_NOT_AVAILABLE,
                f"{asked.at} has no report of {asked.business_date} yet",
            )
        request, now = asked.request, self._clock()
        for content in contents:
            await self._store_one(asked, connection, content)
        async with self._store.open(request.tenant_id) as unit:
            await unit.requests.remember(
                request.request_id,
                request.method,
                request.request_hash,
                asked.business_date.isoformat(),
                now,
            )
            await unit.commit()

    async def _store_one(self, asked: FetchReport, connection: Connection, content: bytes) -> None:
        """Store a file with its lines, or with why it is refused; once, whoever sends it."""
        now = self._clock()
        common: dict[str, Any] = {
            "report_id": self._new_id(now),
            "at": asked.at,
            "business_date": asked.business_date,
            "report_format": connection.report_format,
            "sha256": hashlib.sha256(content).digest(),
            "size_bytes": len(content),
            "created_at": now,
        }
        try:
            parsed = _parsed(content, connection)
        except ReportFormatError as error:
            await self._insert(asked, _refused(common, error), content)
            return
        if await self._insert(asked, _accepted(common, parsed), content, parsed.lines):
            return
        tenant_id, sha256 = asked.request.tenant_id, common["sha256"]
        if await self._reports.by_hash(tenant_id, asked.at, sha256) is None:
            # A person decides which of the two is right.
            other = ReportFormatError(
                f"Batch {parsed.batch_number} was accepted before, as another file"
            )
            await self._insert(asked, _refused(common, other), content)

    async def _insert(
        self, asked: FetchReport, report: Report, content: bytes, lines: Sequence[ReportLine] = ()
    ) -> bool:
        async with self._store.open(asked.request.tenant_id) as unit:
            made = await unit.reports.insert(report, content, lines)
            if made:
                await unit.raise_exceptions(_notes(report), report.created_at)
            await unit.commit()
        return made

    # --- booking ---------------------------------------------------------------------------------

    async def _book(self, tenant_id: str, report_id: UUID) -> None:
        record = await self._reports.record(tenant_id, report_id)
        if record is None or record.report.state is not ReportState.BOOKING:
            return
        await self._look_again(tenant_id, report_id, _LEASE)
        done = False
        try:
            booked = await self._book_lines(tenant_id, record.report)
            if booked and await self._all_posted(tenant_id, record.report):
                sequence = await self._ledger.sequence(tenant_id)
                async with self._store.open(tenant_id) as unit:
                    await unit.reports.booked(report_id, sequence, self._clock())
                    await unit.commit()
                done = True
        except* DomainError as errors:
            why = [str(error) for error in errors.exceptions][:3]
            log.warning("booking_goes_on_later", report_id=str(report_id), why=why)
        if not done:
            await self._look_again(tenant_id, report_id, _LOOK_AGAIN)

    async def _book_lines(self, tenant_id: str, report: Report) -> bool:
        """Book the lines that wait; return whether none waits any more."""
        waiting = await self._reports.waiting_lines(tenant_id, report.report_id)
        if not waiting:
            return True
        connection = self._connections.of(tenant_id, report.at)
        content = b"".join(
            [chunk async for chunk in self._reports.content(tenant_id, report.report_id)]
        )
        by_number = {line.line_number: line for line in _parsed(content, connection).lines}
        # Lines of one object in the order of the file; those of different objects side by side.
        lanes: dict[str, list[WaitingLine]] = {}
        for one in waiting:
            line = by_number[one.line_number]
            lanes.setdefault(line.object_key or line.movement_key or line.row_id, []).append(one)
        places = asyncio.Semaphore(_LANES)

        async def book_lane(lane: Sequence[WaitingLine]) -> bool:
            async with places:
                done = [
                    await self._booking.book(connection, report, by_number[one.line_number], one)
                    for one in lane
                ]
            return all(done)

        async with asyncio.TaskGroup() as tasks:
            booked = [tasks.create_task(book_lane(lane)) for lane in lanes.values()]
        return all(task.result() for task in booked)

    async def _all_posted(self, tenant_id: str, report: Report) -> bool:
        """Return whether every posting that was decided up to the last line stands."""
        async with self._store.open(tenant_id) as unit:
            await unit.reports.all_lines_done(report.report_id, self._clock())
            await unit.commit()
        through = await self._reports.booked_through(tenant_id, report.report_id)
        async with self._store.open(tenant_id) as unit:
            return not await unit.intents.open_through(report.at, through or 0)

    async def _look_again(self, tenant_id: str, report_id: UUID, after: timedelta) -> None:
        async with self._store.open(tenant_id) as unit:
            await unit.reports.look_again(report_id, self._clock() + after)
            await unit.commit()


def _parsed(content: bytes, connection: Connection) -> SettlementReport:
    report = parse(connection.report_format, content)
    if report.provider_account != connection.at.provider_account:
        raise ReportFormatError(f"It is of the account {report.provider_account[:64]!r}")
    return report


def _accepted(common: Mapping[str, Any], parsed: SettlementReport) -> Report:
    sums: dict[str, list[int]] = {}
    for line in parsed.lines:
        sums.setdefault(line.gross_currency, [0, 0, 0])[0] += line.gross_minor
        of_net = sums.setdefault(line.net_currency, [0, 0, 0])
        of_net[1] += line.fee_minor
        of_net[2] += line.net_minor
    return Report(
        **common,
        state=ReportState.BOOKING,
        batch_number=parsed.batch_number,
        period_start=parsed.period_start,
        period_end=parsed.period_end,
        totals=[Total(code, *of_code) for code, of_code in sorted(sums.items())],
        balances=parsed.balances,
        line_count=len(parsed.lines),
    )


def _refused(common: Mapping[str, Any], error: ReportFormatError) -> Report:
    return Report(
        **common,
        state=ReportState.REFUSED,
        refused_line_number=error.line_number or 0,
        refusal_message=str(error)[:MESSAGE_LENGTH_MAX],
    )


def _notes(report: Report) -> Sequence[ExceptionNote]:
    """Return the exception of a refused file; none for a file without lines."""
    if report.state is not ReportState.REFUSED:
        return ()
    kind = ExceptionKind.REPORT_REFUSED
    return [
        ExceptionNote(
            kind=kind,
            decision_kind=DECISION_OF[kind],
            cause=report.sha256.hex(),
            message=report.refusal_message,
            at=report.at,
            report_id=report.report_id,
            report_line_number=report.refused_line_number,
        )
    ]
