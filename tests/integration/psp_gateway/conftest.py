"""A whole gateway and its database, for the modules of this folder."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.local.databases import Databases
from services.platform.database import create_engine
from services.platform.settings import DatabaseSettings
from tests.fakes.gateway_server import Stack, running_stack


@pytest.fixture(scope="module")
async def stack(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """A running gateway with an empty database."""
    async with running_stack(databases, tmp_path_factory.mktemp("gateway"), "acme") as running:
        yield running


@pytest.fixture
async def engine(databases: Databases) -> AsyncIterator[AsyncEngine]:
    """The gateway's database, as the gateway is let into it."""
    settings = DatabaseSettings(url=databases.url("psp_gateway"))  # type: ignore[arg-type]  # Pydantic wraps it.
    made = create_engine(settings, "store")
    yield made
    await made.dispose()
