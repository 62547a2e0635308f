"""The real worker of reconciliation, over a real PostgreSQL and a real ledger."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from temporalio.testing import WorkflowEnvironment

from services.local.databases import Databases
from services.platform.server import RunningServer
from services.reconciliation import main, worker
from tests.fakes.recon_world import World, Worlds, worlds
from vezne.reconciliation.v1.break_service_pb2_grpc import BreakServiceStub
from vezne.reconciliation.v1.run_service_pb2_grpc import RunServiceStub


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


@pytest.fixture
async def world(working: Worlds) -> World:
    """A world of its own, with a worker."""
    return await working.new()


class Stubs:
    """The stubs of a running server."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.runs = RunServiceStub(channel)
        self.breaks = BreakServiceStub(channel)


@pytest.fixture(scope="module")
async def stubs(stage: Worlds) -> AsyncIterator[Stubs]:
    """The server of reconciliation, and its stubs."""
    async with AsyncExitStack() as stack:
        server = RunningServer(await main.build(stage.settings)(stack), stage.settings.grpc)
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Stubs(channel)
        await server.stop()
