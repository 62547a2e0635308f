"""`vezne statement`: an account statement."""

from typing import Annotated

import typer

from services.cli import options
from services.cli.clients import LEDGER, talk
from services.cli.groups import single
from services.cli.output import (
    Column,
    Output,
    as_json,
    moment,
    note,
    print_json,
    print_table,
)
from services.kernel.money import format_amount
from vezne.ledger.v1.account_pb2 import Balances
from vezne.ledger.v1.entry_pb2 import DIRECTION_DEBIT
from vezne.ledger.v1.journal_service_pb2 import (
    ListEntriesRequest,
    ListEntriesResponse,
    StatementEntry,
)
from vezne.ledger.v1.journal_service_pb2_grpc import JournalServiceStub

app = single()


def _amount(line: StatementEntry, *, debit: bool) -> str:
    if (line.entry.direction == DIRECTION_DEBIT) is not debit:
        return ""
    return format_amount(line.entry.amount_minor, line.entry.currency_code)


_COLUMNS = (
    Column[StatementEntry]("sequence", lambda line: str(line.sequence), number=True),
    Column[StatementEntry]("happened (UTC)", lambda line: moment(line.effective_time), extra=True),
    Column[StatementEntry]("kind", lambda line: line.kind, extra=True),
    Column[StatementEntry]("debit", lambda line: _amount(line, debit=True), number=True),
    Column[StatementEntry]("credit", lambda line: _amount(line, debit=False), number=True),
    Column[StatementEntry](
        "balance",
        lambda line: format_amount(line.entry.posted_minor, line.entry.currency_code),
        number=True,
    ),
    Column[StatementEntry]("description", lambda line: line.description, extra=True, prose=True),
)


@app.command()
def statement(
    account_id: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The path.")],
    tenant: options.Tenant,
    after: Annotated[str, typer.Option(help="Recorded after this moment, UTC.")] = "",
    through: Annotated[str, typer.Option(help="Recorded at or before this moment, UTC.")] = "",
    limit: options.Limit = options.DEFAULT_LIMIT,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Show an account's opening balance, its entries with running balances, and its closing one."""
    request = ListEntriesRequest(tenant_id=tenant, account_id=account_id, page_size=limit)
    if after:
        request.after_time.CopyFrom(options.timestamp(after, "--after"))
    if through:
        request.through_time.CopyFrom(options.timestamp(through, "--through"))
    found = talk(LEDGER, lambda channel: _read(JournalServiceStub(channel), request, limit))
    if output is Output.JSON:
        print_json(as_json(found))
        return
    typer.echo(f"{account_id} ({found.opening.currency_code})")
    typer.echo(f"opening  {_posted(found.opening)}")
    print_table(_COLUMNS, found.entries)
    typer.echo(f"closing  {_posted(found.closing)}")
    if found.next_page_token:
        note(f"only the first {limit} entries are shown; ask for more with --limit")


async def _read(
    journal: JournalServiceStub, request: ListEntriesRequest, limit: int
) -> ListEntriesResponse:
    """Return the statement with the entries of all its pages, up to a limit."""
    whole = await journal.ListEntries(request)
    while whole.next_page_token and len(whole.entries) < limit:
        request.page_token = whole.next_page_token
        page = await journal.ListEntries(request)
        whole.entries.extend(page.entries)
        whole.next_page_token = page.next_page_token
    return whole


def _posted(balances: Balances) -> str:
    return format_amount(balances.posted_minor, balances.currency_code)
