"""The inbox on PostgreSQL. Implements `InboxRows` and `InboxStore`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from services.psp_gateway.adapters.postgres.connection import connected
from services.psp_gateway.adapters.postgres.exceptions import insert_exceptions
from services.psp_gateway.adapters.postgres.rows import place_of
from services.psp_gateway.application.inbox_ports import (
    InboxEvent,
    InboxFilter,
    InboxRecord,
    NewInboxEvent,
)
from services.psp_gateway.application.ports import NewId
from services.psp_gateway.application.records import ExceptionNote, Identity
from services.psp_gateway.domain.exceptions import DECISION_OF, ExceptionKind
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.inbox import InboxEventState, InboxProgress

_ENDED = ("APPLIED", "IGNORED", "DEAD")

_LOCK = """
SELECT state, attempt_count, next_attempt_time, last_error FROM psp_gateway.inbox_events
WHERE tenant_id = $1 AND inbox_event_id = $2 FOR UPDATE
"""

_PROGRESS = """
UPDATE psp_gateway.inbox_events
SET state = $3, attempt_count = $4, next_attempt_time = $5, last_error = $6,
    object_type = coalesce(nullif($7, ''), object_type),
    object_id = coalesce(nullif($8, ''), object_id), end_time = $9
WHERE tenant_id = $1 AND inbox_event_id = $2
"""

_RECEIVE = """
INSERT INTO psp_gateway.inbox_events (tenant_id, inbox_event_id, provider, provider_account,
    dedupe_key, semantic_key, event_type, content_sha256, body, body_sha256, headers, signing_key,
    state, create_time)
SELECT t, i, p, a, d, s, e, c, b, h, j::jsonb, k, 'RECEIVED', w
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::bytea[], $9::bytea[], $10::bytea[], $11::text[], $12::text[], $13::timestamptz[])
    AS new (t, i, p, a, d, s, e, c, b, h, j, k, w)
