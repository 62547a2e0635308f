"""Temporal: the client, and the one way to run a worker.

Connection settings are Temporal's own variables (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, …).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

import structlog
from pydantic import Field
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from services.platform.failures import CannotRunError
from services.platform.health import Health, Ping
from services.platform.listening import serve_metrics
from services.platform.server import until_told_to_stop
from services.platform.settings import Block, Port, Seconds

DEFAULT_ADDRESS = "127.0.0.1:7233"
PING_TIMEOUT_S = 2.0

log = structlog.get_logger("vezne.worker")


class TemporalUnavailableError(CannotRunError):
    """Temporal cannot be reached; the message says where it was looked for."""


class WorkerSettings(Block):
    """How a worker process shows its health."""

    host: Annotated[str, Field(description="The address to listen on.")] = "127.0.0.1"
    health_port: Annotated[
        Port, Field(description="The plaintext port that serves health only; 0 takes any.")
    ] = 0
    metrics_port: Annotated[
        Port | None, Field(description="The HTTP port of /metrics; unset serves none.")
    ] = None
    drain_grace_s: Annotated[
        Seconds, Field(description="How long activities may take to end at shutdown.")
    ] = 30.0


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """What a worker's composition root built.

    Args:
        name: such as `psp_gateway`.
        workers: one a task queue, not started yet.
        pings: the dependencies, by name, that readiness follows.
    """

    name: str
    workers: Sequence[Worker]
    pings: Mapping[str, Ping] = field(default_factory=dict)


async def connect(*, lazy: bool = False) -> Client:
    """Connect to Temporal, with pydantic's data converter.

    Args:
        lazy: connect at the first use, so that a service starts without Temporal.

    Raises:
        TemporalUnavailableError: it cannot be reached.
    """
    options = ClientConfig.load_client_connect_config()
    options.setdefault("target_host", DEFAULT_ADDRESS)
    try:
        return await Client.connect(**options, data_converter=pydantic_data_converter, lazy=lazy)
    except RuntimeError as error:
        raise TemporalUnavailableError(
            f"Temporal is not at {options['target_host']} (TEMPORAL_ADDRESS): {error}"
        ) from error


async def ping(client: Client) -> None:
    """Raise unless Temporal answers."""
    healthy = await client.service_client.check_health(timeout=timedelta(seconds=PING_TIMEOUT_S))
    if not healthy:
        raise TemporalUnavailableError("Temporal is not serving")


async def serve_workers(
    build: Callable[[AsyncExitStack], Awaitable[WorkerProcess]], settings: WorkerSettings
) -> None:
    """Build the workers, run them until SIGTERM or SIGINT, and let their activities end."""
    told = asyncio.create_task(until_told_to_stop())
    async with AsyncExitStack() as stack:
        process = await build(stack)
        health = Health(process.pings)
        prefix = f"VEZNE_{process.name.upper()}_WORKER__"
        port = health.bind(settings.host, settings.health_port, f"{prefix}HEALTH_PORT")
        metrics_port = settings.metrics_port
        if metrics_port is not None:
            metrics_port = serve_metrics(settings.host, metrics_port, f"{prefix}METRICS_PORT")
        await health.start()
        for worker in process.workers:
            await stack.enter_async_context(worker)
        log.info(
            "working",
            health_port=port,
            metrics_port=metrics_port,
            queues=[worker.task_queue for worker in process.workers],
        )
        await told
        await health.begin_shutdown()
        await health.stop()
    log.info("stopped")
