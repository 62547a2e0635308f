"""`vezne tenants`: operators and brands, each with books of its own."""

from typing import Annotated

import grpc
import typer

from services.cli import options
from services.cli.clients import LEDGER, ask_pages, talk
from services.cli.failures import wrong_use
from services.cli.groups import noun
from services.cli.output import Column, Output, as_json, moment, note, print_json, print_list
from services.kernel.errors import DomainError
from services.kernel.money import currency
from services.local.provider_accounts import BANK_ACCOUNT
from services.local.tenants import OpenedTenant, open_tenant
from vezne.ledger.v1.tenant_service_pb2 import ListTenantsRequest, Tenant
from vezne.ledger.v1.tenant_service_pb2_grpc import TenantServiceStub

app = noun()

_COLUMNS = (
    Column[Tenant]("tenant", lambda tenant: tenant.tenant_id),
    Column[Tenant]("transactions", lambda tenant: str(tenant.sequence), number=True),
    Column[Tenant]("created (UTC)", lambda tenant: moment(tenant.create_time)),
)


@app.command("create")
def create(
    tenant_id: Annotated[str, typer.Argument(metavar="TENANT", help="a-z 0-9 -, 1 to 63.")],
    currencies: Annotated[
        list[str], typer.Option("--currency", "-c", help="Of its accounts; may be repeated.")
    ],
    bank_accounts: Annotated[
        list[str] | None,
        typer.Option("--bank-account", help="Our bank account; may be repeated. [default: main]"),
    ] = None,
    request_id: options.RequestId = "",
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Open a tenant's books, and make the house's accounts in each of its currencies."""
    codes = [currency(code.upper()).code for code in dict.fromkeys(currencies)]
    chosen_id = options.request_id(request_id)

    async def conversation(channel: grpc.aio.Channel) -> OpenedTenant:
        return await open_tenant(
            channel,
            tenant_id,
            currencies=codes,
            bank_accounts=bank_accounts or [BANK_ACCOUNT],
            request_id=chosen_id,
        )

    try:
        opened = talk(LEDGER, conversation)
    except DomainError as error:
        raise wrong_use(error.message) from error
    made = sum(not account.existed for account in opened.chart.accounts)
    if output is Output.JSON:
        print_json({"tenant": as_json(opened.tenant.tenant), "accounts": as_json(opened.chart)})
        return
    existed = " existed already" if opened.tenant.replayed else " is open"
    typer.echo(f"{tenant_id}{existed}; {made} accounts made in {', '.join(codes)}")
    note(f"its accounts: vezne accounts --tenant {tenant_id}")


@app.command("list")
def list_(
    limit: options.Limit = options.DEFAULT_LIMIT,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """List tenants by id."""
    found = ask_pages(
        LEDGER,
        lambda channel: TenantServiceStub(channel).ListTenants,
        ListTenantsRequest(),
        lambda page: page.tenants,
        limit,
    )
    print_list(output, found, _COLUMNS)
