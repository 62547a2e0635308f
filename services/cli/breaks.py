"""`vezne breaks`: the differences that runs found."""

from typing import Annotated

import typer

from services.cli import options
from services.cli.clients import RECONCILIATION, ask_pages
from services.cli.failures import wrong_use
from services.cli.groups import noun
from services.cli.output import Column, Output, print_list, values_of, word
from services.kernel.money import format_amount
from vezne.reconciliation.v1.break_pb2 import (
    Break,
    BreakClass,
    BreakLifecycle,
    Comparison,
    Severity,
)
from vezne.reconciliation.v1.break_service_pb2 import ListBreaksRequest
from vezne.reconciliation.v1.break_service_pb2_grpc import BreakServiceStub

app = noun()


def _amount(minor_units: int, one: Break) -> str:
    return format_amount(minor_units, one.currency_code)


COLUMNS = (
    Column[Break]("severity", lambda one: word(Severity, one.severity)),
    Column[Break]("class", lambda one: word(BreakClass, one.break_class)),
    Column[Break]("key", lambda one: f"{one.key} {one.kind}".strip()),
    Column[Break](
        "difference",
        lambda one: f"{_amount(one.difference_minor, one)} {one.currency_code}",
        number=True,
    ),
    Column[Break]("outside", lambda one: _amount(one.outside_minor, one), number=True, extra=True),
    Column[Break]("ledger", lambda one: _amount(one.ledger_minor, one), number=True, extra=True),
    Column[Break]("compared", lambda one: word(Comparison, one.comparison), extra=True),
    Column[Break]("since", lambda one: one.first_seen_date, extra=True),
    Column[Break]("break from", lambda one: one.break_on_date, extra=True),
    Column[Break]("lifecycle", lambda one: word(BreakLifecycle, one.lifecycle), extra=True),
)
"""How breaks are shown wherever they are."""


@app.command("list")
def list_(
    tenant: options.Tenant,
    run_id: Annotated[str, typer.Option("--run", help="That this run found.")] = "",
    date: Annotated[
        str, typer.Option("--date", help="That the runs of this date found, YYYY-MM-DD.")
    ] = "",
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Such as AMOUNT_OVER; may be repeated.")
    ] = None,
    severities: Annotated[
        list[str] | None, typer.Option("--severity", help="P1 to P4, WARNING, PENDING; repeatable.")
    ] = None,
    key: Annotated[str, typer.Option(help="With this key.")] = "",
    limit: options.Limit = options.DEFAULT_LIMIT,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """List breaks and what is pending, the worst first.

    Of the last published run of each provider account, unless a run or a date is named.
    """
    if run_id and date:
        raise wrong_use("--run and --date cannot both be given")
    request = ListBreaksRequest(
        tenant_id=tenant,
        break_classes=values_of(BreakClass, classes, "--class"),
        severities=values_of(Severity, severities, "--severity"),
        key=key,
    )
    if run_id:
        request.run_id = run_id
    elif date:
        request.business_date = options.business_date(date)
    found = ask_pages(
        RECONCILIATION,
        lambda channel: BreakServiceStub(channel).ListBreaks,
        request,
        lambda page: page.breaks,
        limit,
    )
    print_list(output, found, COLUMNS, none="nothing is open")
