"""PostingService: transactions in, outcomes out."""

from services.ledger.api import building, parsing
from services.ledger.application.lanes import Lanes
from services.ledger.domain.commands import BATCH_ENTRIES_MAX, BATCH_TRANSACTIONS_MAX
from services.ledger.domain.decisions import Decision, Posted, Refused
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
        [decision] = await self._lanes.of(request.tenant_id).post([post])
        if isinstance(decision, Refused):
            raise LedgerError(decision.reason, decision.message, **decision.metadata)
        return pb.PostTransactionResponse(posted=_posted(decision), replayed=decision.replayed)

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
        decisions = await self._lanes.of(request.tenant_id).post(posts)
        return pb.BatchPostTransactionsResponse(
            results=[_result(decision) for decision in decisions]
        )


def _result(decision: Decision) -> pb.BatchResult:
    if isinstance(decision, Posted):
        return pb.BatchResult(posted=_posted(decision), replayed=decision.replayed)
    return pb.BatchResult(
        refusal=pb.Refusal(
            reason=LedgerReason.Value(f"LEDGER_REASON_{decision.reason}"),
            message=decision.message,
            metadata=decision.metadata,
            code=code_number(RULES[decision.reason].category),
        ),
        replayed=decision.replayed,
    )


def _posted(decision: Posted) -> pb.PostedTransaction:
    return pb.PostedTransaction(
        transaction_id=decision.transaction_id,
        sequence=decision.sequence,
        create_time=parsing.timestamp(decision.create_micros),
        balances=[building.balances(balance) for balance in decision.balances],
    )
