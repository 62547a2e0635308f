"""Units of work of the gateway, on asyncpg's own connection. Implements `GatewayStore`."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.psp_gateway.adapters.postgres.attempts import PostgresAttempts
from services.psp_gateway.adapters.postgres.connection import connected
from services.psp_gateway.adapters.postgres.exceptions import insert_exceptions
from services.psp_gateway.adapters.postgres.history import PostgresHistory
from services.psp_gateway.adapters.postgres.inbox import PostgresInbox
from services.psp_gateway.adapters.postgres.intents import PostgresIntents
from services.psp_gateway.adapters.postgres.objects import PostgresObjects
from services.psp_gateway.adapters.postgres.reports import PostgresReports
from services.psp_gateway.adapters.postgres.requests import PostgresRequests
from services.psp_gateway.adapters.postgres.withdrawals import PostgresWithdrawals
from services.psp_gateway.application.ports import GatewayUnit, NewId
from services.psp_gateway.application.records import ExceptionNote


class PostgresStore:
    """Opens units of work.

    Args:
        engine: the database.
        new_id: makes ids of exceptions.
        owner: who decides exceptions: a team, as the settings name it.
    """

    def __init__(self, engine: AsyncEngine, new_id: NewId, owner: str) -> None:
        self._engine = engine
        self._new_id = new_id
        self._owner = owner

    @asynccontextmanager
    async def open(self, tenant_id: str) -> AsyncIterator[GatewayUnit]:
        async with connected(self._engine) as driver:
            begun = driver.transaction()
            await begun.start()
            unit = PostgresUnit(driver, begun, tenant_id, self._new_id, self._owner)
            try:
                yield unit
            finally:
                if not unit.committed and not driver.is_closed():
                    await begun.rollback()

    async def ensure_tenants(self, tenant_ids: Collection[str], now: datetime) -> None:
        """Make the heads of tenants that have none."""
        async with connected(self._engine) as driver:
            await driver.executemany(_NEW_HEAD, [(tenant_id, now) for tenant_id in tenant_ids])


_NEW_HEAD = """
INSERT INTO psp_gateway.heads (tenant_id, event_sequence, last_time, create_time)
VALUES ($1, 0, $2, $2) ON CONFLICT (tenant_id) DO NOTHING
"""


class PostgresUnit:
    """One unit of work of one tenant."""

    def __init__(
        self,
        driver: asyncpg.Connection,
        begun: asyncpg.transaction.Transaction,
        tenant_id: str,
        new_id: NewId,
        owner: str,
    ) -> None:
        self._driver = driver
        self._begun = begun
        self._tenant_id = tenant_id
        self._new_id = new_id
        self._owner = owner
        self.committed = False
        self.objects = PostgresObjects(driver, tenant_id)
        self.history = PostgresHistory(driver, tenant_id)
        self.intents = PostgresIntents(driver, tenant_id)
        self.attempts = PostgresAttempts(driver, tenant_id)
        self.requests = PostgresRequests(driver, tenant_id)
        self.inbox = PostgresInbox(driver, tenant_id)
        self.reports = PostgresReports(driver, tenant_id)
        self.withdrawals = PostgresWithdrawals(driver, tenant_id)

    async def raise_exceptions(self, notes: Collection[ExceptionNote], now: datetime) -> None:
        await insert_exceptions(
            self._driver, self._tenant_id, notes, self._new_id, self._owner, now
        )

    async def commit(self) -> None:
        await self._begun.commit()
        self.committed = True
