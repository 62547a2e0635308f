"""The end of a day: the provider closes it, its report is booked, and a run reconciles it."""

import asyncio

from temporalio.client import Client

from services.local.demo.day import WAIT_S, Advance, Day, until
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

DAYS_LATER = 5
"""Three business days after any day have passed by then: the longest that a run waits."""

_WORKFLOW = "RequestReconciliation"
_TASK_QUEUE = "reconciliation"


async def close_day(day: Day, _advance: Advance) -> None:
    """Wait until every webhook has been taken, then end the provider's day."""
    await until(
        "the delivery of every webhook", day.mock.open_deliveries, lambda pending: not pending
    )
    day.business_date = await day.mock.close_day()


async def let_days_pass(day: Day, advance: Advance) -> None:
    """Let days go by on which nothing happens; each has its report, which is booked."""
    for _ in range(DAYS_LATER):
        day.business_date = await day.mock.close_day()
        await book_report(day, advance)
        advance()


async def book_report(day: Day, _advance: Advance) -> None:
    """Fetch the settlement report of the closed day, and wait until each line is booked."""
    settlement = SettlementServiceStub(day.gateway)
    request = FetchSettlementReportRequest(
        tenant_id=day.tenant,
        request_id=f"demo:report:{day.business_date}",
        provider=PROVIDER,
        provider_account=PROVIDER_ACCOUNT,
        business_date=str(day.business_date),
    )
    await until(
        f"the booking of the settlement report of {day.business_date}",
        lambda: settlement.FetchSettlementReport(request),
        _is_booked,
    )


def _is_booked(found: FetchSettlementReportResponse) -> bool:
    for report in found.reports:
        if report.state == SETTLEMENT_REPORT_STATE_REFUSED:
            raise StackError(f"the gateway refused the report: {report.refusal_message}")
    return bool(found.reports) and all(
        report.state == SETTLEMENT_REPORT_STATE_BOOKED for report in found.reports
    )


async def reconcile(day: Day, _advance: Advance) -> None:
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
    try:
        async with asyncio.timeout(WAIT_S):
            async for response in watched:
                day.run = response.run
    except TimeoutError as error:
        raise StackError(
            f"the run did not end within {WAIT_S:g} s; last seen:\n{day.run}"
        ) from error
