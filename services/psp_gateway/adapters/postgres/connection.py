"""asyncpg's own connection; a lost database is the port's StoreUnavailableError."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.platform.database import DatabaseUnavailableError, autocommit
from services.psp_gateway.application.ports import StoreUnavailableError


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection outside any transaction: each statement is one of its own.

    Raises:
        StoreUnavailableError: at any point inside the block.
    """
    try:
        async with autocommit(engine) as driver:
            yield driver
    except DatabaseUnavailableError as error:
        raise StoreUnavailableError from error
