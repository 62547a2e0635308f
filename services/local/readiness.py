"""Whether a server is there and ready, asked from outside as an orchestrator would."""

from enum import StrEnum

import grpc
import httpx
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from services.local.ports import address

READINESS = "readiness"
"""The name under which a service's health port tells whether its dependencies are there."""

_TIMEOUT_S = 1.0


class Readiness(StrEnum):
    """What a server says of itself."""

    READY = "ready"
    NOT_READY = "not ready"
    """It is there, and something that it needs is not."""
    UNREACHABLE = "unreachable"


async def grpc_readiness(port: int, service: str = READINESS) -> Readiness:
    """Ask the gRPC health service on a port."""
    return await readiness_at(address(port), service)


async def readiness_at(target: str, service: str = READINESS) -> Readiness:
    """Ask the gRPC health service of a server anywhere."""
    async with grpc.aio.insecure_channel(target) as channel:
        try:
            check = HealthStub(channel).Check  # type: ignore[attr-defined]  # Made at run time.
            answer = await check(HealthCheckRequest(service=service), timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError:
            return Readiness.UNREACHABLE
    serving = answer.status == HealthCheckResponse.SERVING
    return Readiness.READY if serving else Readiness.NOT_READY


async def http_readiness(port: int) -> Readiness:
    """Ask an HTTP server anything: that it answers is enough."""
    async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
        try:
            await client.get(f"http://{address(port)}/")
        except httpx.HTTPError:
            return Readiness.UNREACHABLE
    return Readiness.READY
