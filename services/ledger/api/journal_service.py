"""JournalService: reads the recorded history."""

from collections.abc import AsyncIterator
from typing import cast

from services.kernel.invariant import present
from services.ledger.api import building, parsing
from services.ledger.application.journal import AsOf, Journal
from services.ledger.domain.history import ExportFilter, NamedBy, StatementLine, TransactionName
from services.platform.paging import Page
from services.platform.rpc import Context
from vezne.ledger.v1 import journal_service_pb2 as pb
from vezne.ledger.v1.account_pb2 import AccountKind
from vezne.ledger.v1.journal_service_pb2_grpc import JournalServiceServicer


class JournalService(JournalServiceServicer):
    """Serves JournalService."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def GetTransaction(
        self, request: pb.GetTransactionRequest, _context: Context
    ) -> pb.GetTransactionResponse:
        by = present(
            request.WhichOneof("transaction"),
            "the contract's rules let no request through without a name",
        )
        name = TransactionName(NamedBy(by), getattr(request, by))
        found = await self._journal.transaction(request.tenant_id, name)
        return pb.GetTransactionResponse(transaction=building.transaction(found))

    async def ListEntries(
        self, request: pb.ListEntriesRequest, _context: Context
    ) -> pb.ListEntriesResponse:
        after, through = _after(request), _through(request)
        page = Page.of(request)
        position = None
        if page.after is not None:
            # The statement's end is fixed by its first page, so that all pages are of one cut.
            end, *begin = page.numbers(3)
            through, position = AsOf(sequence=end), (begin[0], begin[1])
        statement = await self._journal.statement(
            request.tenant_id,
            request.account_id,
            after,
            through,
            position,
            page.size,
        )
        last = statement.lines[-1] if statement.lines else None
        return pb.ListEntriesResponse(
            opening=building.balances(statement.opening),
            entries=[_line(line) for line in statement.lines],
            closing=building.balances(statement.closing),
            cut=building.cut(statement.cut),
            next_page_token=(
                page.token_after(
                    f"{statement.cut.sequence}.{last.sequence}.{last.entry.entry_number}"
                )
                if statement.more and last
                else ""
            ),
        )

    async def GetTrialBalance(
        self, request: pb.GetTrialBalanceRequest, _context: Context
    ) -> pb.GetTrialBalanceResponse:
        found = await self._journal.trial_balance(
            request.tenant_id,
            AsOf(sequence=request.as_of_sequence if request.HasField("as_of_sequence") else None),
            request.prefix,
            request.group_depth,
        )
        return pb.GetTrialBalanceResponse(
            cut=building.cut(found.cut),
            lines=[
                pb.TrialBalanceLine(
                    currency_code=line.currency_code,
                    kind=cast("AccountKind.ValueType", line.kind),
                    prefix=line.prefix,
                    account_count=line.account_count,
                    debit_minor=line.debit,
                    credit_minor=line.credit,
                )
                for line in found.lines
            ],
            totals=[
                pb.TrialBalanceTotal(currency_code=code, debit_minor=debit, credit_minor=credit)
                for code, (debit, credit) in found.totals.items()
            ],
        )

    async def GetCut(self, request: pb.GetCutRequest, _context: Context) -> pb.GetCutResponse:
        as_of = AsOf()
        if request.HasField("as_of_time"):
            as_of = AsOf(micros=parsing.micros("as_of_time", request.as_of_time))
        return pb.GetCutResponse(
            cut=building.cut(await self._journal.cut(request.tenant_id, as_of))
        )

    async def ExportEntries(
        self, request: pb.ExportEntriesRequest, _context: Context
    ) -> AsyncIterator[pb.ExportEntriesResponse]:
        if request.prefix and request.account_ids:
            raise parsing.wrong("account_ids", "cannot be given together with prefix")
        if request.after_sequence > request.through_sequence:
            raise parsing.wrong("through_sequence", "must be at least after_sequence")
        for index, kind in enumerate(request.kinds):
            parsing.check_kind(f"kinds[{index}]", kind)
        chosen = ExportFilter(request.prefix, tuple(request.account_ids), tuple(request.kinds))
        transactions = entries = 0
        async for step in self._journal.export(
            request.tenant_id, request.after_sequence, request.through_sequence, chosen
        ):
            transactions += len(step.transactions)
            entries += sum(len(found.entries) for found in step.transactions)
            for parcel in building.parcels(map(building.transaction, step.transactions)):
                yield pb.ExportEntriesResponse(transactions=parcel)
            if step.cut is not None:
                yield pb.ExportEntriesResponse(
                    summary=pb.ExportSummary(
                        transactions_scanned=step.scanned,
                        transactions_sent=transactions,
                        entries_sent=entries,
                        cut=building.cut(step.cut),
                    )
                )


def _after(request: pb.ListEntriesRequest) -> AsOf:
    if request.HasField("after_sequence"):
        return AsOf(sequence=request.after_sequence)
    if request.HasField("after_time"):
        return AsOf(micros=parsing.micros("after_time", request.after_time))
    return AsOf(sequence=0)


def _through(request: pb.ListEntriesRequest) -> AsOf:
    if request.HasField("through_sequence"):
        return AsOf(sequence=request.through_sequence)
    if request.HasField("through_time"):
        return AsOf(micros=parsing.micros("through_time", request.through_time))
    return AsOf()


def _line(found: StatementLine) -> pb.StatementEntry:
    return pb.StatementEntry(
        entry=building.entry(found.entry),
        transaction_id=found.transaction_id,
        sequence=found.sequence,
        kind=found.kind,
        effective_time=parsing.timestamp(found.effective_micros),
        create_time=parsing.timestamp(found.create_micros),
        description=found.description,
    )
