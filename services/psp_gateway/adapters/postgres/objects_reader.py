"""Objects and request ids as they are read, on PostgreSQL. Implements `ObjectReader`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kernel.money import Money
from services.psp_gateway.adapters.postgres import reads_sql as sql
from services.psp_gateway.adapters.postgres.attempts import LAST_ATTEMPT, attempt_of
from services.psp_gateway.adapters.postgres.connection import connected
from services.psp_gateway.adapters.postgres.rows import (
    deposit_of,
    dispute_of,
    place_of,
    refund_of,
    withdrawal_of,
)
from services.psp_gateway.application.object_records import (
    DepositFilter,
    DepositRecord,
    DisputeFilter,
    DisputeRecord,
    NewRefund,
    RefundRecord,
    RoundRecord,
    Standing,
    WithdrawalDecision,
    WithdrawalRecord,
)
from services.psp_gateway.application.reading import KnownRequest
from services.psp_gateway.application.records import Attempt, Details
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.objects import DisputeState


class PostgresObjectReader:
    """Reads objects."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def request(self, tenant_id: str, request_id: str) -> KnownRequest | None:
        row = await self._row(sql.REQUEST, tenant_id, request_id)
        return KnownRequest(row["method"], row["request_hash"], row["object_id"]) if row else None

    async def deposit(self, tenant_id: str, deposit_id: str) -> DepositRecord | None:
        row = await self._row(sql.DEPOSIT, tenant_id, deposit_id)
        return _deposit(row) if row else None

    async def deposits(
        self, tenant_id: str, chosen: DepositFilter, after: UUID | None, limit: int
    ) -> Sequence[DepositRecord]:
        rows = await self._rows(
            sql.DEPOSITS,
            tenant_id,
            after,
            chosen.player_id,
            chosen.provider,
            chosen.provider_account,
            list(chosen.states),
            list(chosen.settlement_states),
            chosen.reference,
            chosen.provider_object_id,
            chosen.created.since,
            chosen.created.before,
            limit,
        )
        return [_deposit(row) for row in rows]

    async def refund(self, tenant_id: str, refund_id: str) -> RefundRecord | None:
        row = await self._row(sql.REFUND, tenant_id, refund_id)
        if row is None:
            return None
        return RefundRecord(
            refund=refund_of(row),
            at=place_of(row),
            player_id=row["player_id"],
            asked=NewRefund(
                request_id=row["request_id"],
                requested_by=row["requested_by"],
                comment=row["comment"],
                reference=row["reference"],
            ),
            ledger_reason=row["ledger_reason"],
            standing=_standing(row),
        )

    async def dispute(self, tenant_id: str, dispute_id: str) -> DisputeRecord | None:
        row = await self._row(sql.DISPUTE, tenant_id, dispute_id)
        if row is None:
            return None
        rounds = await self._rows(sql.ROUNDS, tenant_id, [row["dispute_id"]])
        return _dispute(row, rounds)

    async def disputes(
        self, tenant_id: str, chosen: DisputeFilter, after: UUID | None, limit: int
    ) -> Sequence[DisputeRecord]:
        rows = await self._rows(
            sql.DISPUTES,
            tenant_id,
            after,
            chosen.player_id,
            UUID(chosen.deposit_id) if chosen.deposit_id else None,
            chosen.provider,
            chosen.provider_account,
            list(chosen.states),
            chosen.provider_object_id,
            chosen.evidence_due_before,
            chosen.created.since,
            chosen.created.before,
            limit,
        )
        rounds = await self._rows(sql.ROUNDS, tenant_id, [row["dispute_id"] for row in rows])
        return [
            _dispute(row, [one for one in rounds if one["dispute_id"] == row["dispute_id"]])
            for row in rows
        ]

    async def withdrawal(self, tenant_id: str, withdrawal_id: str) -> WithdrawalRecord | None:
        async with connected(self._engine) as driver:
            row = await driver.fetchrow(sql.WITHDRAWAL, tenant_id, withdrawal_id)
            if row is None:
                return None
            decisions = await driver.fetch(sql.DECISIONS, tenant_id, withdrawal_id)
            attempts = await driver.fetch(
                sql.ATTEMPTS, tenant_id, ObjectType.WITHDRAWAL, withdrawal_id
            )
        return withdrawal_record(row, decisions, attempts)

    async def last_attempt(
        self, tenant_id: str, object_type: ObjectType, object_id: str
    ) -> Attempt | None:
        row = await self._row(LAST_ATTEMPT, tenant_id, object_type, object_id)
        return attempt_of(row) if row else None

    async def dispute_round(
        self, tenant_id: str, at: ProviderAccount, movement_key: str
    ) -> tuple[str, int] | None:
        row = await self._row(
            sql.ROUND_OF_MOVEMENT, tenant_id, at.provider, at.provider_account, movement_key
        )
        return (str(row["dispute_id"]), row["round_number"]) if row else None

    async def swept_deposits(
        self, tenant_id: str, limit: int
    ) -> Sequence[tuple[str, ProviderAccount, str, str]]:
        rows = await self._rows(sql.SWEPT_DEPOSITS, tenant_id, limit)
        return [
            (str(row["deposit_id"]), place_of(row), row["sweep_id"], row["state"]) for row in rows
        ]

    async def requested_refunds(
        self, tenant_id: str, before: datetime, limit: int
    ) -> Sequence[str]:
        rows = await self._rows(sql.REQUESTED_REFUNDS, tenant_id, before, limit)
        return [str(row["refund_id"]) for row in rows]

    async def _row(self, statement: str, *arguments: object) -> asyncpg.Record | None:
        async with connected(self._engine) as driver:
            return await driver.fetchrow(statement, *arguments)

    async def _rows(self, statement: str, *arguments: object) -> Sequence[asyncpg.Record]:
        async with connected(self._engine) as driver:
            rows: Sequence[asyncpg.Record] = await driver.fetch(statement, *arguments)
        return rows


