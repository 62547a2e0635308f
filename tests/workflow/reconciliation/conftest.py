"""The real worker of reconciliation, over a real PostgreSQL and a real ledger."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from services.local.databases import Databases
from services.platform.server import RunningServer
from services.reconciliation import main, worker
from tests.fakes.recon_client import ReconClient
from tests.fakes.recon_world import World, Worlds, worlds


@pytest.fixture(scope="module")
async def stage(
    temporal: WorkflowEnvironment,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Worlds]:
    """Worlds, whose reconciliation waits a few seconds at most for what is not there."""
    assert temporal.client
    folder: Path = tmp_path_factory.mktemp("objects")
    async with worlds(
        databases, folder, predecessor_wait_s=6, report_wait_s=3, booking_wait_s=3
    ) as made:
        yield made


@pytest.fixture(scope="module")
async def working(stage: Worlds) -> AsyncIterator[Worlds]:
    """The same, with a worker."""
    async with AsyncExitStack() as stack:
        process = await worker.build(stage.settings)(stack)
        for one in process.workers:
            await stack.enter_async_context(one)
        yield stage


@pytest.fixture(scope="module")
def client(temporal: WorkflowEnvironment) -> Client:
    """A client of Temporal."""
    return temporal.client


@pytest.fixture
async def world(working: Worlds) -> World:
    """A world of its own, with a worker."""
    return await working.new()


@pytest.fixture(scope="module")
async def recon(stage: Worlds) -> AsyncIterator[ReconClient]:
    """The server of reconciliation."""
    async with AsyncExitStack() as stack:
        server = RunningServer(await main.build(stage.settings)(stack), stage.settings.grpc)
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield ReconClient(channel)
        await server.stop()
