"""Tenants on PostgreSQL: a tenant is its head row. Implements `TenantStore`."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kernel.clock import from_micros, to_micros
from services.ledger.adapters.postgres.unit import store_unit
from services.ledger.domain import chain
from services.ledger.domain.history import TenantView

_CREATE = """
INSERT INTO ledger.heads
    (tenant_id, sequence, hash, last_time, account_count, account_event_count, create_time)
VALUES (:tenant, 0, :hash, :time, 0, 0, :time)
ON CONFLICT (tenant_id) DO NOTHING
RETURNING tenant_id
"""

_ONE = "SELECT tenant_id, create_time, sequence FROM ledger.heads WHERE tenant_id = :tenant"

_LIST = """
SELECT tenant_id, create_time, sequence FROM ledger.heads
WHERE tenant_id > :after ORDER BY tenant_id LIMIT :limit
"""


class PostgresTenants:
    """Keeps tenants."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(self, tenant_id: str, micros: int) -> tuple[TenantView, bool]:
        async with store_unit(self._engine) as work:
            made = await work.connection.scalar(
                text(_CREATE),
                {"tenant": tenant_id, "hash": chain.EMPTY, "time": from_micros(micros)},
            )
            row = (await work.connection.execute(text(_ONE), {"tenant": tenant_id})).one()
            await work.commit()
        return TenantView(row.tenant_id, to_micros(row.create_time), row.sequence), made is None

    async def list(self, after: str, limit: int) -> Sequence[TenantView]:
        async with store_unit(self._engine) as work:
            rows = await work.connection.execute(text(_LIST), {"after": after, "limit": limit})
            return [
                TenantView(row.tenant_id, to_micros(row.create_time), row.sequence) for row in rows
            ]
