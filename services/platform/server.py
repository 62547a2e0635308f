"""The one way to serve: listen, report health, drain on SIGTERM, close."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import prometheus_client
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from services.platform.rpc import RpcInterceptor, RpcPolicy
from services.platform.settings import GrpcServerSettings

Ping = Callable[[], Awaitable[None]]
"""Raises if the dependency is not there."""

PING_INTERVAL_S = 2.0
PING_TIMEOUT_S = 2.0

log = structlog.get_logger("vezne.server")


class PortTakenError(Exception):
    """Another program listens on the port already; the message says which port."""


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
    """A server that listens; `port` and `health_port` are the real ones."""

    def __init__(self, service: Service, settings: GrpcServerSettings) -> None:
        self._service = service
        self._settings = settings
        self._health = HealthServicer()
        self._pinging: asyncio.Task[None] | None = None
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
        # Health only: an insecure port of the main server would expose every service on it.
        self._health_server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self.port = 0
        self.health_port = 0

    async def start(self) -> None:
        """Listen, and follow the dependencies.

        Raises:
            PortTakenError: a port is in use.
        """
        names = [servicer.name for servicer in self._service.servicers]
        for servicer in self._service.servicers:
            servicer.add(servicer.implementation, self._server)
        for server in (self._server, self._health_server):
            health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._settings.reflection:
            reflection.enable_server_reflection(
                [
                    *names,
                    health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
                    reflection.SERVICE_NAME,
                ],
                self._server,
            )
        self.port = self._bind(self._server, self._settings.port)
        self.health_port = self._bind(self._health_server, self._settings.health_port)
        await self._health.set("liveness", health_pb2.HealthCheckResponse.SERVING)
        await self._follow_once()
        await self._server.start()
        await self._health_server.start()
        if self._settings.metrics_port is not None:
            _serve_metrics(self._settings.host, self._settings.metrics_port)
        self._pinging = asyncio.create_task(self._follow(), name="readiness")
        log.info("serving", port=self.port, health_port=self.health_port, services=names)

    async def stop(self) -> None:
        """Refuse new RPCs, let those in progress end within the grace, then drain."""
        if self._pinging is not None:
            self._pinging.cancel()
            with suppress(asyncio.CancelledError):
                await self._pinging
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._settings.drain_grace_s)
        for drain in self._service.drains:
            await drain()
        await self._health_server.stop(0)
        log.info("stopped")

    def _bind(self, server: grpc.aio.Server, port: int) -> int:
        address = f"{self._settings.host}:{port}"
        try:
            return server.add_insecure_port(address)
        except RuntimeError as error:
            raise PortTakenError(
                f"{address} cannot be listened on: another program has it; stop it, or set another "
                f"port (VEZNE_{self._service.name.upper()}_GRPC__PORT and __HEALTH_PORT)"
            ) from error

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(PING_INTERVAL_S)
            await self._follow_once()

    async def _follow_once(self) -> None:
        """Set readiness to what the dependencies say now."""
        results = await asyncio.gather(
            *(asyncio.wait_for(ping(), PING_TIMEOUT_S) for ping in self._service.pings.values()),
            return_exceptions=True,
        )
        lost = [
            name
            for name, result in zip(self._service.pings, results, strict=True)
            if isinstance(result, BaseException)
        ]
        if lost:
            log.warning("not_ready", lost=lost)
        state = (
            health_pb2.HealthCheckResponse.NOT_SERVING
            if lost
            else health_pb2.HealthCheckResponse.SERVING
        )
        for name in ("", "readiness", *(servicer.name for servicer in self._service.servicers)):
            await self._health.set(name, state)


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


def _serve_metrics(host: str, port: int) -> None:
    try:
        prometheus_client.start_http_server(port, host)
    except OSError as error:
        raise PortTakenError(
            f"{host}:{port} cannot be listened on for metrics: {error.strerror}"
        ) from error


async def serve(
    build: Callable[[AsyncExitStack], Awaitable[Service]], settings: GrpcServerSettings
) -> None:
    """Build the service, serve it until SIGTERM or SIGINT, and take it down in order."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        server = RunningServer(await build(stack), settings)
        await server.start()
        await stopping.wait()
        await server.stop()


def exit_sentence(message: str) -> None:
    """Print why the process cannot run, in a sentence, and exit with code 1."""
    sys.stderr.write(f"{message}\n")
    sys.exit(1)
