"""Health: liveness is being there, readiness follows the dependencies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.platform import health
from services.platform.server import RunningServer, Service
from services.platform.settings import GrpcServerSettings

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Dependency:
    """Something that is there, is lost, or hangs."""

    def __init__(self) -> None:
        self.there = asyncio.Event()
        self.there.set()
        self.lost = False

    async def ping(self) -> None:
        await self.there.wait()
        if self.lost:
            raise ConnectionError


@asynccontextmanager
async def serving(dependency: Dependency) -> AsyncIterator[RunningServer]:
    server = RunningServer(
        Service(name="ledger", servicers=[], pings={"database": dependency.ping}),
        GrpcServerSettings(drain_grace_s=1),
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def states(port: int) -> dict[str, int]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return {
            name: (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status
            for name in ("", "readiness", "liveness")
        }


async def become(port: int, wanted: int) -> dict[str, int]:
    """Wait until readiness is as wanted."""
    async with asyncio.timeout(10):
        while (await states(port))["readiness"] != wanted:
            await asyncio.sleep(0.01)
    # Asked anew: the names are asked one after another, and the change may have come between.
    return await states(port)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and give up soon."""
    monkeypatch.setattr(health, "PING_INTERVAL_S", 0.02)
    monkeypatch.setattr(health, "PING_TIMEOUT_S", 0.1)


async def test_readiness_follows_the_dependency_and_liveness_does_not() -> None:
    """Lost: not ready, still alive, on both ports; there again: ready by itself."""
    dependency = Dependency()
    async with serving(dependency) as server:
        assert set((await states(server.port)).values()) == {SERVING}
        dependency.lost = True
        for port in (server.health_port, server.port):
            found = await become(port, NOT_SERVING)
            assert found == {"": NOT_SERVING, "readiness": NOT_SERVING, "liveness": SERVING}
        dependency.lost = False
        assert set((await become(server.health_port, SERVING)).values()) == {SERVING}


async def test_a_dependency_that_hangs_is_lost() -> None:
    """A ping that does not answer in time counts as one that fails."""
    dependency = Dependency()
    async with serving(dependency) as server:
        dependency.there.clear()

        await become(server.health_port, NOT_SERVING)


async def test_a_server_can_start_before_its_dependency() -> None:
    """It starts not ready, and is ready once the dependency is there."""
    dependency = Dependency()
    dependency.lost = True
    async with serving(dependency) as server:
        assert (await states(server.health_port))["readiness"] == NOT_SERVING
        dependency.lost = False

        await become(server.health_port, SERVING)


async def test_the_health_port_serves_health_only() -> None:
    """Nothing else is to be had on the port that has no other protection."""
    async with (
        serving(Dependency()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.health_port}") as channel,
    ):
        call = channel.unary_unary("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"")

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
