"""A gateway in this process that says what a test tells it: events, and settlement reports."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from services.kernel.errors import Category, DomainError
from services.platform.rpc import Context
from services.platform.server import RunningServer, Service, Servicer
from services.platform.settings import GrpcServerSettings
from vezne.psp_gateway.v1 import event_service_pb2 as events_pb
from vezne.psp_gateway.v1 import settlement_service_pb2 as settlement_pb
from vezne.psp_gateway.v1.event_pb2 import EventCut, EventMovement, GatewayEvent, ObjectKind
from vezne.psp_gateway.v1.event_service_pb2_grpc import (
    EventServiceServicer,
    add_EventServiceServicer_to_server,
)
from vezne.psp_gateway.v1.settlement_service_pb2_grpc import (
    SettlementServiceServicer,
    add_SettlementServiceServicer_to_server,
)

_PAGE = 3
_STATES = settlement_pb.SettlementReportState


@dataclass(frozen=True)
class HeldReport:
    """A report as the gateway holds it; `posted_sequence` 0 says that it is not booked yet."""

    report_id: str
    business_date: str
    batch_number: int
    content: bytes
    posted_sequence: int = 0
    refusal: str = ""


@dataclass
class FakeGateway:
    """What the gateway knows of one provider account; tests change it as they go."""

    tenant_id: str
    provider: str = "mock"
    provider_account: str = "main"
    events: list[GatewayEvent] = field(default_factory=list)
    reports: dict[str, HeldReport] = field(default_factory=dict)
    fail_next: list[DomainError] = field(default_factory=list)
    """Raised by the next calls, one each."""
    hold_exports: asyncio.Event = field(default_factory=asyncio.Event)
    """Exports of events wait until it is set."""
    exporting: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once an export of events has begun."""

    def __post_init__(self) -> None:
        self.hold_exports.set()

    def happen(self, object_id: str, fact: str, *movements: EventMovement) -> None:
        """Record an event."""
        sequence = len(self.events) + 1
        self.events.append(
            GatewayEvent(
                event_sequence=sequence,
                object_kind=ObjectKind.OBJECT_KIND_DEPOSIT,
                object_id=object_id,
                fact=fact,
                provider=self.provider,
                provider_account=self.provider_account,
                movements=movements,
                effective_time=_timestamp(datetime(2026, 3, 2, 12, tzinfo=UTC)),
                create_time=_timestamp(datetime(2026, 3, 2, 12, tzinfo=UTC)),
            )
        )

    def hold(self, report: HeldReport) -> None:
        """Have a report."""
        self.reports[report.report_id] = report

    def book(self, report_id: str, posted_sequence: int) -> None:
        """Have booked a report."""
        self.reports[report_id] = replace(self.reports[report_id], posted_sequence=posted_sequence)

    def called(self, tenant_id: str, provider: str = "", account: str = "") -> None:
        """Refuse a call if it must be."""
        if self.fail_next:
            raise self.fail_next.pop(0)
        if tenant_id != self.tenant_id:
            raise DomainError("TENANT_NOT_FOUND", Category.NOT_FOUND, f"no tenant {tenant_id}")
        if (provider, account) not in {("", ""), (self.provider, self.provider_account)}:
            raise DomainError(
                "PROVIDER_ACCOUNT_NOT_FOUND", Category.NOT_FOUND, f"no {provider}/{account}"
            )


def _timestamp(moment: datetime) -> Timestamp:
    return Timestamp(seconds=int(moment.timestamp()))


def _message(report: HeldReport) -> settlement_pb.SettlementReport:
    lines = report.content.count(b"\n")
    state = _STATES.SETTLEMENT_REPORT_STATE_BOOKING
    if report.refusal:
        state = _STATES.SETTLEMENT_REPORT_STATE_REFUSED
    elif report.posted_sequence:
        state = _STATES.SETTLEMENT_REPORT_STATE_BOOKED
    return settlement_pb.SettlementReport(
        report_id=report.report_id,
        provider="mock",
        provider_account="main",
        business_date=report.business_date,
        report_format="mock",
        sha256=hashlib.sha256(report.content).digest(),
        size_bytes=len(report.content),
        batch_number=report.batch_number,
        state=state,
        posted_sequence=report.posted_sequence,
        line_count=lines,
        processed_line_count=lines if report.posted_sequence else 0,
        refusal_message=report.refusal,
    )


