"""A Temporal server and a whole gateway with its worker, for the modules of this folder."""

from collections.abc import AsyncIterator

import pytest

from services.local.databases import Databases
from tests.fakes.temporal_desk import SELDOM, TemporalDesk, running_desk
from tests.fakes.temporal_server import TemporalServer, WorkflowClock, running_temporal


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[TemporalServer]:
    """A server of the module's own: nobody else's workflows are on its task queues."""
    async with running_temporal() as server:
        yield server


@pytest.fixture(scope="module")
async def desk(
    databases: Databases, temporal: TemporalServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TemporalDesk]:
    """A gateway whose workflows run in real time."""
    folder = tmp_path_factory.mktemp("gateway")
    async with running_desk(databases, folder, "acme", temporal, temporal.client) as running:
        yield running


@pytest.fixture(scope="module")
async def hasty_desk(
    databases: Databases, temporal: TemporalServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TemporalDesk]:
    """A gateway whose workflows skip every wait."""
    async with running_desk(
        databases,
        tmp_path_factory.mktemp("gateway"),
        "acme",
        temporal,
        temporal.skipping,
        clock=WorkflowClock(),
        times=SELDOM,
    ) as running:
        yield running
