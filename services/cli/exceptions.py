"""`vezne exceptions`: what only a person can decide."""

from typing import Annotated

import typer

from services.cli import options
from services.cli.clients import PSP_GATEWAY, ask_pages
from services.cli.groups import noun
from services.cli.output import Column, Output, money, print_list, values_of, word
from vezne.psp_gateway.v1.operations_service_pb2 import (
    DecisionKind,
    ExceptionKind,
    ExceptionRecord,
    ExceptionState,
    ListExceptionsRequest,
)
from vezne.psp_gateway.v1.operations_service_pb2_grpc import OperationsServiceStub

app = noun()

_SECONDS_AN_HOUR = 3600

_COLUMNS = (
    Column[ExceptionRecord]("what", lambda one: word(ExceptionKind, one.kind)),
    Column[ExceptionRecord]("object", lambda one: one.object_id),
    Column[ExceptionRecord]("amount", lambda one: money(one.amount), number=True, extra=True),
    Column[ExceptionRecord](
        "decision", lambda one: word(DecisionKind, one.decision_kind), extra=True
    ),
    Column[ExceptionRecord]("owner", lambda one: one.owner, extra=True),
    Column[ExceptionRecord](
        "age (h)", lambda one: str(one.age_s // _SECONDS_AN_HOUR), number=True, extra=True
    ),
    Column[ExceptionRecord]("state", lambda one: word(ExceptionState, one.state), extra=True),
    Column[ExceptionRecord]("what happened", lambda one: one.message, prose=True, extra=True),
)


@app.command("list")
def list_(
    tenant: options.Tenant,
    owner: Annotated[str, typer.Option(help="Who must decide.")] = "",
    states: options.States = None,
    limit: options.Limit = options.DEFAULT_LIMIT,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """List exceptions, the oldest first; those that wait for a decision, unless told otherwise."""
    request = ListExceptionsRequest(
        tenant_id=tenant,
        owner=owner,
        states=values_of(ExceptionState, states or ["OPEN"], "--state"),
    )
    found = ask_pages(
        PSP_GATEWAY,
        lambda channel: OperationsServiceStub(channel).ListExceptions,
        request,
        lambda page: page.exceptions,
        limit,
    )
    print_list(output, found, _COLUMNS)
