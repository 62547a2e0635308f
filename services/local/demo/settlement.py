"""The end of the day: the provider closes it, its report is booked, and a run reconciles it."""

from collections.abc import Callable

from temporalio.client import Client

from services.local.demo.day import Day, until
from services.local.demo.deposits import note_seeds
from services.local.errors import StackError
from services.local.ports import address
from services.local.provider_accounts import PROVIDER, PROVIDER_ACCOUNT
from vezne.psp_gateway.v1.settlement_service_pb2 import (
    SETTLEMENT_REPORT_STATE_BOOKED,
    SETTLEMENT_REPORT_STATE_REFUSED,
    FetchSettlementReportRequest,
    FetchSettlementReportResponse,
)
from vezne.psp_gateway.v1.settlement_service_pb2_grpc import SettlementServiceStub
from vezne.reconciliation.v1.run_service_pb2 import WatchRunRequest
from vezne.reconciliation.v1.run_service_pb2_grpc import RunServiceStub

_WORKFLOW = "RequestReconciliation"
_TASK_QUEUE = "reconciliation"


async def close_day(day: Day, _advance: Callable[[], None]) -> None:
    """Wait until every webhook has been taken, then end the provider's day."""
    await until(
        "the delivery of every webhook", day.mock.open_deliveries, lambda pending: not pending
    )
    day.business_date = await day.mock.close_day()


async def fetch_report(day: Day, _advance: Callable[[], None]) -> None:
    """Fetch the day's settlement report, and wait until each of its lines is booked."""
    await note_seeds(day)
    settlement = SettlementServiceStub(day.gateway)
    request = FetchSettlementReportRequest(
        tenant_id=day.tenant,
        request_id="demo:report",
        provider=PROVIDER,
        provider_account=PROVIDER_ACCOUNT,
        business_date=str(day.business_date),
    )

    def is_done(found: FetchSettlementReportResponse) -> bool:
        for report in found.reports:
            if report.state == SETTLEMENT_REPORT_STATE_REFUSED:
                raise StackError(f"the gateway refused the report: {report.refusal_message}")
        return bool(found.reports) and all(
            report.state == SETTLEMENT_REPORT_STATE_BOOKED for report in found.reports
        )

    await until(
        "the booking of the settlement report",
        lambda: settlement.FetchSettlementReport(request),
        is_done,
    )


async def reconcile(day: Day, _advance: Callable[[], None]) -> None:
    """Start a run as a person does in Temporal's Web UI, and follow it to its end."""
    client = await Client.connect(address(day.ports.temporal))
    answer = await client.execute_workflow(
        _WORKFLOW,
        {
            "tenant_id": day.tenant,
            "provider": PROVIDER,
            "provider_account": PROVIDER_ACCOUNT,
            "business_date": str(day.business_date),
            "requested_by": "demo",
        },
        id=f"demo-{day.business_date}",
        task_queue=_TASK_QUEUE,
    )
    watched = RunServiceStub(day.reconciliation).WatchRun(
        WatchRunRequest(tenant_id=day.tenant, run_id=answer["run_id"])
    )
    async for response in watched:
        day.run = response.run
