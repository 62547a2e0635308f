"""PostingService: transactions in, outcomes out."""

from services.kernel.invariant import InvariantError
from services.ledger.api import building, parsing
from services.ledger.api.deciding import decided
from services.ledger.application.lanes import Lanes
from services.ledger.domain.commands import BATCH_ENTRIES_MAX, BATCH_TRANSACTIONS_MAX
from services.ledger.domain.decisions import Outcome, Posted, Refused
from services.ledger.domain.reasons import RULES, LedgerError, Reason
from services.platform.errors import code_number
from services.platform.rpc import Context
from vezne.ledger.v1 import posting_service_pb2 as pb
from vezne.ledger.v1.posting_service_pb2_grpc import PostingServiceServicer
from vezne.ledger.v1.reason_pb2 import LedgerReason

OWN_SHAPE = ("PostTransaction", "BatchPostTransactions")
"""The methods whose shape is checked here and in `parsing`, not by the general check."""


class PostingService(PostingServiceServicer):
    """Serves PostingService."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes

    async def PostTransaction(
        self, request: pb.PostTransactionRequest, _context: Context
    ) -> pb.PostTransactionResponse:
        parsing.check_tenant_id(request.tenant_id)
        post = parsing.post(request.request_id, request.transaction, "")
        posted = await decided(self._lanes, request.tenant_id, post, Posted)
        return pb.PostTransactionResponse(posted=_posted(posted), replayed=posted.replayed)

    async def BatchPostTransactions(
        self, request: pb.BatchPostTransactionsRequest, _context: Context
    ) -> pb.BatchPostTransactionsResponse:
        parsing.check_tenant_id(request.tenant_id)
        items = request.items
        if not 1 <= len(items) <= BATCH_TRANSACTIONS_MAX:
            raise parsing.wrong("items", f"must be 1 to {BATCH_TRANSACTIONS_MAX}")
        if sum(len(item.transaction.entries) for item in items) > BATCH_ENTRIES_MAX:
            raise LedgerError(
                Reason.REQUEST_TOO_LARGE,
                f"A batch has at most {BATCH_ENTRIES_MAX} entries",
                entries_max=str(BATCH_ENTRIES_MAX),
            )
        posts = [
            parsing.post(
                item.request_id,
                item.transaction,
                f"items[{index}].",
                atomic_group=item.atomic_group,
            )
            for index, item in enumerate(items)
        ]
        outcomes = await self._lanes.of(request.tenant_id).decide(posts)
        return pb.BatchPostTransactionsResponse(results=[_result(outcome) for outcome in outcomes])


def _result(outcome: Outcome) -> pb.BatchResult:
    if isinstance(outcome, Posted):
        return pb.BatchResult(posted=_posted(outcome), replayed=outcome.replayed)
    if not isinstance(outcome, Refused):
        raise InvariantError("what is posted in a batch is posted or refused")
    return pb.BatchResult(
        refusal=pb.Refusal(
            reason=LedgerReason.Value(f"LEDGER_REASON_{outcome.reason}"),
            message=outcome.message,
            metadata=outcome.metadata,
            code=code_number(RULES[outcome.reason].category),
        ),
        replayed=outcome.replayed,
    )


def _posted(posted: Posted) -> pb.PostedTransaction:
    return pb.PostedTransaction(
        transaction_id=posted.transaction_id,
        sequence=posted.sequence,
        create_time=parsing.timestamp(posted.create_micros),
        balances=[building.balances(balance) for balance in posted.balances],
    )
