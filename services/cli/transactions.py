"""`vezne transactions`: post a ledger transaction, and show one."""

from collections.abc import Sequence
from typing import Annotated

import typer

from services.cli import ids, options
from services.cli.balances import COLUMNS as BALANCES
from services.cli.clients import LEDGER, ask
from services.cli.failures import wrong_use
from services.cli.groups import noun
from services.cli.output import (
    Column,
    Output,
    as_json,
    moment,
    note,
    print_fields,
    print_json,
    print_table,
    word,
)
from services.kernel.money import format_amount
from vezne.ledger.v1.entry_pb2 import DIRECTION_CREDIT, DIRECTION_DEBIT, Direction, Entry
from vezne.ledger.v1.journal_service_pb2 import GetTransactionRequest
from vezne.ledger.v1.journal_service_pb2_grpc import JournalServiceStub
from vezne.ledger.v1.posting_service_pb2 import PostTransactionRequest
from vezne.ledger.v1.posting_service_pb2_grpc import PostingServiceStub
from vezne.ledger.v1.transaction_pb2 import NewEntry, NewTransaction, Transaction, TransactionState

app = noun()

_HINT = "an account's, by sequence: vezne statement ACCOUNT"

_SEQUENCE_LENGTH_MAX = 18

_LEG = "ACCOUNT=AMOUNT, or ACCOUNT=AMOUNT:CURRENCY; may be repeated."

_ENTRIES = (
    Column[Entry]("account", lambda entry: entry.account_id),
    Column[Entry]("", lambda entry: word(Direction, entry.direction)),
    Column[Entry](
        "amount", lambda entry: format_amount(entry.amount_minor, entry.currency_code), number=True
    ),
    Column[Entry]("currency", lambda entry: entry.currency_code),
    Column[Entry](
        "balance after",
        lambda entry: format_amount(entry.posted_minor, entry.currency_code),
        number=True,
        extra=True,
    ),
)


@app.command("post")
def post(
    tenant: options.Tenant,
    kind: Annotated[str, typer.Option(help="What posting it is, such as house.correction.")],
    debits: Annotated[list[str], typer.Option("--debit", help=_LEG)],
    credits_: Annotated[list[str], typer.Option("--credit", help=_LEG)],
    currency: options.Currency = "",
    description: Annotated[str, typer.Option(help="A sentence for people.")] = "",
    effective_time: Annotated[
        str,
        typer.Option("--effective-time", "--date", help="When it happened, UTC. [default: now]"),
    ] = "",
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", help="KEY=VALUE; may be repeated.")
    ] = None,
    external_id: Annotated[str, typer.Option(help="Your own number of it.")] = "",
    request_id: options.RequestId = "",
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Post a transaction: its debits and credits are equal in every currency."""
    transaction = NewTransaction(
        kind=kind,
        entries=[
            *_legs(debits, DIRECTION_DEBIT, currency, "--debit"),
            *_legs(credits_, DIRECTION_CREDIT, currency, "--credit"),
        ],
        description=description,
        metadata=options.key_values(metadata, "--metadata"),
        external_id=external_id,
    )
    if effective_time:
        transaction.effective_time.CopyFrom(options.timestamp(effective_time, "--effective-time"))
    response = ask(
        LEDGER,
        lambda channel: PostingServiceStub(channel).PostTransaction,
        PostTransactionRequest(
            tenant_id=tenant, request_id=options.request_id(request_id), transaction=transaction
        ),
    )
    if output is Output.JSON:
        print_json(as_json(response))
        return
    posted = response.posted
    print_fields(
        [
            ("transaction", posted.transaction_id),
            ("sequence", str(posted.sequence)),
            ("recorded (UTC)", moment(posted.create_time)),
        ]
    )
    print_table(BALANCES, posted.balances)
    if response.replayed:
        note("this request id was answered before; nothing was posted now")


def _legs(
    legs: Sequence[str], direction: Direction.ValueType, currency: str, option: str
) -> list[NewEntry]:
    entries = []
    for leg in legs:
        account_id, _, written = leg.rpartition("=")
        amount, _, own_currency = written.partition(":")
        if not account_id or not (own_currency or currency):
            raise wrong_use(
                f"{leg!r} is no leg for {option}",
                "write ACCOUNT=AMOUNT with --currency, or ACCOUNT=AMOUNT:CURRENCY",
            )
        entries.append(
            NewEntry(
                account_id=account_id,
                direction=direction,
                amount=options.money(amount, own_currency or currency),
            )
        )
    return entries


@app.command("show")
def show(
    which: Annotated[
        str,
        typer.Argument(metavar="TRANSACTION", help="An id, a sequence, or a request id."),
    ],
    tenant: options.Tenant,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Show a transaction."""
    request = GetTransactionRequest(tenant_id=tenant)
    is_id = ids.is_uuid(which)
    # A number with more digits is no 64-bit integer.
    if which.isdecimal() and len(which) <= _SEQUENCE_LENGTH_MAX:
        request.sequence = int(which)
    elif is_id:
        request.transaction_id = which
    else:
        request.request_id = which
    with ids.sought(which, "transaction", _HINT, is_id=bool(request.sequence or is_id)):
        response = ask(LEDGER, lambda channel: JournalServiceStub(channel).GetTransaction, request)
    _print(response.transaction, output)


@app.command(
    "list",
    hidden=True,
    context_settings=options.ANY_ARGUMENTS,
)
def list_() -> None:
    """Say that the ledger cannot list transactions in this release."""
    raise wrong_use(
        "transactions cannot be listed in this release",
        "an account's: vezne statement ACCOUNT; one: vezne transactions show ID",
    )


def _print(transaction: Transaction, output: Output) -> None:
    if output is Output.JSON:
        print_json(as_json(transaction))
        return
    print_fields(
        [
            ("transaction", transaction.transaction_id),
            ("sequence", str(transaction.sequence)),
            ("kind", transaction.kind),
            ("state", word(TransactionState, transaction.state)),
            ("request id", transaction.request_id),
            ("external id", transaction.external_id),
            ("happened (UTC)", moment(transaction.effective_time)),
            ("recorded (UTC)", moment(transaction.create_time)),
            ("description", transaction.description),
            *((f"  {key}", transaction.metadata[key]) for key in sorted(transaction.metadata)),
            ("hash", transaction.hash.hex()),
        ]
    )
    print_table(_ENTRIES, transaction.entries)
