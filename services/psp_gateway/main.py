"""The gateway server's composition root: the only place that builds what it serves."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from services.kernel.clock import utc_now
from services.platform import database, temporal
from services.platform.process import run
from services.platform.server import Service, Servicer, serve
from services.psp_gateway.adapters.temporal.workflows import TemporalWorkflows
from services.psp_gateway.api.deposit_service import DepositService
from services.psp_gateway.api.event_service import EventService
from services.psp_gateway.api.operations_service import OperationsService
from services.psp_gateway.api.settlement_service import SettlementService
from services.psp_gateway.api.withdrawal_service import WithdrawalService
from services.psp_gateway.application.inbox import Inbox
from services.psp_gateway.settings import PspGatewaySettings
from services.psp_gateway.webhooks.door import Door
from services.psp_gateway.webhooks.server import WebhookServer
from services.psp_gateway.wiring import Gateway, new_id, open_gateway
from vezne.psp_gateway.v1 import (
    deposit_service_pb2_grpc,
    event_service_pb2_grpc,
    operations_service_pb2_grpc,
    settlement_service_pb2_grpc,
    withdrawal_service_pb2_grpc,
)


def build(settings: PspGatewaySettings) -> Callable[[AsyncExitStack], Awaitable[Service]]:
    """Return what builds the gateway on a stack that closes what it opened."""

    async def built(stack: AsyncExitStack) -> Service:
        # Lazy: deposits go on without Temporal, and the janitor starts what could not be started.
        workflows = TemporalWorkflows(await temporal.connect(lazy=True))
        gateway = await open_gateway(settings, stack, "vezne-psp-gateway", workflows=workflows)
        return (await serve_gateway(gateway, settings, stack)).service

    return built


@dataclass(frozen=True, slots=True)
class Served:
    """What the server serves: gRPC, and the door for webhooks, which listens already."""

    service: Service
    webhooks: WebhookServer


async def serve_gateway(
    gateway: Gateway, settings: PspGatewaySettings, stack: AsyncExitStack
) -> Served:
    """Open the door for webhooks, and return what is served of a gateway.

    Raises:
        PortTakenError: the webhooks' port is in use.
    """
    inbox = Inbox(
        gateway.inbox_store,
        gateway.applier,
        gateway.sealer,
        gateway.clock,
        new_id,
        settings.webhooks.queue_max,
    )
    inbox.start()
    stack.push_async_callback(inbox.drain)
    door = Door(gateway.connections, inbox, utc_now, settings.webhooks.body_timeout_s)
    webhooks = WebhookServer(door.application(), settings.webhooks)
    await webhooks.start()
    stack.push_async_callback(webhooks.stop)
    service = Service(
        name="psp_gateway",
        servicers=[
            Servicer(
                "vezne.psp_gateway.v1.DepositService",
                deposit_service_pb2_grpc.add_DepositServiceServicer_to_server,
                DepositService(gateway.deposits, gateway.refunds, gateway.disputes),
            ),
            Servicer(
                "vezne.psp_gateway.v1.WithdrawalService",
                withdrawal_service_pb2_grpc.add_WithdrawalServiceServicer_to_server,
                WithdrawalService(gateway.withdrawals),
            ),
            Servicer(
                "vezne.psp_gateway.v1.SettlementService",
                settlement_service_pb2_grpc.add_SettlementServiceServicer_to_server,
                SettlementService(gateway.settlement),
            ),
            Servicer(
                "vezne.psp_gateway.v1.OperationsService",
                operations_service_pb2_grpc.add_OperationsServiceServicer_to_server,
                OperationsService(gateway.exceptions, gateway.inbox_store, gateway.clock),
            ),
            Servicer(
                "vezne.psp_gateway.v1.EventService",
                event_service_pb2_grpc.add_EventServiceServicer_to_server,
                EventService(gateway.history),
            ),
        ],
        pings={"database": lambda: database.ping(gateway.engine)},
        # First the doors close, then what came through them ends.
        drains=[webhooks.stop, inbox.drain, gateway.background.drain],
    )
    return Served(service, webhooks)


def main() -> None:
    """Run the gateway: the command `vezne-psp-gateway`."""
    run(
        "vezne-psp-gateway",
        PspGatewaySettings,
        lambda settings: serve(build(settings), settings.grpc),
    )
