"""`vezne refunds`: giving a deposit's money back."""

from typing import Annotated

import typer

from services.cli import ids, options
from services.cli.clients import PSP_GATEWAY, ask
from services.cli.failures import wrong_use
from services.cli.groups import noun
from services.cli.output import Column, Output, moment, money, note, print_one, word
from vezne.psp_gateway.v1.deposit_service_pb2 import CreateRefundRequest, GetRefundRequest
from vezne.psp_gateway.v1.deposit_service_pb2_grpc import DepositServiceStub
from vezne.psp_gateway.v1.refund_pb2 import Refund, RefundState

app = noun()

_DEPOSITS = "list them: vezne deposits"
# The gateway cannot list refunds in this release.
_HINT = "`vezne refunds create` says it; `vezne deposits show DEPOSIT` says what was refunded"

_DETAILS = (
    Column[Refund]("refund", lambda one: one.refund_id),
    Column[Refund]("deposit", lambda one: one.deposit_id),
    Column[Refund]("player", lambda one: one.player_id),
    Column[Refund]("amount", lambda one: money(one.amount)),
    Column[Refund]("state", lambda one: word(RefundState, one.state)),
    Column[Refund]("refused by the ledger", lambda one: one.ledger_reason),
    Column[Refund]("failure", lambda one: f"{one.failure_code} {one.failure_message}".strip()),
    Column[Refund]("requested by", lambda one: one.requested_by),
    Column[Refund]("comment", lambda one: one.comment),
    Column[Refund]("at the provider", lambda one: one.provider_object_id),
    Column[Refund]("request id", lambda one: one.request_id),
    Column[Refund]("created (UTC)", lambda one: moment(one.create_time)),
    Column[Refund]("changed (UTC)", lambda one: moment(one.update_time)),
)


@app.command("create")
def create(
    deposit_id: Annotated[str, typer.Argument(metavar="DEPOSIT", help="The deposit's id.")],
    tenant: options.Tenant,
    amount: options.Amount,
    currency: options.Currency,
    requested_by: options.RequestedBy = "",
    comment: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
    request_id: options.RequestId = "",
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Give a deposit's money back, in full or in part."""
    request = CreateRefundRequest(
        tenant_id=tenant,
        deposit_id=ids.checked(deposit_id, "deposit", _DEPOSITS),
        amount=options.money(amount, currency),
        requested_by=requested_by or options.this_user(),
        comment=comment,
    )
    request.request_id = options.request_id(request_id)
    with ids.sought(deposit_id, "deposit", _DEPOSITS):
        response = ask(
            PSP_GATEWAY, lambda channel: DepositServiceStub(channel).CreateRefund, request
        )
    print_one(output, response.refund, _DETAILS)
    if response.replayed:
        note("this request id was answered before; this is the refund as it is now")


@app.command("show")
def show(
    which: Annotated[str, typer.Argument(metavar="REFUND", help="Its id, or its request id.")],
    tenant: options.Tenant,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Show one refund."""
    request = GetRefundRequest(tenant_id=tenant)
    is_id = ids.is_uuid(which)
    if is_id:
        request.refund_id = which
    else:
        request.request_id = which
    with ids.sought(which, "refund", _HINT, is_id=is_id):
        response = ask(PSP_GATEWAY, lambda channel: DepositServiceStub(channel).GetRefund, request)
    print_one(output, response.refund, _DETAILS)


@app.command("list", hidden=True, context_settings=options.ANY_ARGUMENTS)
def list_() -> None:
    """Say that the gateway cannot list refunds in this release."""
    raise wrong_use("refunds cannot be listed in this release", "one: vezne refunds show REFUND")
