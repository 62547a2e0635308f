"""SettlementService: what providers say they settled."""

from collections.abc import AsyncIterator
from datetime import date
from uuid import UUID

from services.platform.rpc import Context
from services.psp_gateway.api import building, parsing
from services.psp_gateway.application.report_ports import (
    ReportFilter,
    ReportPosition,
    ReportRecord,
    ReportState,
)
from services.psp_gateway.application.settlement import FetchReport, Settlement
from vezne.psp_gateway.v1 import settlement_service_pb2 as pb
from vezne.psp_gateway.v1.settlement_service_pb2_grpc import SettlementServiceServicer
from vezne.type.v1 import movement_pb2


class SettlementService(SettlementServiceServicer):
    """Serves SettlementService."""

    def __init__(self, settlement: Settlement) -> None:
        self._settlement = settlement

    async def FetchSettlementReport(
        self, request: pb.FetchSettlementReportRequest, _context: Context
    ) -> pb.FetchSettlementReportResponse:
        asked = FetchReport(
            request=parsing.request_of(request),
            at=parsing.place(request),
            business_date=_date("business_date", request.business_date),
        )
        found, replayed = await self._settlement.fetch(asked)
        return pb.FetchSettlementReportResponse(
            reports=[_report(one) for one in found], replayed=replayed
        )

    async def ListSettlementReports(
        self, request: pb.ListSettlementReportsRequest, _context: Context
    ) -> pb.ListSettlementReportsResponse:
        page = parsing.page(request)
        since, through = request.from_business_date, request.through_business_date
        chosen = ReportFilter(
            provider=request.provider,
            provider_account=request.provider_account,
            from_date=_date("from_business_date", since) if since else None,
            through_date=_date("through_business_date", through) if through else None,
            states=parsing.names(pb.SettlementReportState, request.states, ReportState),
            report_id=request.report_id,
        )
        found = await self._settlement.list(
            request.tenant_id, chosen, page.position(ReportPosition.parse), page.size + 1
        )
        return pb.ListSettlementReportsResponse(
            reports=[_report(one) for one in found[: page.size]],
            next_page_token=page.next_token(found, lambda one: str(ReportPosition.of(one))),
        )

    async def StreamSettlementReport(
        self, request: pb.StreamSettlementReportRequest, _context: Context
    ) -> AsyncIterator[pb.StreamSettlementReportResponse]:
        record, chunks = await self._settlement.stream(request.tenant_id, UUID(request.report_id))
        yield pb.StreamSettlementReportResponse(report=_report(record))
        async for chunk in chunks:
            yield pb.StreamSettlementReportResponse(chunk=chunk)


def _date(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise parsing.wrong(field, "must be a date of the calendar") from error


def _report(record: ReportRecord) -> pb.SettlementReport:
    report = record.report
    return pb.SettlementReport(
        report_id=str(report.report_id),
        provider=report.at.provider,
        provider_account=report.at.provider_account,
        business_date=report.business_date.isoformat(),
        report_format=report.report_format,
        sha256=report.sha256,
        size_bytes=report.size_bytes,
        batch_number=report.batch_number,
        period_start_time=building.moment(report.period_start),
        period_end_time=building.moment(report.period_end),
        state=building.named(pb.SettlementReportState, report.state),
        posted_sequence=record.posted_sequence,
        line_count=report.line_count,
        processed_line_count=record.processed_line_count,
        exception_count=record.exception_count,
        totals=[
            pb.SettlementReportTotal(
                currency_code=one.currency_code,
                gross_minor=one.gross_minor,
                fee_minor=one.fee_minor,
                net_minor=one.net_minor,
            )
            for one in report.totals
        ],
        balances=[
            pb.SettlementReportBalance(
                pot=building.named(movement_pb2.Pot, one.pot.name),
                currency_code=one.currency_code,
                opening_minor=one.opening_minor,
                closing_minor=one.closing_minor,
            )
            for one in report.balances
        ],
        refused_line_number=report.refused_line_number,
        refusal_message=report.refusal_message,
        create_time=building.moment(report.created_at),
        book_time=building.moment(record.booked_at),
    )
