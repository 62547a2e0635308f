"""The gateway through its stubs. Implements the port `Gateway`."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import date

import grpc

from services.kernel.movements import MovementKind, Pot
from services.platform.errors import RemoteError
from services.reconciliation.adapters.remote import calling, moment, streamed
from services.reconciliation.application.ports import UnavailableError
from services.reconciliation.domain.inputs import (
    AccountRef,
    GatewayEvent,
    GatewayMovement,
    RunScope,
    ScannedRange,
)
from services.reconciliation.domain.rows import Side
from services.reconciliation.domain.runs import ReportInput
from services.reconciliation.domain.steps import GatewayReport, ReportState, StoredReport
from vezne.psp_gateway.v1 import event_pb2
from vezne.psp_gateway.v1.event_service_pb2 import ExportEventsRequest, GetCutRequest
from vezne.psp_gateway.v1.event_service_pb2_grpc import EventServiceStub
from vezne.psp_gateway.v1.settlement_service_pb2 import (
    FetchSettlementReportRequest,
    ListSettlementReportsRequest,
    SettlementReport,
    SettlementReportState,
    StreamSettlementReportRequest,
)
from vezne.psp_gateway.v1.settlement_service_pb2_grpc import SettlementServiceStub
from vezne.type.v1.movement_pb2 import MOVEMENT_KIND_UNSPECIFIED
from vezne.type.v1.movement_pb2 import MovementKind as KindMessage
from vezne.type.v1.movement_pb2 import Pot as PotMessage

_SERVICE = "psp_gateway"
_PAGE = 200
_NOT_AVAILABLE = "SETTLEMENT_REPORT_NOT_AVAILABLE"


class GatewayClient:
    """Reads the gateway, and has it fetch reports."""

    def __init__(self, channel: grpc.aio.Channel, export_timeout_s: float) -> None:
        self._events = EventServiceStub(channel)
        self._settlement = SettlementServiceStub(channel)
        self._export_timeout_s = export_timeout_s

    async def check_provider_account(self, account: AccountRef) -> None:
        # An empty range of events is the cheapest question that the gateway refuses by name.
        async for _ in self.export(account, 0, 0):
            pass

    async def cut(self, tenant_id: str) -> int:
        with calling(_SERVICE):
            response = await self._events.GetCut(GetCutRequest(tenant_id=tenant_id))
        return response.cut.event_sequence

    async def export(
        self, account: AccountRef, after: int, through: int
    ) -> AsyncIterator[Sequence[GatewayEvent] | ScannedRange]:
        call = self._events.ExportEvents(
            ExportEventsRequest(
                tenant_id=account.tenant_id,
                after_sequence=after,
                through_sequence=through,
                provider=account.provider,
                provider_account=account.provider_account,
            ),
            timeout=self._export_timeout_s,
        )
        async for message in streamed(_SERVICE, call):
            if message.events:
                yield [_event(found) for found in message.events]
            if message.HasField("summary"):
                summary = message.summary
                yield ScannedRange(
                    Side.GATEWAY,
                    after,
                    summary.cut.event_sequence,
                    summary.events_scanned,
                    summary.events_sent,
                )
                return
        raise UnavailableError(_SERVICE)

    async def fetch_reports(
        self, account: AccountRef, business_date: date, request_id: str
    ) -> Sequence[GatewayReport]:
        request = FetchSettlementReportRequest(
            tenant_id=account.tenant_id,
            request_id=request_id,
            provider=account.provider,
            provider_account=account.provider_account,
            business_date=business_date.isoformat(),
        )
        try:
            with calling(_SERVICE):
                response = await self._settlement.FetchSettlementReport(request)
        except RemoteError as error:
            if error.reason == _NOT_AVAILABLE:
                return ()
            raise
        return [_report(found) for found in response.reports]

    async def list_reports(
        self, scope: RunScope, from_date: date | None
    ) -> Sequence[GatewayReport]:
        request = ListSettlementReportsRequest(
            tenant_id=scope.tenant_id,
            provider=scope.provider,
            provider_account=scope.provider_account,
            from_business_date=(from_date.isoformat() if from_date else ""),
            through_business_date=scope.business_date.isoformat(),
            page_size=_PAGE,
        )
        found: list[GatewayReport] = []
        while True:
            with calling(_SERVICE):
                response = await self._settlement.ListSettlementReports(request)
            found += [_report(report) for report in response.reports]
            if not response.next_page_token:
                return sorted(found, key=lambda report: report.input.batch_number)
            request.page_token = response.next_page_token

    async def read_report(self, tenant_id: str, report: ReportInput) -> StoredReport:
        call = self._settlement.StreamSettlementReport(
            StreamSettlementReportRequest(tenant_id=tenant_id, report_id=report.report_id),
            timeout=self._export_timeout_s,
        )
        content = bytearray()
        async for message in streamed(_SERVICE, call):
            content += message.chunk
        if hashlib.sha256(content).hexdigest() != report.sha256:
            # The stream was cut short; a file that was changed at the source never gets through.
            raise UnavailableError(_SERVICE)
        return StoredReport(report, bytes(content))


def _event(found: event_pb2.GatewayEvent) -> GatewayEvent:
    return GatewayEvent(
        event_sequence=found.event_sequence,
        event_id=str(found.event_sequence),
        object_id=found.object_id,
        fact=found.fact,
        occurred_at=moment(found.effective_time),
        movements=tuple(
            GatewayMovement(
                pot=Pot[PotMessage.Name(movement.pot).removeprefix("POT_")],
                currency_code=movement.currency_code,
                amount_minor=movement.amount_minor,
                movement_key=movement.movement_key,
                movement_kind=_kind(movement.movement_kind),
            )
            for movement in found.movements
        ),
    )


def _kind(kind: KindMessage.ValueType) -> MovementKind | None:
    if kind == MOVEMENT_KIND_UNSPECIFIED:
        return None
    return MovementKind[KindMessage.Name(kind).removeprefix("MOVEMENT_KIND_")]


def _report(found: SettlementReport) -> GatewayReport:
    return GatewayReport(
        input=ReportInput(
            report_id=found.report_id,
            batch_number=found.batch_number,
            sha256=found.sha256.hex(),
            report_format=found.report_format,
            posted_sequence=found.posted_sequence,
        ),
        business_date=date.fromisoformat(found.business_date),
        state=ReportState(
            SettlementReportState.Name(found.state).removeprefix("SETTLEMENT_REPORT_STATE_")
        ),
        line_count=found.line_count,
        processed_line_count=found.processed_line_count,
        refusal_message=found.refusal_message,
    )
