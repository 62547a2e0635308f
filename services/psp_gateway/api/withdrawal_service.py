"""WithdrawalService: players' money out."""

from uuid import UUID

from services.platform.rpc import Context
from services.psp_gateway.api import building, parsing
from services.psp_gateway.application.withdrawal_ports import WithdrawalFilter
from services.psp_gateway.application.withdrawals import CreateWithdrawal, Withdrawals
from services.psp_gateway.domain.objects import WithdrawalState
from services.psp_gateway.domain.withdrawal_steps import WaitingFor
from vezne.psp_gateway.v1 import withdrawal_pb2
from vezne.psp_gateway.v1 import withdrawal_service_pb2 as pb
from vezne.psp_gateway.v1.withdrawal_service_pb2_grpc import WithdrawalServiceServicer


class WithdrawalService(WithdrawalServiceServicer):
    """Serves WithdrawalService."""

    def __init__(self, withdrawals: Withdrawals) -> None:
        self._withdrawals = withdrawals

    async def CreateWithdrawal(
        self, request: pb.CreateWithdrawalRequest, _context: Context
    ) -> pb.CreateWithdrawalResponse:
        record, replayed = await self._withdrawals.create(
            CreateWithdrawal(
                request=parsing.request_of(request),
                player_id=request.player_id,
                amount=parsing.money(request.amount),
                player_fee_minor=request.player_fee_minor,
                at=parsing.place(request),
                destination_token=request.destination_token,
                requested_by=request.requested_by,
                metadata=parsing.metadata(request.metadata),
            )
        )
        withdrawal = building.withdrawal(request.tenant_id, record)
        return pb.CreateWithdrawalResponse(withdrawal=withdrawal, replayed=replayed)

    async def GetWithdrawal(
        self, request: pb.GetWithdrawalRequest, _context: Context
    ) -> pb.GetWithdrawalResponse:
        tenant_id = request.tenant_id
        if request.HasField("withdrawal_id"):
            record = await self._withdrawals.get(tenant_id, request.withdrawal_id)
        else:
            record = await self._withdrawals.get_by_request(tenant_id, request.request_id)
        return pb.GetWithdrawalResponse(withdrawal=building.withdrawal(tenant_id, record))

    async def ListWithdrawals(
        self, request: pb.ListWithdrawalsRequest, _context: Context
    ) -> pb.ListWithdrawalsResponse:
        page = parsing.page(request)
        chosen = WithdrawalFilter(
            player_id=request.player_id,
            provider=request.provider,
            provider_account=request.provider_account,
            states=parsing.names(withdrawal_pb2.WithdrawalState, request.states, WithdrawalState),
            waiting_for=parsing.names(
                withdrawal_pb2.WithdrawalWait, request.waiting_for, WaitingFor
            ),
            requested_by=request.requested_by,
            reference=request.reference,
            provider_object_id=request.provider_object_id,
            created=parsing.created(request),
        )
        found = await self._withdrawals.list(
            request.tenant_id, chosen, page.position(UUID), page.size + 1
        )
        return pb.ListWithdrawalsResponse(
            withdrawals=[building.withdrawal(request.tenant_id, one) for one in found[: page.size]],
            next_page_token=page.next_token(found, lambda one: one.withdrawal.withdrawal_id),
        )
