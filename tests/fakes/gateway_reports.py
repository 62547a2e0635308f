"""The provider's day, closed, and its settlement reports, asked for as a caller does."""

from collections.abc import Sequence

from tests.fakes.gateway_server import ACCOUNT, PROVIDER, Stack
from vezne.psp_gateway.v1 import settlement_service_pb2 as pb
from vezne.psp_gateway.v1.settlement_service_pb2_grpc import SettlementServiceStub


async def close_day(stack: Stack) -> str:
    """Let the provider's day end; return its date."""
    response = await stack.http.post(
        f"{stack.mock.base_url}/admin/clock/close_day",
        json={},
        headers={"authorization": f"Bearer {stack.mock.admin_token}"},
    )
    response.raise_for_status()
    return str(response.json()["closed"][ACCOUNT]["date"])


async def fetch(
    stack: Stack, business_date: str, request_id: str
) -> pb.FetchSettlementReportResponse:
    """Ask for the reports of a date."""
    return await SettlementServiceStub(stack.channel).FetchSettlementReport(
        pb.FetchSettlementReportRequest(
            tenant_id=stack.tenant,
            request_id=request_id,
            provider=PROVIDER,
            provider_account=ACCOUNT,
            business_date=business_date,
        )
    )


async def reports(stack: Stack) -> Sequence[pb.SettlementReport]:
    """Return all reports, the latest first, without asking the provider."""
    request = pb.ListSettlementReportsRequest(tenant_id=stack.tenant)
    return (await SettlementServiceStub(stack.channel).ListSettlementReports(request)).reports


async def booked(stack: Stack, business_date: str) -> pb.SettlementReport:
    """Wait until the report of a date is booked."""
    found: list[pb.SettlementReport] = []

    async def done() -> bool:
        answer = await fetch(stack, business_date, f"look-{business_date}")
        found[:] = answer.reports
        return all(one.state == pb.SETTLEMENT_REPORT_STATE_BOOKED for one in found)

    await stack.until(done)
    return found[0]
