"""`vezne accounts`: the accounts of a tenant's books."""

from typing import Annotated

import typer

from services.cli import options
from services.cli.clients import LEDGER, ask, ask_pages
from services.cli.groups import noun
from services.cli.output import (
    Column,
    Output,
    moment,
    print_list,
    print_one,
    value_of,
    word,
)
from services.kernel.money import format_amount, parse_amount
from vezne.ledger.v1.account_pb2 import Account, AccountKind, AccountState, FrozenSide
from vezne.ledger.v1.account_service_pb2 import (
    CreateAccountsRequest,
    CreatedAccount,
    GetAccountRequest,
    ListAccountsRequest,
)
from vezne.ledger.v1.account_service_pb2_grpc import AccountServiceStub

app = noun()

Path = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="The path, such as asset/bank/main/eur.")
]
Kind = Annotated[str, typer.Option("--kind", help="ASSET, LIABILITY, EQUITY, INCOME or EXPENSE.")]


def _state(account: Account) -> str:
    frozen = word(FrozenSide, account.frozen_side)
    return f"{word(AccountState, account.state)}{f' ({frozen})' if frozen else ''}"


def _least(account: Account) -> str:
    if not account.HasField("min_available_minor"):
        return ""
    return format_amount(account.min_available_minor, account.currency_code)


_COLUMNS = (
    Column[Account]("account", lambda account: account.account_id),
    Column[Account]("currency", lambda account: account.currency_code),
    Column[Account]("kind", lambda account: word(AccountKind, account.kind)),
    Column[Account]("state", _state),
    Column[Account]("least available", _least, number=True, extra=True),
    Column[Account]("labels", lambda account: " ".join(account.labels), extra=True),
)
_DETAILS = (
    *_COLUMNS,
    Column[Account](
        "metadata", lambda one: "\n".join(f"{key}={one.metadata[key]}" for key in one.metadata)
    ),
    Column[Account]("created (UTC)", lambda account: moment(account.create_time)),
    Column[Account]("changed (UTC)", lambda account: moment(account.update_time)),
)
_CREATED = (
    Column[CreatedAccount]("account", lambda account: account.account_id),
    Column[CreatedAccount]("", lambda account: "existed" if account.existed else "made"),
)


@app.command("list")
def list_(
    tenant: options.Tenant,
    prefix: Annotated[str, typer.Option(help="Only paths that start so.")] = "",
    kind: Kind = "",
    state: Annotated[str, typer.Option(help="ACTIVE, FROZEN or CLOSED.")] = "",
    label: Annotated[str, typer.Option(help="Only with this label.")] = "",
    currency: options.Currency = "",
    limit: options.Limit = options.DEFAULT_LIMIT,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """List accounts by path."""
    request = ListAccountsRequest(
        tenant_id=tenant,
        prefix=prefix,
        kind=value_of(AccountKind, kind, "--kind"),
        state=value_of(AccountState, state, "--state"),
        label=label,
        currency_code=currency.upper(),
    )
    found = ask_pages(
        LEDGER,
        lambda channel: AccountServiceStub(channel).ListAccounts,
        request,
        lambda page: page.accounts,
        limit,
    )
    print_list(output, found, _COLUMNS)


@app.command("show")
def show(
    account_id: Path,
    tenant: options.Tenant,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Show one account."""
    response = ask(
        LEDGER,
        lambda channel: AccountServiceStub(channel).GetAccount,
        GetAccountRequest(tenant_id=tenant, account_id=account_id),
    )
    print_one(output, response.account, _DETAILS)


@app.command("create")
def create(
    account_id: Path,
    tenant: options.Tenant,
    currency: options.Currency,
    kind: Kind,
    min_available: Annotated[
        str, typer.Option(help="The least that a posting may leave, such as 0. [default: no limit]")
    ] = "",
    request_id: options.RequestId = "",
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Open an account; one that exists with the same currency and kind is left as it is."""
    code = currency.upper()
    account = Account(
        account_id=account_id,
        currency_code=code,
        kind=value_of(AccountKind, kind, "--kind"),
        min_available_minor=parse_amount(min_available, code) if min_available else None,
    )
    response = ask(
        LEDGER,
        lambda channel: AccountServiceStub(channel).CreateAccounts,
        CreateAccountsRequest(
            tenant_id=tenant, request_id=options.request_id(request_id), accounts=[account]
        ),
    )
    print_list(output, response.accounts, _CREATED)