def _standing(row: asyncpg.Record) -> Standing:
    asked = row.get("in_question_minor")
    return Standing(
        # Each kind of object has its own of these columns.
        details=Details(
            provider_object_id=row.get("provider_object_id", ""),
            provider_state=row.get("provider_state", ""),
            failure_code=row.get("failure_code", ""),
            failure_message=row.get("failure_message", ""),
            next_action_url=row.get("next_action_url", ""),
            reason_code=row.get("reason_code", ""),
            in_question=None if asked is None else Money(row["in_question_currency_code"], asked),
            evidence_due_at=row.get("evidence_due_time"),
        ),
        postings_pending=row["postings_pending"],
        event_sequence=row["event_sequence"],
        created_at=row["create_time"],
        updated_at=row["update_time"],
    )


def _deposit(row: asyncpg.Record) -> DepositRecord:
    return DepositRecord(
        deposit=deposit_of(row),
        request_id=row["request_id"],
        metadata=row["metadata"],
        refunded_minor=row["refunded_minor"],
        expected_fee_minor=row["expected_fee_minor"],
        expire_at=row["expire_time"],
        standing=_standing(row),
    )


def _dispute(row: asyncpg.Record, rounds: Sequence[asyncpg.Record]) -> DisputeRecord:
    dispute = dispute_of(row)
    return DisputeRecord(
        dispute=dispute,
        at=place_of(row),
        player_id=row["player_id"],
        rounds=[
            RoundRecord(
                round_number=one["round_number"],
                state=DisputeState(one["state"]),
                withdrawn=Money(one["currency_code"], one["withdrawn_minor"]),
                reinstated_minor=one["reinstated_minor"],
                frozen_minor=(
                    dispute.frozen_minor
                    if one["round_number"] == dispute.round_number
                    and dispute.state is DisputeState.OPEN
                    else 0
                ),
                fee_minor=one["fee_minor"],
                opened_at=one["open_time"],
                ended_at=one["end_time"],
            )
            for one in rounds
        ],
        standing=_standing(row),
    )


def withdrawal_record(
    row: asyncpg.Record, decisions: Sequence[asyncpg.Record], attempts: Sequence[asyncpg.Record]
) -> WithdrawalRecord:
    """Read a withdrawal with all that was decided about it and all its attempts."""
    approvals = [one for one in decisions if one["kind"] == "APPROVED"]
    withdrawal = withdrawal_of(row, approvals, attempts)
    return WithdrawalRecord(
        withdrawal=withdrawal,
        at=withdrawal.attempts[-1] if withdrawal.attempts else place_of(row),
        request_id=row["request_id"],
        destination_token=row["destination_token"],
        metadata=row["metadata"],
        waiting_for=row["waiting_for"],
        approvals_required=row["approvals_required"],
        approval_expires_at=row["approval_expire_time"],
        decisions=[
            WithdrawalDecision(
                decision_id=one["decision_id"],
                kind=one["kind"],
                decided_by=one["decided_by"],
                comment=one["comment"],
                decided_at=one["create_time"],
            )
            for one in decisions
        ],
        attempts=[attempt_of(one) for one in attempts],
        ledger_reason=row["ledger_reason"],
        standing=_standing(row),
    )
