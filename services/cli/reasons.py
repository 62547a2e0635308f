"""`vezne errors`: what a reason means, and what to do about it."""

import json
from difflib import get_close_matches
from importlib.resources import files
from typing import Annotated

import typer

from services.cli import options
from services.cli.failures import ExitCode, Failure
from services.cli.groups import single
from services.cli.output import Column, Output, print_fields, print_json, print_table

app = single()

_Row = tuple[str, str, str]
_COLUMNS = (
    Column[_Row]("reason", lambda row: row[0]),
    Column[_Row]("service", lambda row: row[1]),
    Column[_Row]("meaning", lambda row: row[2], prose=True),
)


@app.command()
def errors(
    reason: Annotated[
        str, typer.Argument(metavar="[REASON]", help="Such as INSUFFICIENT_AVAILABLE; none: all.")
    ] = "",
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Explain a reason for which a service refuses, or list all."""
    known = json.loads(files("services.cli").joinpath("reasons.json").read_text("utf-8"))
    if not reason:
        _list(known, output)
        return
    wanted = reason.upper().replace("-", "_")
    found = {service: reasons[wanted] for service, reasons in known.items() if wanted in reasons}
    if not found:
        every = {name for reasons in known.values() for name in reasons}
        near = get_close_matches(wanted, sorted(every), 3, 0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "vezne errors lists all"
        raise Failure(f"no service knows the reason {wanted}", ExitCode.WRONG_USE, hint)
    if output is Output.JSON:
        print_json({wanted: found})
        return
    for service, explained in found.items():
        print_fields(
            [
                ("reason", wanted),
                ("service", service),
                ("meaning", explained["meaning"]),
                ("gRPC code", explained["code"]),
                ("what to do", explained["advice"]),
            ]
        )
        typer.echo()


def _list(known: dict[str, dict[str, dict[str, str]]], output: Output) -> None:
    if output is Output.JSON:
        print_json(known)
        return
    rows = [
        (reason, service, explained["meaning"])
        for service, reasons in known.items()
        for reason, explained in reasons.items()
    ]
    print_table(_COLUMNS, sorted(rows))
