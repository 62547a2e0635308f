"""The memory of request ids on PostgreSQL. Implements `RequestRows`."""

from datetime import datetime

import asyncpg

_REMEMBER = """
INSERT INTO psp_gateway.requests
    (tenant_id, request_id, method, request_hash, object_id, create_time)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, request_id) DO NOTHING
RETURNING request_id
"""


class PostgresRequests:
    """Remembers requests, inside a unit of work."""

    def __init__(self, driver: asyncpg.Connection, tenant_id: str) -> None:
        self._driver = driver
        self._tenant_id = tenant_id

    async def remember(
        self, request_id: str, method: str, request_hash: bytes, object_id: str, now: datetime
    ) -> bool:
        # Who comes second waits here for the first to commit, and then finds the id taken.
        made = await self._driver.fetchval(
            _REMEMBER, self._tenant_id, request_id, method, request_hash, object_id, now
        )
        return made is not None
