"""Channels to other services: a deadline on every unary call, retries where they are safe.

How long a stream may take only its caller knows, who gives it its deadline.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import grpc

from services.platform.rpc import DEADLINE, TRACEPARENT
from services.platform.settings import GrpcClientSettings

MARGIN_S = 0.05
"""What is kept of an inherited deadline for the way back."""

# UNAVAILABLE only (AIP-194), and every method: each is a read or carries a request id, so that a
# repeated call is the same call.
_SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
    }
)


class _Inheritance(grpc.aio.UnaryUnaryClientInterceptor):
    """Gives a call what the RPC that it serves came with: what is left of its time, and its trace.

    A call without a deadline gets the default.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Any],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        asked = client_call_details.timeout
        timeout = self._timeout_s if asked is None else asked
        inherited = DEADLINE.get()
        if inherited is not None:
            remaining = inherited - asyncio.get_running_loop().time() - MARGIN_S
            if remaining <= 0:
                raise _spent()
            timeout = min(timeout, remaining)
        metadata = grpc.aio.Metadata(*(client_call_details.metadata or ()))
        traceparent = TRACEPARENT.get()
        if traceparent is not None:
            metadata["traceparent"] = traceparent
        details = grpc.aio.ClientCallDetails(
            method=client_call_details.method,
            timeout=timeout,
            metadata=metadata,
            credentials=client_call_details.credentials,
            wait_for_ready=client_call_details.wait_for_ready,
        )
        return await continuation(details, request)


def _spent() -> grpc.aio.AioRpcError:
    """Return how a call ends that is over before it began.

    gRPC itself sends a request whose time is just up, and its effect may win the race.
    """
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(
        grpc.StatusCode.DEADLINE_EXCEEDED, nothing, nothing, "No time was left for this call"
    )


def open_channel(
    settings: GrpcClientSettings, *, receive_bytes_max: int = 16 * 1024 * 1024
) -> grpc.aio.Channel:
    """Open a channel; it connects lazily, so a service starts without those that it calls."""
    return grpc.aio.insecure_channel(
        settings.target,
        options=[
            ("grpc.service_config", _SERVICE_CONFIG),
            ("grpc.max_receive_message_length", receive_bytes_max),
            ("grpc.max_send_message_length", receive_bytes_max),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            # A first connection that fails is tried again soon: services start in any order.
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 5_000),
        ],
        interceptors=[_Inheritance(settings.timeout_s)],
    )
