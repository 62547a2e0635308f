"""A ledger on a real PostgreSQL, as the service that the platform serves."""

from collections.abc import AsyncIterator

import pytest

from services.local.databases import Databases
from tests.fakes.ledger_process import LedgerProcess


@pytest.fixture
async def process(databases: Databases) -> AsyncIterator[LedgerProcess]:
    """A ledger as a process of its own."""
    started = await LedgerProcess.start(databases.url("ledger"))
    yield started
    await started.kill()
