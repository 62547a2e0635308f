"""`vezne trial-balance`: debits and credits of all accounts."""

from typing import Annotated

import typer

from services.cli import options
from services.cli.clients import LEDGER, ask
from services.cli.groups import single
from services.cli.output import Column, Output, as_json, print_json, print_table, word
from services.kernel.money import format_amount
from vezne.ledger.v1.account_pb2 import AccountKind
from vezne.ledger.v1.journal_service_pb2 import (
    GetTrialBalanceRequest,
    GetTrialBalanceResponse,
    TrialBalanceLine,
    TrialBalanceTotal,
)
from vezne.ledger.v1.journal_service_pb2_grpc import JournalServiceStub

app = single()

_COLUMNS = (
    Column[TrialBalanceLine]("currency", lambda line: line.currency_code),
    Column[TrialBalanceLine]("kind", lambda line: word(AccountKind, line.kind)),
    Column[TrialBalanceLine]("prefix", lambda line: line.prefix),
    Column[TrialBalanceLine]("accounts", lambda line: str(line.account_count), number=True),
    Column[TrialBalanceLine](
        "debit", lambda line: format_amount(line.debit_minor, line.currency_code), number=True
    ),
    Column[TrialBalanceLine](
        "credit", lambda line: format_amount(line.credit_minor, line.currency_code), number=True
    ),
)
TOTALS = (
    Column[TrialBalanceTotal]("currency", lambda total: total.currency_code),
    Column[TrialBalanceTotal](
        "debits", lambda total: format_amount(total.debit_minor, total.currency_code), number=True
    ),
    Column[TrialBalanceTotal](
        "credits", lambda total: format_amount(total.credit_minor, total.currency_code), number=True
    ),
    Column[TrialBalanceTotal](
        "difference",
        lambda total: format_amount(total.debit_minor - total.credit_minor, total.currency_code),
        number=True,
    ),
)
"""How the totals are shown, a row a currency."""


@app.command()
def trial_balance(
    tenant: options.Tenant,
    prefix: Annotated[str, typer.Option(help="Only paths that start so.")] = "",
    depth: Annotated[int, typer.Option(min=0, max=8, help="Sum by so many path segments.")] = 1,
    at_sequence: Annotated[
        int | None, typer.Option(min=0, help="After the transaction with this sequence.")
    ] = None,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Sum the balances of all accounts: debits equal credits in every currency."""
    response: GetTrialBalanceResponse = ask(
        LEDGER,
        lambda channel: JournalServiceStub(channel).GetTrialBalance,
        GetTrialBalanceRequest(
            tenant_id=tenant, prefix=prefix, group_depth=depth, as_of_sequence=at_sequence
        ),
    )
    if output is Output.JSON:
        print_json(as_json(response))
        return
    print_table(_COLUMNS, response.lines)
    print_table(TOTALS, response.totals)
