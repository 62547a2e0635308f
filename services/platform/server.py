"""The one way to serve: listen, report health, drain on SIGTERM, close."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection

from services.platform.health import Health, Ping
from services.platform.listening import bind, serve_metrics
from services.platform.rpc import RpcInterceptor, RpcPolicy
from services.platform.settings import GrpcServerSettings

log = structlog.get_logger("vezne.server")


@dataclass(frozen=True, slots=True)
class Servicer:
    """One gRPC service: its full name, the generated function that adds it, and the servicer."""

    name: str
    add: Callable[[Any, grpc.aio.Server], None]
    implementation: Any


@dataclass(frozen=True, slots=True)
class Service:
    """What a composition root built.

    Args:
        name: such as `ledger`; the ErrorInfo domain is `{name}.vezne`.
        servicers: what is served.
        pings: the dependencies, by name, that readiness follows.
        drains: called at shutdown after the last RPC has ended, in order.
        own_shape: see RpcPolicy.
    """

    name: str
    servicers: Sequence[Servicer]
    pings: Mapping[str, Ping] = field(default_factory=dict)
    drains: Sequence[Callable[[], Awaitable[None]]] = ()
    own_shape: Collection[str] = ()


class RunningServer:
    """A server that listens; its ports are the real ones, `metrics_port` None where none is set."""

    def __init__(self, service: Service, settings: GrpcServerSettings) -> None:
        self._service = service
        self._settings = settings
        self._names = [servicer.name for servicer in service.servicers]
        self._health = Health(service.pings, self._names)
        self._server = grpc.aio.server(
            interceptors=[
                RpcInterceptor(
                    RpcPolicy(
                        domain=f"{service.name}.vezne",
                        default_deadline_s=settings.default_deadline_s,
                        max_deadline_s=settings.max_deadline_s,
                        own_shape=service.own_shape,
                    )
                )
            ],
            options=_options(settings),
            maximum_concurrent_rpcs=settings.concurrent_rpcs_max,
        )
        self.port = 0
        self.health_port = 0
        self.metrics_port: int | None = None

    async def start(self) -> None:
        """Listen, and follow the dependencies.

        Raises:
            PortTakenError: a port is in use.
        """
        for servicer in self._service.servicers:
            servicer.add(servicer.implementation, self._server)
        self._health.add_to(self._server)
        if self._settings.reflection:
            health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
            reflection.enable_server_reflection(
                [*self._names, health, reflection.SERVICE_NAME], self._server
            )
        host, prefix = self._settings.host, f"VEZNE_{self._service.name.upper()}_GRPC__"
        self.port = bind(self._server, host, self._settings.port, f"{prefix}PORT")
        self.health_port = self._health.bind(
            host, self._settings.health_port, f"{prefix}HEALTH_PORT"
        )
        if self._settings.metrics_port is not None:
            self.metrics_port = serve_metrics(
                host, self._settings.metrics_port, f"{prefix}METRICS_PORT"
            )
        await self._server.start()
        await self._health.start()
        log.info(
            "serving",
            port=self.port,
            health_port=self.health_port,
            metrics_port=self.metrics_port,
            services=self._names,
        )

    async def stop(self) -> None:
        """Refuse new RPCs, let those in progress end within the grace, then drain."""
        await self._health.begin_shutdown()
        await self._server.stop(self._settings.drain_grace_s)
        for drain in self._service.drains:
            await drain()
        await self._health.stop()
        log.info("stopped")


def _options(settings: GrpcServerSettings) -> list[tuple[str, int]]:
    return [
        # Without this a second server binds the same port silently, and takes half of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", settings.receive_bytes_max),
        ("grpc.max_send_message_length", settings.receive_bytes_max),
        ("grpc.max_connection_age_ms", int(settings.connection_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", int(settings.drain_grace_s * 1000)),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 30_000),
    ]


def _calm_collector() -> None:
    """Let Python's cycle collector look more rarely.

    A batch makes a hundred thousand objects that live until its commit and then go by themselves;
    looking through them took a quarter of the ledger's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


async def until_told_to_stop() -> None:
    """Wait for SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await stopping.wait()


async def serve(
    build: Callable[[AsyncExitStack], Awaitable[Service]], settings: GrpcServerSettings
) -> None:
    """Build the service, serve it until SIGTERM or SIGINT, and take it down in order."""
    _calm_collector()
    # Listened for from the start: a stop that comes while things are built is not lost.
    told = asyncio.create_task(until_told_to_stop())
    async with AsyncExitStack() as stack:
        server = RunningServer(await build(stack), settings)
        await server.start()
        await told
        await server.stop()
