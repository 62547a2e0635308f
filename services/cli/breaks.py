"""`vezne breaks`: the differences that runs found."""

import re
from typing import Annotated

import typer

from services.cli import ids, options
from services.cli.clients import RECONCILIATION, ask_pages
from services.cli.failures import ExitCode, Failure, wrong_use
from services.cli.groups import noun
from services.cli.output import (
    Column,
    Output,
    as_json,
    print_json,
    print_list,
    print_one,
    values_of,
    word,
)
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

_ID = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)


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
    Column[Break]("break", lambda one: one.break_id, extra=True),
)
"""How breaks are shown wherever they are."""
_DETAILS = (
    *COLUMNS,
    Column[Break]("provider", lambda one: f"{one.provider}/{one.provider_account}"),
    Column[Break]("found by the run", lambda one: f"{one.run_id} of {one.business_date}"),
    Column[Break]("rows", lambda one: "\n".join(one.evidence_row_ids)),
    Column[Break]("more rows", lambda one: str(one.row_count - len(one.evidence_row_ids) or "")),
)


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
        request.run_id = ids.checked(run_id, "run", "list them: vezne runs")
    elif date:
        request.business_date = options.business_date(date)
    print_list(output, _listed(request, limit), COLUMNS, none="nothing is open")


@app.command("show")
def show(
    which: Annotated[
        str, typer.Argument(metavar="BREAK", help="Its id, or the key that its rows have.")
    ],
    tenant: options.Tenant,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Show a break of the last published runs with its rows; a key may have several."""
    request = ListBreaksRequest(tenant_id=tenant)
    if _ID.fullmatch(which):
        request.break_id = which.lower()
    else:
        request.key = which
    found = _listed(request, options.DEFAULT_LIMIT)
    if not found:
        raise Failure(
            f"no open break has the id or the key {which}; an id is 32 digits from 0 to f",
            ExitCode.REFUSED,
            "list them: vezne breaks; those of an earlier date: vezne breaks --date DATE",
        )
    if output is Output.JSON:
        print_json([as_json(one) for one in found])
        return
    for number, one in enumerate(found):
        if number:
            typer.echo()
        print_one(output, one, _DETAILS)


def _listed(request: ListBreaksRequest, limit: int) -> list[Break]:
    return ask_pages(
        RECONCILIATION,
        lambda channel: BreakServiceStub(channel).ListBreaks,
        request,
        lambda page: page.breaks,
        limit,
    )
