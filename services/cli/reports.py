"""`vezne reports`: what providers say they settled."""

from typing import Annotated

import typer

from services.cli import options
from services.cli.clients import PSP_GATEWAY, ask, ask_pages
from services.cli.groups import noun
from services.cli.output import Column, Output, print_list, values_of, word
from services.local.provider_accounts import PROVIDER, PROVIDER_ACCOUNT
from vezne.psp_gateway.v1.settlement_service_pb2 import (
    FetchSettlementReportRequest,
    ListSettlementReportsRequest,
    SettlementReport,
    SettlementReportState,
)
from vezne.psp_gateway.v1.settlement_service_pb2_grpc import SettlementServiceStub

app = noun()

_COLUMNS = (
    Column[SettlementReport]("report", lambda one: one.report_id),
    Column[SettlementReport]("date", lambda one: one.business_date),
    Column[SettlementReport]("state", lambda one: word(SettlementReportState, one.state)),
    Column[SettlementReport](
        "lines", lambda one: f"{one.processed_line_count}/{one.line_count}", number=True, extra=True
    ),
    Column[SettlementReport](
        "exceptions", lambda one: str(one.exception_count), number=True, extra=True
    ),
    Column[SettlementReport]("batch", lambda one: str(one.batch_number), number=True, extra=True),
    Column[SettlementReport](
        "provider", lambda one: f"{one.provider}/{one.provider_account}", extra=True
    ),
    Column[SettlementReport](
        "refused for", lambda one: one.refusal_message, extra=True, prose=True
    ),
)


@app.command("fetch")
def fetch(
    tenant: options.Tenant,
    date: Annotated[str, typer.Option("--date", help="The business date, YYYY-MM-DD.")],
    provider: options.Provider = PROVIDER,
    provider_account: options.ProviderAccount = PROVIDER_ACCOUNT,
    request_id: options.RequestId = "",
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Fetch the reports of a business date from the provider, and begin to book them."""
    request = FetchSettlementReportRequest(
        tenant_id=tenant,
        provider=provider,
        provider_account=provider_account,
        business_date=options.business_date(date),
    )
    request.request_id = options.request_id(request_id)
    response = ask(
        PSP_GATEWAY, lambda channel: SettlementServiceStub(channel).FetchSettlementReport, request
    )
    nothing = "the provider says that there is nothing for this date"
    print_list(output, response.reports, _COLUMNS, none=nothing)


@app.command("list")
def list_(
    tenant: options.Tenant,
    provider: options.Provider = "",
    provider_account: options.ProviderAccount = "",
    states: options.States = None,
    limit: options.Limit = options.DEFAULT_LIMIT,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """List settlement reports, the latest first."""
    request = ListSettlementReportsRequest(
        tenant_id=tenant,
        provider=provider,
        provider_account=provider_account,
        states=values_of(SettlementReportState, states, "--state"),
    )
    found = ask_pages(
        PSP_GATEWAY,
        lambda channel: SettlementServiceStub(channel).ListSettlementReports,
        request,
        lambda page: page.reports,
        limit,
    )
    print_list(output, found, _COLUMNS)
