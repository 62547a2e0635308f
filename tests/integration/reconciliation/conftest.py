"""Reconciliation's tables on a real PostgreSQL."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.local.databases import Databases
from services.platform.database import create_engine
from services.platform.settings import DatabaseSettings


@pytest.fixture(scope="module")
async def engine(databases: Databases) -> AsyncIterator[AsyncEngine]:
    """The service's own role on an empty schema."""
    settings = DatabaseSettings.model_validate({"url": databases.url("reconciliation")})
    made = create_engine(settings, "test")
    yield made
    await made.dispose()
