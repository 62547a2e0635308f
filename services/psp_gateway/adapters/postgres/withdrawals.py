"""Withdrawals on PostgreSQL: what is written beside the machine's row, and lists.

Implements `WithdrawalRows` and `WithdrawalReader`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.psp_gateway.adapters.postgres import withdrawals_sql as sql
from services.psp_gateway.adapters.postgres.connection import connected
from services.psp_gateway.adapters.postgres.objects_reader import withdrawal_record
from services.psp_gateway.application.object_records import WithdrawalDecision, WithdrawalRecord
from services.psp_gateway.application.withdrawal_ports import WithdrawalFilter
from services.psp_gateway.domain.objects import WithdrawalState
from services.psp_gateway.domain.withdrawal_steps import WaitingFor


class PostgresWithdrawals:
    """Writes beside the machine's row, inside a unit of work."""

    def __init__(self, driver: asyncpg.Connection, tenant_id: str) -> None:
        self._driver = driver
        self._tenant_id = tenant_id

    async def begin_review(self, withdrawal_id: str, expires_at: datetime) -> None:
        await self._driver.execute(sql.BEGIN_REVIEW, self._tenant_id, withdrawal_id, expires_at)

    async def wait_for(
        self, withdrawal_id: str, state: WithdrawalState, waiting_for: WaitingFor
    ) -> bool:
        found = await self._driver.fetchval(
            sql.WAIT_FOR, self._tenant_id, withdrawal_id, state, waiting_for
        )
        return found is not None

    async def add_decision(
        self, withdrawal_id: str, requested_by: str, decision: WithdrawalDecision
    ) -> None:
        await self._driver.execute(
            sql.ADD_DECISION,
            self._tenant_id,
            withdrawal_id,
            decision.decision_id,
            decision.kind,
            decision.decided_by,
            requested_by,
            decision.comment,
            decision.decided_at,
        )

    async def claim_unattended(self, now: datetime, until: datetime, limit: int) -> Sequence[str]:
        rows = await self._driver.fetch(sql.CLAIM_UNATTENDED, self._tenant_id, now, until, limit)
        return [str(row["withdrawal_id"]) for row in rows]


class PostgresWithdrawalReader:
    """Lists withdrawals."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list(
        self, tenant_id: str, chosen: WithdrawalFilter, after: UUID | None, limit: int
    ) -> Sequence[WithdrawalRecord]:
        async with connected(self._engine) as driver:
            rows = await driver.fetch(
                sql.LIST,
                tenant_id,
                after,
                chosen.player_id,
                chosen.provider,
                chosen.provider_account,
                list(chosen.states),
                list(chosen.waiting_for),
                chosen.requested_by,
                chosen.reference,
                chosen.provider_object_id,
                chosen.created.since,
                chosen.created.before,
                limit,
            )
            ids = [row["withdrawal_id"] for row in rows]
            decisions = await driver.fetch(sql.DECISIONS_OF, tenant_id, ids)
            attempts = await driver.fetch(sql.ATTEMPTS_OF, tenant_id, [str(one) for one in ids])
        records = [
            withdrawal_record(
                row,
                [one for one in decisions if one["withdrawal_id"] == row["withdrawal_id"]],
                [one for one in attempts if one["object_id"] == str(row["withdrawal_id"])],
            )
            for row in rows
        ]
        return [replace(record, attempts=record.attempts[-1:]) for record in records]
