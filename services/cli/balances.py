"""`vezne balances`: balances of accounts, all at one point of the history."""

from typing import Annotated

import typer

from services.cli import options
from services.cli.clients import LEDGER, ask, ask_pages
from services.cli.groups import single
from services.cli.output import Column, Output, moment, note, print_list
from services.kernel.money import format_amount
from vezne.ledger.v1.account_pb2 import Balances
from vezne.ledger.v1.account_service_pb2 import (
    GetBalancesRequest,
    ListAccountsRequest,
)
from vezne.ledger.v1.account_service_pb2_grpc import AccountServiceStub

app = single()

_ACCOUNTS_MAX = 1_000


def _amount(minor_units: int, balances: Balances) -> str:
    return format_amount(minor_units, balances.currency_code)


COLUMNS = (
    Column[Balances]("account", lambda found: found.account_id),
    Column[Balances]("currency", lambda found: found.currency_code, extra=True),
    Column[Balances]("posted", lambda found: _amount(found.posted_minor, found), number=True),
    Column[Balances]("available", lambda found: _amount(found.available_minor, found), number=True),
    Column[Balances](
        "pending in", lambda found: _amount(found.pending_in_minor, found), number=True, extra=True
    ),
    Column[Balances](
        "pending out",
        lambda found: _amount(found.pending_out_minor, found),
        number=True,
        extra=True,
    ),
    Column[Balances]("entries", lambda found: str(found.version), number=True, extra=True),
)
"""How balances are shown wherever they are."""


@app.command()
def balances(
    tenant: options.Tenant,
    account_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ACCOUNT]...", help="The paths; none: all.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="All whose path starts so.")] = "",
    at_sequence: Annotated[
        int | None, typer.Option(min=0, help="After the transaction with this sequence.")
    ] = None,
    at_time: Annotated[str, typer.Option(help="As recorded at this moment, UTC.")] = "",
    *,
    nonzero: Annotated[bool, typer.Option("--nonzero", help="Only those that are not 0.")] = False,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Show balances: of the accounts named, of those whose path starts so, or of all."""
    wanted = account_ids or _paths(tenant, prefix)
    if not wanted:
        print_list(output, [], COLUMNS, none="there are no such accounts")
        return
    request = GetBalancesRequest(tenant_id=tenant, account_ids=wanted)
    if at_sequence is not None:
        request.as_of_sequence = at_sequence
    if at_time:
        request.as_of_time.CopyFrom(options.timestamp(at_time, "--at-time"))
    response = ask(LEDGER, lambda channel: AccountServiceStub(channel).GetBalances, request)
    found = [one for one in response.balances if not nonzero or one.posted_minor]
    print_list(output, found, COLUMNS)
    if output is Output.TABLE:
        recorded = moment(response.cut.create_time)
        note(f"after transaction {response.cut.sequence}{f', {recorded} UTC' if recorded else ''}")


def _paths(tenant: str, prefix: str) -> list[str]:
    accounts = ask_pages(
        LEDGER,
        lambda channel: AccountServiceStub(channel).ListAccounts,
        ListAccountsRequest(tenant_id=tenant, prefix=prefix),
        lambda page: page.accounts,
        _ACCOUNTS_MAX,
    )
    if len(accounts) == _ACCOUNTS_MAX:
        note(f"only the first {_ACCOUNTS_MAX} accounts are shown; narrow them with --prefix")
    return [account.account_id for account in accounts]
