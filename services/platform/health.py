"""Health: liveness is being there, readiness follows the dependencies.

The health-only port is a server of its own: an insecure port of a service's server would expose
every service on it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from services.platform.listening import bind

Ping = Callable[[], Awaitable[None]]
"""Raises if the dependency is not there."""

PING_INTERVAL_S = 2.0
PING_TIMEOUT_S = 2.0

log = structlog.get_logger("vezne.health")


class Health:
    """The health of a process, on its health-only port and wherever else it is added.

    Args:
        pings: the dependencies, by name, that readiness follows.
        services: the full names of the gRPC services whose state is reported too.
    """

    def __init__(self, pings: Mapping[str, Ping], services: Sequence[str] = ()) -> None:
        self._pings = pings
        self._names = ("", "readiness", *services)
        self._servicer = HealthServicer()
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._following: asyncio.Task[None] | None = None
        self._lost: list[str] | None = None
        self.add_to(self._server)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serve the health service on a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def bind(self, host: str, port: int, variable: str) -> int:
        """Listen on the health-only port; see `listening.bind`."""
        return bind(self._server, host, port, variable)

    async def start(self) -> None:
        """Report, and follow the dependencies from now on."""
        await self._servicer.set("liveness", health_pb2.HealthCheckResponse.SERVING)
        await self._follow_once()
        await self._server.start()
        self._following = asyncio.create_task(self._follow(), name="readiness")

    async def begin_shutdown(self) -> None:
        """Report that nothing is served any more, so that callers go elsewhere."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        # Liveness stays: a process that is killed while it drains would cut its last calls off.
        for name in self._names:
            await self._servicer.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)

    async def stop(self) -> None:
        """Close the health-only port."""
        await self._server.stop(0)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(PING_INTERVAL_S)
            await self._follow_once()

    async def _follow_once(self) -> None:
        """Set readiness to what the dependencies say now."""
        results = await asyncio.gather(
            *(asyncio.wait_for(ping(), PING_TIMEOUT_S) for ping in self._pings.values()),
            return_exceptions=True,
        )
        lost = [
            name
            for name, result in zip(self._pings, results, strict=True)
            if isinstance(result, BaseException)
        ]
        if lost != self._lost:
            if lost:
                log.warning("not_ready", lost=lost)
            elif self._lost is not None:
                log.info("ready_again")
            self._lost = lost
        state = (
            health_pb2.HealthCheckResponse.NOT_SERVING
            if lost
            else health_pb2.HealthCheckResponse.SERVING
        )
        for name in self._names:
            await self._servicer.set(name, state)
