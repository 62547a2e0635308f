"""Units of work of the ledger: a lost database is the port's StoreUnavailableError."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from services.ledger.application.ports import StoreUnavailableError
from services.platform.database import DatabaseUnavailableError, UnitOfWork, unit_of_work


@asynccontextmanager
async def store_unit(engine: AsyncEngine) -> AsyncIterator[UnitOfWork]:
    """Open a unit of work.

    Raises:
        StoreUnavailableError: at any point inside the block.
    """
    try:
        async with unit_of_work(engine) as work:
            yield work
    except DatabaseUnavailableError as error:
        raise StoreUnavailableError from error
