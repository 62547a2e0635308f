"""DepositService: players' money in, and back."""

from uuid import UUID

from services.platform.rpc import Context
from services.psp_gateway.api import building, parsing
from services.psp_gateway.application.deposits import CreateDeposit, Deposits
from services.psp_gateway.application.disputes import Disputes
from services.psp_gateway.application.object_records import DepositFilter, DisputeFilter
from services.psp_gateway.application.refunds import CreateRefund, Refunds
from services.psp_gateway.domain.objects import DepositState, DisputeState, SettlementState
from services.psp_gateway.domain.reasons import Reason, refusal
from vezne.psp_gateway.v1 import deposit_pb2, dispute_pb2
from vezne.psp_gateway.v1 import deposit_service_pb2 as pb
from vezne.psp_gateway.v1.deposit_service_pb2_grpc import DepositServiceServicer


class DepositService(DepositServiceServicer):
    """Serves DepositService."""

    def __init__(self, deposits: Deposits, refunds: Refunds, disputes: Disputes) -> None:
        self._deposits = deposits
        self._refunds = refunds
        self._disputes = disputes

    async def CreateDeposit(
        self, request: pb.CreateDepositRequest, _context: Context
    ) -> pb.CreateDepositResponse:
        if request.capture_mode == deposit_pb2.CAPTURE_MODE_MANUAL:
            raise refusal(
                Reason.NOT_IMPLEMENTED,
                "capture_mode MANUAL is not acted upon by this release; nothing was done",
                field="capture_mode",
            )
        record, replayed = await self._deposits.create(
            CreateDeposit(
                request=parsing.request_of(request),
                player_id=request.player_id,
                amount=parsing.money(request.amount),
                at=parsing.place(request),
                source_token=request.source_token,
                return_url=request.return_url,
                metadata=parsing.metadata(request.metadata),
            )
        )
        return pb.CreateDepositResponse(
            deposit=building.deposit(record, with_action=True), replayed=replayed
        )

    async def GetDeposit(
        self, request: pb.GetDepositRequest, _context: Context
    ) -> pb.GetDepositResponse:
        if request.HasField("deposit_id"):
            record = await self._deposits.get(request.tenant_id, request.deposit_id)
        else:
            record = await self._deposits.get_by_request(request.tenant_id, request.request_id)
        return pb.GetDepositResponse(deposit=building.deposit(record, with_action=True))

    async def ListDeposits(
        self, request: pb.ListDepositsRequest, _context: Context
    ) -> pb.ListDepositsResponse:
        page = parsing.page(request)
        chosen = DepositFilter(
            player_id=request.player_id,
            provider=request.provider,
            provider_account=request.provider_account,
            states=parsing.names(deposit_pb2.DepositState, request.states, DepositState),
            settlement_states=parsing.names(
                deposit_pb2.SettlementState, request.settlement_states, SettlementState
            ),
            reference=request.reference,
            provider_object_id=request.provider_object_id,
            created=parsing.created(request),
        )
        found = await self._deposits.list(
            request.tenant_id, chosen, page.position(UUID), page.size + 1
        )
        return pb.ListDepositsResponse(
            deposits=[building.deposit(one, with_action=False) for one in found[: page.size]],
            next_page_token=page.next_token(found, lambda one: one.deposit.deposit_id),
        )

    async def CreateRefund(
        self, request: pb.CreateRefundRequest, _context: Context
    ) -> pb.CreateRefundResponse:
        record, replayed = await self._refunds.create(
            CreateRefund(
                request=parsing.request_of(request),
                deposit_id=request.deposit_id,
                amount=parsing.money(request.amount),
                requested_by=request.requested_by,
                comment=parsing.text("comment", request.comment),
            )
        )
        return pb.CreateRefundResponse(refund=building.refund(record), replayed=replayed)

    async def GetRefund(
        self, request: pb.GetRefundRequest, _context: Context
    ) -> pb.GetRefundResponse:
        if request.HasField("refund_id"):
            record = await self._refunds.get(request.tenant_id, request.refund_id)
        else:
            record = await self._refunds.get_by_request(request.tenant_id, request.request_id)
        return pb.GetRefundResponse(refund=building.refund(record))

    async def GetDispute(
        self, request: pb.GetDisputeRequest, _context: Context
    ) -> pb.GetDisputeResponse:
        record = await self._disputes.get(request.tenant_id, request.dispute_id)
        return pb.GetDisputeResponse(dispute=building.dispute(record))

    async def ListDisputes(
        self, request: pb.ListDisputesRequest, _context: Context
    ) -> pb.ListDisputesResponse:
        page = parsing.page(request)
        chosen = DisputeFilter(
            player_id=request.player_id,
            deposit_id=request.deposit_id,
            provider=request.provider,
            provider_account=request.provider_account,
            states=parsing.names(dispute_pb2.DisputeState, request.states, DisputeState),
            provider_object_id=request.provider_object_id,
            evidence_due_before=parsing.moment(request, "before_evidence_due_time"),
            created=parsing.created(request),
        )
        found = await self._disputes.list(
            request.tenant_id, chosen, page.position(UUID), page.size + 1
        )
        return pb.ListDisputesResponse(
            disputes=[building.dispute(one) for one in found[: page.size]],
            next_page_token=page.next_token(found, lambda one: one.dispute.dispute_id),
        )
