"""`vezne disputes`: deposits that players' banks question or take back."""

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
    print_list,
    print_one,
    values_of,
    word,
)
from vezne.psp_gateway.v1.deposit_service_pb2 import GetDisputeRequest, ListDisputesRequest
from vezne.psp_gateway.v1.deposit_service_pb2_grpc import DepositServiceStub
from vezne.psp_gateway.v1.dispute_pb2 import Dispute, DisputeState

app = noun()

_HINT = "list them: vezne disputes"


def _rounds(one: Dispute) -> str:
    return "\n".join(
        f"{each.round_number}: {word(DisputeState, each.state)} {money(each.withdrawn_amount)}"
        for each in one.rounds
    )


_COLUMNS = (
    Column[Dispute]("dispute", lambda one: one.dispute_id),
    Column[Dispute]("player", lambda one: one.player_id, extra=True),
    Column[Dispute]("amount", lambda one: money(one.amount), number=True),
    Column[Dispute]("state", lambda one: word(DisputeState, one.state)),
    Column[Dispute]("evidence due (UTC)", lambda one: moment(one.evidence_due_time), extra=True),
    Column[Dispute]("deposit", lambda one: one.deposit_id, extra=True),
)
_DETAILS = (
    *_COLUMNS,
    Column[Dispute]("rounds", _rounds),
    Column[Dispute]("why", lambda one: one.reason_code),
    Column[Dispute]("provider", lambda one: f"{one.provider}/{one.provider_account}"),
    Column[Dispute]("at the provider", lambda one: one.provider_object_id),
    Column[Dispute]("created (UTC)", lambda one: moment(one.create_time)),
    Column[Dispute]("changed (UTC)", lambda one: moment(one.update_time)),
)


@app.command("list")
def list_(
    tenant: options.Tenant,
    player: options.Player = "",
    states: options.States = None,
    limit: options.Limit = options.DEFAULT_LIMIT,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """List disputes, the newest first."""
    request = ListDisputesRequest(
        tenant_id=tenant,
        player_id=player,
        states=values_of(DisputeState, states, "--state"),
    )
    found = ask_pages(
        PSP_GATEWAY,
        lambda channel: DepositServiceStub(channel).ListDisputes,
        request,
        lambda page: page.disputes,
        limit,
    )
    print_list(output, found, _COLUMNS)


@app.command("show")
def show(
    dispute_id: Annotated[str, typer.Argument(metavar="DISPUTE", help="Its id.")],
    tenant: options.Tenant,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Show one dispute with its rounds."""
    wanted = ids.checked(dispute_id, "dispute", _HINT)
    with ids.sought(dispute_id, "dispute", _HINT):
        response = ask(
            PSP_GATEWAY,
            lambda channel: DepositServiceStub(channel).GetDispute,
            GetDisputeRequest(tenant_id=tenant, dispute_id=wanted),
        )
    print_one(output, response.dispute, _DETAILS)
