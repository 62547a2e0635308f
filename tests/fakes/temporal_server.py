"""A real Temporal server on this machine, with real time and with time that is skipped."""

import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from tests.fakes.gateway_server import Clock

_SKIPPING = ("--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true")


@dataclass(frozen=True)
class TemporalServer:
    """A running server.

    Args:
        address: where it listens.
        client: workflows that it starts wait as long as they say.
        skipping: workflows that it starts wait for nothing but activities: each has a time of
            its own, which jumps to its next timer.
    """

    address: str
    client: Client
    skipping: Client


def temporal_binary() -> str:
    """Return the path of the `temporal` command."""
    return shutil.which("temporal") or str(Path(sys.executable).parent / "temporal")


@asynccontextmanager
async def running_temporal() -> AsyncIterator[TemporalServer]:
    """Run a server with an empty namespace."""
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=temporal_binary(),
        dev_server_extra_args=list(_SKIPPING),
        dev_server_log_level="error",
        data_converter=pydantic_data_converter,
    ) as environment:
        skipping = environment.client
        address = skipping.service_client.config.target_host
        plain = await Client.connect(
            address, data_converter=pydantic_data_converter, identity="tests"
        )
        yield TemporalServer(address, plain, skipping)


class WorkflowClock(Clock):
    """The time of the workflow whose activity asks; for everybody else that of the machine."""

    def __call__(self) -> datetime:
        """Return the time."""
        if activity.in_activity():
            return activity.info().current_attempt_scheduled_time
        return super().__call__()
