"""`vezne withdrawals`: money that players take out."""

from typing import Annotated

import typer

from services.cli import ids, options
from services.cli.clients import PSP_GATEWAY, ask, ask_pages, ask_until
from services.cli.failures import ExitCode
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
from services.cli.progress import waiting
from services.kernel.money import format_amount, parse_amount
from services.local.provider_accounts import PROVIDER, PROVIDER_ACCOUNT
from vezne.psp_gateway.v1.withdrawal_pb2 import (
    WITHDRAWAL_STATE_CANCELLED,
    WITHDRAWAL_STATE_EXPIRED,
    WITHDRAWAL_STATE_FAILED,
    WITHDRAWAL_STATE_PAID,
    WITHDRAWAL_STATE_REJECTED,
    WITHDRAWAL_STATE_RETURNED,
    AttemptOutcome,
    Withdrawal,
    WithdrawalState,
    WithdrawalWait,
)
from vezne.psp_gateway.v1.withdrawal_service_pb2 import (
    CreateWithdrawalRequest,
    GetWithdrawalRequest,
    GetWithdrawalResponse,
    ListWithdrawalsRequest,
)
from vezne.psp_gateway.v1.withdrawal_service_pb2_grpc import WithdrawalServiceStub

app = noun()

_HINT = "list them: vezne withdrawals"
_ENDED = frozenset(
    {
        WITHDRAWAL_STATE_PAID,
        WITHDRAWAL_STATE_REJECTED,
        WITHDRAWAL_STATE_CANCELLED,
        WITHDRAWAL_STATE_EXPIRED,
        WITHDRAWAL_STATE_FAILED,
        WITHDRAWAL_STATE_RETURNED,
    }
)

Which = Annotated[str, typer.Argument(metavar="WITHDRAWAL", help="Its id, or its request id.")]

_COLUMNS = (
    Column[Withdrawal]("withdrawal", lambda one: one.withdrawal_id),
    Column[Withdrawal]("player", lambda one: one.player_id, extra=True),
    Column[Withdrawal]("amount", lambda one: money(one.amount), number=True),
    Column[Withdrawal]("state", lambda one: word(WithdrawalState, one.state)),
    Column[Withdrawal]("waits for", lambda one: word(WithdrawalWait, one.waiting_for), extra=True),
    Column[Withdrawal](
        "provider", lambda one: f"{one.provider}/{one.provider_account}", extra=True
    ),
    Column[Withdrawal]("created (UTC)", lambda one: moment(one.create_time), extra=True),
)


def _in_its_currency(minor_units: int, one: Withdrawal) -> str:
    if not minor_units:
        return ""
    code = one.amount.currency_code
    return f"{format_amount(minor_units, code)} {code}"


def _attempts(one: Withdrawal) -> str:
    return "\n".join(
        f"{attempt.attempt_number}: {attempt.provider}/{attempt.provider_account}"
        f" {word(AttemptOutcome, attempt.outcome)} {attempt.provider_object_id}"
        f" {attempt.failure_code} {attempt.failure_message}".strip()
        for attempt in one.attempts
    )


_DETAILS = (
    *_COLUMNS,
    Column[Withdrawal]("fee", lambda one: _in_its_currency(one.player_fee_minor, one)),
    Column[Withdrawal]("returned", lambda one: _in_its_currency(one.returned_minor, one)),
    Column[Withdrawal]("refused by the ledger", lambda one: one.ledger_reason),
    Column[Withdrawal]("attempts", _attempts),
    Column[Withdrawal]("requested by", lambda one: one.requested_by),
    Column[Withdrawal]("destination", lambda one: one.destination_token),
    Column[Withdrawal]("workflow", lambda one: one.workflow_id),
    Column[Withdrawal]("request id", lambda one: one.request_id),
    Column[Withdrawal]("postings pending", lambda one: str(one.postings_pending or "")),
    Column[Withdrawal]("changed (UTC)", lambda one: moment(one.update_time)),
)


