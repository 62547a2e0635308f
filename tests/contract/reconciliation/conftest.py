"""The server of reconciliation without Temporal, and runs that were published by hand."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.local.databases import Databases
from services.platform.database import create_engine
from services.platform.server import RunningServer
from services.reconciliation import main
from services.reconciliation.settings import ReconciliationSettings
from tests.fakes.recon_client import ReconClient
from tests.fakes.recon_store import Store
from tests.fakes.telling_gateway_server import FakeGateway, running_gateway

TENANT = "acme"


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[tuple[FakeGateway, str]]:
    """A gateway that knows the tenant, and its target."""
    made = FakeGateway(TENANT)
    async with running_gateway(made) as target:
        yield made, target


@pytest.fixture(scope="module")
def settings(databases: Databases, gateway: tuple[FakeGateway, str]) -> ReconciliationSettings:
    """Settings of a server whose Temporal is not there."""
    return ReconciliationSettings.model_validate(
        {
            "database": {"url": databases.url("reconciliation")},
            "ledger": {"target": "127.0.0.1:1"},
            "psp_gateway": {"target": gateway[1]},
            "object_store_url": "file:///nowhere",
            "grpc": {"port": 0, "health_port": 0, "drain_grace_s": 0.1},
            "temporal_ui_url": "http://127.0.0.1:8233/",
        }
    )


@pytest.fixture(scope="module")
async def engine(settings: ReconciliationSettings) -> AsyncIterator[AsyncEngine]:
    """The service's own role."""
    made = create_engine(settings.database, "test")
    yield made
    await made.dispose()


@pytest.fixture(scope="module")
def store(engine: AsyncEngine) -> Store:
    """A way to make runs by hand."""
    return Store(engine)


@pytest.fixture(scope="module")
async def server(settings: ReconciliationSettings) -> AsyncIterator[RunningServer]:
    """A running server; Temporal is looked for where nothing listens."""
    before = os.environ.get("TEMPORAL_ADDRESS")
    os.environ["TEMPORAL_ADDRESS"] = "127.0.0.1:1"
    async with AsyncExitStack() as stack:
        running = RunningServer(await main.build(settings)(stack), settings.grpc)
        await running.start()
        yield running
        await running.stop()
    os.environ.pop("TEMPORAL_ADDRESS")
    if before is not None:
        os.environ["TEMPORAL_ADDRESS"] = before


@pytest.fixture(scope="module")
async def recon(server: RunningServer) -> AsyncIterator[ReconClient]:
    """A client of the server."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield ReconClient(channel)
