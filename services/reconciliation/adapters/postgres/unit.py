"""Units of work of reconciliation: a lost database is the port's UnavailableError."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.platform.database import DatabaseUnavailableError, UnitOfWork, unit_of_work
from services.reconciliation.application.ports import UnavailableError
from services.reconciliation.domain.inputs import RunScope


@asynccontextmanager
async def store_unit(engine: AsyncEngine) -> AsyncIterator[UnitOfWork]:
    """Open a unit of work.

    Raises:
        UnavailableError: at any point inside the block.
    """
    try:
        async with unit_of_work(engine) as work:
            yield work
    except DatabaseUnavailableError as error:
        raise UnavailableError("database") from error


async def lock_account(connection: AsyncConnection, scope: RunScope) -> None:
    """Let nobody else decide about the order of this provider account's dates until the commit.

    Everything else is read after this: a snapshot taken before the wait would be stale.
    """
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:account, 0))"),
        {"account": f"reconciliation/{scope.tenant_id}/{scope.provider}/{scope.provider_account}"},
    )
