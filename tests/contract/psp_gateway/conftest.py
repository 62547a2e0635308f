"""A whole gateway, for the modules of this folder."""

from collections.abc import AsyncIterator

import pytest

from services.local.databases import Databases
from tests.fakes.gateway_server import Stack, running_stack


@pytest.fixture(scope="module")
async def stack(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """A running gateway with an empty database."""
    async with running_stack(databases, tmp_path_factory.mktemp("gateway"), "acme") as running:
        yield running
