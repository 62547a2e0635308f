"""A ledger on a real PostgreSQL, for the modules of this folder."""

from collections.abc import AsyncIterator

import pytest

from services.local.databases import Databases
from tests.fakes.ledger_server import LedgerClient, running_ledger, settings


@pytest.fixture(scope="module")
async def ledger(databases: Databases) -> AsyncIterator[LedgerClient]:
    """A running ledger with an empty database."""
    async with running_ledger(settings(databases.url("ledger"))) as client:
        yield client
