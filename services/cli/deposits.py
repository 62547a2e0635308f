"""`vezne deposits`: money that players pay in."""

from typing import Annotated

import typer

from services.cli import ids, options
from services.cli.clients import PSP_GATEWAY, ask, ask_pages
from services.cli.groups import noun
from services.cli.output import (
    Column,
    Output,
    moment,
    money,
    note,
    print_list,
    print_one,
    values_of,
    word,
)
from services.kernel.money import format_amount
from services.local.provider_accounts import PROVIDER, PROVIDER_ACCOUNT
from vezne.psp_gateway.v1.deposit_pb2 import Deposit, DepositState, ReviewReason, SettlementState
from vezne.psp_gateway.v1.deposit_service_pb2 import (
    CreateDepositRequest,
    GetDepositRequest,
    ListDepositsRequest,
)
from vezne.psp_gateway.v1.deposit_service_pb2_grpc import DepositServiceStub

app = noun()

_HINT = "list them: vezne deposits"

_COLUMNS = (
    Column[Deposit]("deposit", lambda one: one.deposit_id),
    Column[Deposit]("player", lambda one: one.player_id, extra=True),
    Column[Deposit]("amount", lambda one: money(one.amount), number=True),
    Column[Deposit]("state", lambda one: word(DepositState, one.state)),
    Column[Deposit](
        "settlement", lambda one: word(SettlementState, one.settlement_state), extra=True
    ),
    Column[Deposit]("provider", lambda one: f"{one.provider}/{one.provider_account}", extra=True),
    Column[Deposit]("created (UTC)", lambda one: moment(one.create_time), extra=True),
)


def _refunded(one: Deposit) -> str:
    if not one.refunded_minor:
        return ""
    code = one.captured_amount.currency_code
    return f"{format_amount(one.refunded_minor, code)} {code}"


_DETAILS = (
    *_COLUMNS,
    Column[Deposit]("captured", lambda one: money(one.captured_amount)),
    Column[Deposit]("refunded", _refunded),
    Column[Deposit]("review", lambda one: word(ReviewReason, one.review_reason)),
    Column[Deposit]("failure", lambda one: f"{one.failure_code} {one.failure_message}".strip()),
    Column[Deposit]("reference", lambda one: one.reference),
    Column[Deposit]("at the provider", lambda one: one.provider_object_id),
    Column[Deposit]("expected fee", lambda one: money(one.expected_fee)),
    Column[Deposit]("request id", lambda one: one.request_id),
    Column[Deposit]("postings pending", lambda one: str(one.postings_pending or "")),
    Column[Deposit]("changed (UTC)", lambda one: moment(one.update_time)),
    Column[Deposit]("pay at", lambda one: one.next_action.redirect.url),
)


@app.command("create")
def create(
    tenant: options.Tenant,
    player: options.Player,
    amount: options.Amount,
    currency: options.Currency,
    provider: options.Provider = PROVIDER,
    provider_account: options.ProviderAccount = PROVIDER_ACCOUNT,
    source_token: Annotated[
        str, typer.Option(help="The provider's token of a stored card; none: the hosted page.")
    ] = "",
    return_url: Annotated[str, typer.Option(help="Where the page sends the player after.")] = "",
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", help="KEY=VALUE; may be repeated.")
    ] = None,
    request_id: options.RequestId = "",
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Take money from a player."""
    request = CreateDepositRequest(
        tenant_id=tenant,
        player_id=player,
        amount=options.money(amount, currency),
        provider=provider,
        provider_account=provider_account,
        source_token=source_token,
        return_url=return_url,
        metadata=options.key_values(metadata, "--metadata"),
    )
    request.request_id = options.request_id(request_id)
    response = ask(PSP_GATEWAY, lambda channel: DepositServiceStub(channel).CreateDeposit, request)
    print_one(output, response.deposit, _DETAILS)
    if response.replayed:
        note("this request id was answered before; this is the deposit as it is now")


@app.command("list")
def list_(
    tenant: options.Tenant,
    player: options.Player = "",
    states: options.States = None,
    provider: options.Provider = "",
    provider_account: options.ProviderAccount = "",
    limit: options.Limit = options.DEFAULT_LIMIT,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """List deposits, the newest first."""
    request = ListDepositsRequest(
        tenant_id=tenant,
        player_id=player,
        provider=provider,
        provider_account=provider_account,
        states=values_of(DepositState, states, "--state"),
    )
    found = ask_pages(
        PSP_GATEWAY,
        lambda channel: DepositServiceStub(channel).ListDeposits,
        request,
        lambda page: page.deposits,
        limit,
    )
    print_list(output, found, _COLUMNS)


@app.command("show")
def show(
    which: Annotated[str, typer.Argument(metavar="DEPOSIT", help="Its id, or its request id.")],
    tenant: options.Tenant,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Show one deposit, with what the player must do next."""
    request = GetDepositRequest(tenant_id=tenant)
    is_id = ids.is_uuid(which)
    if is_id:
        request.deposit_id = which
    else:
        request.request_id = which
    with ids.sought(which, "deposit", _HINT, is_id=is_id):
        response = ask(PSP_GATEWAY, lambda channel: DepositServiceStub(channel).GetDeposit, request)
    print_one(output, response.deposit, _DETAILS)
