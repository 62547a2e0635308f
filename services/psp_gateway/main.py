"""The gateway server's composition root: the only place that builds what it serves."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from services.platform import database, logs
from services.platform.health import PortTakenError
from services.platform.server import Service, Servicer, exit_sentence, serve
from services.platform.settings import SettingsError, exit_with, load
from services.psp_gateway.api.deposit_service import DepositService
from services.psp_gateway.application.disputes import Disputes
from services.psp_gateway.settings import PspGatewaySettings
from services.psp_gateway.wiring import Gateway, open_gateway
from vezne.psp_gateway.v1 import deposit_service_pb2_grpc


def build(settings: PspGatewaySettings) -> Callable[[AsyncExitStack], Awaitable[Service]]:
    """Return what builds the gateway on a stack that closes what it opened."""

    async def built(stack: AsyncExitStack) -> Service:
        return serve_gateway(await open_gateway(settings, stack, "vezne-psp-gateway"))

    return built


def serve_gateway(gateway: Gateway) -> Service:
    """Return what the server serves of a gateway."""
    return Service(
        name="psp_gateway",
        servicers=[
            Servicer(
                "vezne.psp_gateway.v1.DepositService",
                deposit_service_pb2_grpc.add_DepositServiceServicer_to_server,
                DepositService(gateway.deposits, gateway.refunds, Disputes(gateway.reader)),
            ),
        ],
        pings={"database": lambda: database.ping(gateway.engine)},
        drains=[gateway.background.drain],
    )


def main() -> None:
    """Run the gateway: the command `vezne-psp-gateway`."""
    try:
        settings = load(PspGatewaySettings)
    except SettingsError as error:
        exit_with(error)
    logs.configure(settings.log, "psp_gateway")
    try:
        asyncio.run(serve(build(settings), settings.grpc))
    except SettingsError as error:
        exit_with(error)
    except (
        PortTakenError,
        database.DatabaseUnfitError,
        database.DatabaseUnavailableError,
    ) as error:
        exit_sentence(f"vezne-psp-gateway: {error}")