ON CONFLICT (tenant_id, provider, provider_account, dedupe_key) DO NOTHING
RETURNING inbox_event_id
"""

_KNOWN = """
SELECT inbox_event_id, content_sha256 FROM psp_gateway.inbox_events
WHERE tenant_id = $1 AND provider = $2 AND provider_account = $3 AND dedupe_key = $4
"""

_CONFLICT = """
INSERT INTO psp_gateway.inbox_conflicts (tenant_id, inbox_event_id, conflict_id, content_sha256,
    body, body_sha256, headers, signing_key, create_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING
RETURNING inbox_event_id
"""

_COUNT_CONFLICT = """
UPDATE psp_gateway.inbox_events SET conflict_count = conflict_count + 1
WHERE tenant_id = $1 AND inbox_event_id = $2
"""

_EVENT = """
SELECT * FROM psp_gateway.inbox_events WHERE tenant_id = $1 AND inbox_event_id = $2
"""

# One that was received just now is on its way through the process that took it.
_DUE = """
SELECT * FROM psp_gateway.inbox_events
WHERE tenant_id = $1 AND state IN ('RECEIVED', 'DEFERRED', 'RETRY')
    AND coalesce(next_attempt_time, create_time + interval '10 seconds') <= $2
ORDER BY create_time LIMIT $3
"""

_LIST = """
SELECT * FROM psp_gateway.inbox_events
WHERE tenant_id = $1 AND ($2::uuid IS NULL OR inbox_event_id < $2)
    AND ($3::text = '' OR provider = $3)
    AND ($4::text = '' OR provider_account = $4)
    AND (cardinality($5::text[]) = 0 OR state = ANY ($5))
    AND ($6::text = '' OR event_type = $6)
    AND ($7::text = '' OR dedupe_key = $7)
    AND ($8::text = '' OR semantic_key = $8)
    AND ($9::text = '' OR object_id = $9)
    AND ($10::timestamptz IS NULL OR create_time >= $10)
    AND ($11::timestamptz IS NULL OR create_time < $11)
ORDER BY inbox_event_id DESC LIMIT $12
"""

# One that is open or DEAD may yet be applied, and needs its body for that.
_DELETE_BODIES = """
UPDATE psp_gateway.inbox_events SET body = NULL, body_delete_time = $3
WHERE tenant_id = $1 AND body IS NOT NULL AND create_time < $2 AND state IN ('APPLIED', 'IGNORED')
"""

_DELETE_CONFLICTS = """
UPDATE psp_gateway.inbox_conflicts SET body = NULL, body_delete_time = $3
WHERE tenant_id = $1 AND body IS NOT NULL AND create_time < $2
"""


class PostgresInbox:
    """Writes what became of events, inside a unit of work."""

    def __init__(self, driver: asyncpg.Connection, tenant_id: str) -> None:
        self._driver = driver
        self._tenant_id = tenant_id

    async def lock(self, inbox_event_id: UUID) -> InboxProgress | None:
        row = await self._driver.fetchrow(_LOCK, self._tenant_id, inbox_event_id)
        return _progress(row) if row else None

    async def write_progress(
        self,
        inbox_event_id: UUID,
        progress: InboxProgress,
        applied_to: Identity | None,
        now: datetime,
    ) -> None:
        await self._driver.execute(
            _PROGRESS,
            self._tenant_id,
            inbox_event_id,
            progress.state,
            progress.attempts,
            progress.next_attempt_at,
            progress.last_error,
            applied_to.object_type if applied_to else "",
            applied_to.object_id if applied_to else "",
            now if progress.state in _ENDED else None,
        )


class PostgresInboxStore:
    """Keeps deliveries.

    Args:
        engine: the database.
        new_id: makes ids of exceptions.
        owner: who decides about conflicts.
    """

    def __init__(self, engine: AsyncEngine, new_id: NewId, owner: str) -> None:
        self._engine = engine
        self._new_id = new_id
        self._owner = owner

    async def receive(self, events: Sequence[NewInboxEvent]) -> Sequence[bool]:
        async with connected(self._engine) as driver, driver.transaction():
            made = await driver.fetch(
                _RECEIVE,
                [event.tenant_id for event in events],
                [event.inbox_event_id for event in events],
                [event.at.provider for event in events],
                [event.at.provider_account for event in events],
                [event.dedupe_key for event in events],
                [event.semantic_key for event in events],
                [event.event_type for event in events],
                [event.content_sha256 for event in events],
                [event.sealed_body for event in events],
                [event.body_sha256 for event in events],
                [orjson.dumps(dict(event.headers)).decode() for event in events],
                [event.signing_key for event in events],
                [event.received_at for event in events],
            )
            new = {row["inbox_event_id"] for row in made}
            for event in events:
                if event.inbox_event_id not in new:
                    await self._look_for_conflict(driver, event)
        return [event.inbox_event_id in new for event in events]

    async def _look_for_conflict(self, driver: asyncpg.Connection, event: NewInboxEvent) -> None:
        """Keep a delivery beside the one that has its key, if it says something else."""
        known = await driver.fetchrow(
            _KNOWN,
            event.tenant_id,
            event.at.provider,
            event.at.provider_account,
            event.dedupe_key,
        )
        if known["content_sha256"] == event.content_sha256:
            return
        first_id = known["inbox_event_id"]
        made = await driver.fetchval(
            _CONFLICT,
            event.tenant_id,
            first_id,
            # What its body is bound to.
            event.inbox_event_id,
            event.content_sha256,
            event.sealed_body,
            event.body_sha256,
            orjson.dumps(dict(event.headers)).decode(),
            event.signing_key,
            event.received_at,
        )
        if made is None:
            return
        await driver.execute(_COUNT_CONFLICT, event.tenant_id, first_id)
        kind = ExceptionKind.INBOX_CONFLICT
        note = ExceptionNote(
            kind=kind,
            decision_kind=DECISION_OF[kind],
            cause=f"{first_id}:{event.content_sha256.hex()}",
            message=f"{event.event_type} came again with the same key and other content",
            at=event.at,
            inbox_event_id=first_id,
        )
        await insert_exceptions(
            driver, event.tenant_id, [note], self._new_id, self._owner, event.received_at
        )

    async def event(self, tenant_id: str, inbox_event_id: UUID) -> InboxEvent | None:
        async with connected(self._engine) as driver:
            row = await driver.fetchrow(_EVENT, tenant_id, inbox_event_id)
        return _event(row) if row else None

    async def due(self, tenant_id: str, now: datetime, limit: int) -> Sequence[InboxEvent]:
        async with connected(self._engine) as driver:
            rows = await driver.fetch(_DUE, tenant_id, now, limit)
        return [_event(row) for row in rows]

    async def list(
        self, tenant_id: str, chosen: InboxFilter, after: UUID | None, limit: int
    ) -> Sequence[InboxRecord]:
        async with connected(self._engine) as driver:
            rows = await driver.fetch(
                _LIST,
                tenant_id,
                after,
                chosen.provider,
                chosen.provider_account,
                list(chosen.states),
                chosen.event_type,
                chosen.dedupe_key,
                chosen.semantic_key,
                chosen.object_id,
                chosen.created_since,
                chosen.created_before,
                limit,
            )
        return [_record(row) for row in rows]

    async def delete_bodies(self, tenant_id: str, before: datetime, now: datetime) -> int:
        async with connected(self._engine) as driver:
            done = [
                await driver.execute(statement, tenant_id, before, now)
                for statement in (_DELETE_BODIES, _DELETE_CONFLICTS)
            ]
        return sum(int(one.rpartition(" ")[2]) for one in done)


def _progress(row: asyncpg.Record) -> InboxProgress:
    return InboxProgress(
        state=InboxEventState(row["state"]),
        attempts=row["attempt_count"],
        next_attempt_at=row["next_attempt_time"],
        last_error=row["last_error"],
    )


def _event(row: asyncpg.Record) -> InboxEvent:
    return InboxEvent(
        inbox_event_id=row["inbox_event_id"],
        tenant_id=row["tenant_id"],
        at=place_of(row),
        sealed_body=row["body"],
        progress=_progress(row),
        received_at=row["create_time"],
    )


def _record(row: asyncpg.Record) -> InboxRecord:
    return InboxRecord(
        inbox_event_id=row["inbox_event_id"],
        at=place_of(row),
        dedupe_key=row["dedupe_key"],
        semantic_key=row["semantic_key"],
        event_type=row["event_type"],
        progress=_progress(row),
        object_type=ObjectType(row["object_type"]) if row["object_type"] else None,
        object_id=row["object_id"],
        conflict_count=row["conflict_count"],
        signing_key=row["signing_key"],
        body_sha256=row["body_sha256"],
        body_deleted_at=row["body_delete_time"],
        created_at=row["create_time"],
        ended_at=row["end_time"],
    )
