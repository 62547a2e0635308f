"""Exceptions on PostgreSQL. Implements `ExceptionReader`."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kernel.money import Money
from services.psp_gateway.adapters.postgres.connection import connected
from services.psp_gateway.application.ports import NewId
from services.psp_gateway.application.reading import ExceptionFilter, ExceptionRecord
from services.psp_gateway.application.records import ExceptionNote
from services.psp_gateway.domain.exceptions import DecisionKind, ExceptionKind
from services.psp_gateway.domain.facts import ObjectType

_INSERT = """
INSERT INTO psp_gateway.exceptions (tenant_id, exception_id, kind, state, decision_kind, owner,
    object_type, object_id, cause, inbox_event_id, report_id, report_line_number, provider,
    provider_account, currency_code, amount_minor, message, evidence, create_time)
VALUES ($1, $2, $3, 'OPEN', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT (tenant_id, kind, object_type, object_id, cause) DO NOTHING
"""

_LIST = """
SELECT * FROM psp_gateway.exceptions
WHERE tenant_id = $1 AND ($2::uuid IS NULL OR exception_id > $2)
    AND ($3::text = '' OR state = $3)
    AND (cardinality($4::text[]) = 0 OR kind = ANY ($4))
    AND (cardinality($5::text[]) = 0 OR decision_kind = ANY ($5))
    AND ($6::text = '' OR owner = $6)
    AND ($7::text = '' OR object_type = $7)
    AND ($8::text = '' OR object_id = $8)
    AND ($9::text = '' OR provider = $9)
    AND ($10::text = '' OR provider_account = $10)
    AND ($11::timestamptz IS NULL OR create_time >= $11)
    AND ($12::timestamptz IS NULL OR create_time < $12)
ORDER BY exception_id LIMIT $13
"""


async def insert_exceptions(
    driver: asyncpg.Connection,
    tenant_id: str,
    notes: Collection[ExceptionNote],
    new_id: NewId,
    owner: str,
    now: datetime,
) -> None:
    """Insert exceptions whose kind, object and cause raised none before."""
    for note in notes:
        await driver.execute(
            _INSERT,
            tenant_id,
            new_id(now),
            note.kind,
            note.decision_kind,
            owner,
            note.object_type or "",
            note.object_id,
            note.cause,
            note.inbox_event_id,
            note.report_id,
            note.report_line_number,
            note.at.provider if note.at else "",
            note.at.provider_account if note.at else "",
            note.amount.currency_code if note.amount else None,
            note.amount.minor_units if note.amount else None,
            note.message,
            orjson.dumps(dict(note.evidence)).decode(),
            now,
        )


class PostgresExceptions:
    """Reads exceptions."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list(
        self, tenant_id: str, chosen: ExceptionFilter, after: UUID | None, limit: int
    ) -> Sequence[ExceptionRecord]:
        state = {None: "", True: "OPEN", False: "RESOLVED"}[chosen.is_open]
        async with connected(self._engine) as driver:
            rows = await driver.fetch(
                _LIST,
                tenant_id,
                after,
                state,
                list(chosen.kinds),
                list(chosen.decision_kinds),
                chosen.owner,
                chosen.object_type or "",
                chosen.object_id,
                chosen.provider,
                chosen.provider_account,
                chosen.created_since,
                chosen.created_before,
                limit,
            )
        return [_record(row) for row in rows]


def _record(row: asyncpg.Record) -> ExceptionRecord:
    amount = None
    if row["amount_minor"] is not None:
        amount = Money(row["currency_code"], row["amount_minor"])
    return ExceptionRecord(
        exception_id=row["exception_id"],
        kind=ExceptionKind(row["kind"]),
        is_open=row["state"] == "OPEN",
        decision_kind=DecisionKind(row["decision_kind"]),
        owner=row["owner"],
        object_type=ObjectType(row["object_type"]) if row["object_type"] else None,
        object_id=row["object_id"],
        inbox_event_id=row["inbox_event_id"],
        report_id=row["report_id"],
        report_line_number=row["report_line_number"],
        provider=row["provider"],
        provider_account=row["provider_account"],
        amount=amount,
        message=row["message"],
        evidence=row["evidence"],
        resolved_by=row["resolved_by"],
        resolution=row["resolution"],
        created_at=row["create_time"],
        resolved_at=row["resolve_time"],
    )