@app.command("create")
def create(
    tenant: options.Tenant,
    player: options.Player,
    amount: options.Amount,
    currency: options.Currency,
    destination: Annotated[
        str, typer.Option(help="The provider's token of the player's bank account or card.")
    ],
    fee: Annotated[str, typer.Option(help="What the player pays for it, in major units.")] = "0",
    provider: options.Provider = PROVIDER,
    provider_account: options.ProviderAccount = PROVIDER_ACCOUNT,
    requested_by: options.RequestedBy = "",
    request_id: options.RequestId = "",
    output: options.OutputFormat = Output.TABLE,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended; exit by it.")] = False,
) -> None:
    """Pay a player's money out: a durable workflow from the request to its end.

    With --wait it exits with 1 if the player was not paid. Ctrl-C stops the waiting, never the
    withdrawal.
    """
    request = CreateWithdrawalRequest(
        tenant_id=tenant,
        player_id=player,
        amount=options.money(amount, currency),
        player_fee_minor=parse_amount(fee, currency.upper()),
        provider=provider,
        provider_account=provider_account,
        destination_token=destination,
        requested_by=requested_by or options.this_user(),
    )
    request.request_id = options.request_id(request_id)
    response = ask(
        PSP_GATEWAY, lambda channel: WithdrawalServiceStub(channel).CreateWithdrawal, request
    )
    if response.replayed:
        note("this request id was answered before; this is the withdrawal as it is now")
    if wait:
        _watch(tenant, response.withdrawal.withdrawal_id, output)
    else:
        print_one(output, response.withdrawal, _DETAILS)


@app.command("watch")
def watch(
    which: Which, tenant: options.Tenant, output: options.OutputFormat = Output.TABLE
) -> None:
    """Follow a withdrawal until it has ended; exit with 1 if the player was not paid."""
    _watch(tenant, _found(tenant, which).withdrawal_id, output)


def _watch(tenant: str, withdrawal_id: str, output: Output) -> None:
    """Follow a withdrawal, say each state and what it waits for, and print it as it ended."""
    last = Withdrawal()
    said: list[str] = []
    note(f"the withdrawal {withdrawal_id}")
    with waiting("waiting until it has ended; Ctrl-C stops the waiting only") as say:

        def is_over(response: GetWithdrawalResponse) -> bool:
            nonlocal last
            last = response.withdrawal
            stands = _how_it_stands(last)
            if said[-1:] != [stands]:
                said.append(stands)
                say(stands)
            return last.state in _ENDED and not last.postings_pending

        ask_until(
            PSP_GATEWAY,
            lambda channel: WithdrawalServiceStub(channel).GetWithdrawal,
            GetWithdrawalRequest(tenant_id=tenant, withdrawal_id=withdrawal_id),
            is_over,
        )
    print_one(output, last, _DETAILS)
    if last.state != WITHDRAWAL_STATE_PAID:
        raise typer.Exit(ExitCode.REFUSED)


_WHAT_TO_DO = {
    "APPROVALS": "people approve it (docs/operate/withdrawals.md)",
    "FUNDING": "our balance at the provider is too low; pay money in there, and it goes on",
}
"""What people do about what a withdrawal waits for, where it is they who must."""


def _how_it_stands(one: Withdrawal) -> str:
    wait = word(WithdrawalWait, one.waiting_for)
    if not wait and one.state in _ENDED and one.postings_pending:
        wait = "the ledger"
    if wait in _WHAT_TO_DO:
        wait = f"{wait}: {_WHAT_TO_DO[wait]}"
    return f"{word(WithdrawalState, one.state)}{f', waits for {wait}' if wait else ''}"


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
    """List withdrawals, the newest first."""
    request = ListWithdrawalsRequest(
        tenant_id=tenant,
        player_id=player,
        provider=provider,
        provider_account=provider_account,
        states=values_of(WithdrawalState, states, "--state"),
    )
    found = ask_pages(
        PSP_GATEWAY,
        lambda channel: WithdrawalServiceStub(channel).ListWithdrawals,
        request,
        lambda page: page.withdrawals,
        limit,
    )
    print_list(output, found, _COLUMNS)


@app.command("show")
def show(which: Which, tenant: options.Tenant, output: options.OutputFormat = Output.TABLE) -> None:
    """Show one withdrawal with its attempts."""
    print_one(output, _found(tenant, which), _DETAILS)


def _found(tenant: str, which: str) -> Withdrawal:
    request = GetWithdrawalRequest(tenant_id=tenant)
    is_id = ids.is_uuid(which)
    if is_id:
        request.withdrawal_id = which
    else:
        request.request_id = which
    with ids.sought(which, "withdrawal", _HINT, is_id=is_id):
        response = ask(
            PSP_GATEWAY, lambda channel: WithdrawalServiceStub(channel).GetWithdrawal, request
        )
    return response.withdrawal