class _Events(EventServiceServicer):
    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway

    async def GetCut(
        self, request: events_pb.GetCutRequest, _context: Context
    ) -> events_pb.GetCutResponse:
        self._gateway.called(request.tenant_id)
        return events_pb.GetCutResponse(cut=EventCut(event_sequence=len(self._gateway.events)))

    async def ExportEvents(
        self, request: events_pb.ExportEventsRequest, _context: Context
    ) -> AsyncIterator[events_pb.ExportEventsResponse]:
        self._gateway.called(request.tenant_id, request.provider, request.provider_account)
        chosen = self._gateway.events[request.after_sequence : request.through_sequence]
        if chosen:
            self._gateway.exporting.set()
            await self._gateway.hold_exports.wait()
        for start in range(0, len(chosen), _PAGE):
            yield events_pb.ExportEventsResponse(events=chosen[start : start + _PAGE])
        yield events_pb.ExportEventsResponse(
            summary=events_pb.ExportSummary(
                events_scanned=len(chosen),
                events_sent=len(chosen),
                cut=EventCut(event_sequence=request.through_sequence),
            )
        )


class _Settlement(SettlementServiceServicer):
    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway

    async def FetchSettlementReport(
        self, request: settlement_pb.FetchSettlementReportRequest, _context: Context
    ) -> settlement_pb.FetchSettlementReportResponse:
        self._gateway.called(
            request.tenant_id,
            request.provider,
            request.provider_account,
        )
        found = [
            report
            for report in self._gateway.reports.values()
            if report.business_date == request.business_date
        ]
        if not found:
            raise DomainError(
                "SETTLEMENT_REPORT_NOT_AVAILABLE", Category.STATE, "there is no report yet"
            )
        return settlement_pb.FetchSettlementReportResponse(reports=map(_message, found))

    async def ListSettlementReports(
        self, request: settlement_pb.ListSettlementReportsRequest, _context: Context
    ) -> settlement_pb.ListSettlementReportsResponse:
        self._gateway.called(request.tenant_id)
        return settlement_pb.ListSettlementReportsResponse(
            reports=[
                _message(report)
                for report in self._gateway.reports.values()
                if request.from_business_date
                <= report.business_date
                <= request.through_business_date
            ]
        )

    async def StreamSettlementReport(
        self, request: settlement_pb.StreamSettlementReportRequest, _context: Context
    ) -> AsyncIterator[settlement_pb.StreamSettlementReportResponse]:
        self._gateway.called(request.tenant_id)
        report = self._gateway.reports[request.report_id]
        yield settlement_pb.StreamSettlementReportResponse(report=_message(report))
        for start in range(0, len(report.content), 100):
            yield settlement_pb.StreamSettlementReportResponse(
                chunk=report.content[start : start + 100]
            )


@asynccontextmanager
async def running_gateway(gateway: FakeGateway) -> AsyncIterator[str]:
    """Serve the gateway, with the platform's own errors and checks; yield its target."""
    server = RunningServer(
        Service(
            name="psp_gateway",
            servicers=[
                Servicer(
                    "vezne.psp_gateway.v1.EventService",
                    add_EventServiceServicer_to_server,
                    _Events(gateway),
                ),
                Servicer(
                    "vezne.psp_gateway.v1.SettlementService",
                    add_SettlementServiceServicer_to_server,
                    _Settlement(gateway),
                ),
            ],
        ),
        GrpcServerSettings(drain_grace_s=0.1),
    )
    await server.start()
    yield f"127.0.0.1:{server.port}"
    await server.stop()
