"""Posting intents on PostgreSQL. Implements `IntentRows`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from services.kernel.movements import MovementKind, Pot
from services.psp_gateway.application.records import Intent, IntentState
from services.psp_gateway.domain.accounts import Account, AccountKind, ProviderAccount
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.postings import Direction, Entry, Movement, Posting

_UNFINISHED = """
SELECT 1 FROM psp_gateway.posting_intents
WHERE tenant_id = $1 AND object_type = $2 AND object_id = $3 AND state IN ('OPEN', 'BLOCKED')
    AND ($4::text = '' OR row_id = $4)
LIMIT 1
"""

_DECIDED_THROUGH = """
SELECT coalesce(max(event_sequence), 0) FROM psp_gateway.posting_intents
WHERE tenant_id = $1 AND object_type = $2 AND object_id = $3
"""

_INSERT = """
INSERT INTO psp_gateway.posting_intents (tenant_id, object_type, object_id, fact, number, row_id,
    event_sequence, event_position, kind, entries, effective_time, provider, provider_account,
    movement_kind, movement_key, credited_player, request, state, next_attempt_time, create_time,
    update_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 'OPEN', $18,
    $19, $19)
"""

_LOCK_OPEN = """
SELECT 1 FROM psp_gateway.posting_intents
WHERE tenant_id = $1 AND object_type = $2 AND object_id = $3 AND fact = $4 AND number = $5
    AND state = 'OPEN'
FOR UPDATE
"""

_FINISH = """
UPDATE psp_gateway.posting_intents
SET state = $6, ledger_sequence = $7, ledger_reason = $8, next_attempt_time = NULL,
    attempt_count = attempt_count + 1, update_time = $9
WHERE tenant_id = $1 AND object_type = $2 AND object_id = $3 AND fact = $4 AND number = $5
    AND state = 'OPEN'
"""

_POSTPONE = """
UPDATE psp_gateway.posting_intents
SET attempt_count = attempt_count + 1, next_attempt_time = $6, update_time = $7
WHERE tenant_id = $1 AND object_type = $2 AND object_id = $3 AND fact = $4 AND number = $5
    AND state = 'OPEN'
"""

# None overtakes an earlier one of its object that is blocked, or whose time has not come.
_DUE = """
SELECT * FROM psp_gateway.posting_intents i
WHERE tenant_id = $1 AND state = 'OPEN' AND next_attempt_time <= $2
    AND NOT EXISTS (
        SELECT 1 FROM psp_gateway.posting_intents e
        WHERE e.tenant_id = $1 AND e.object_type = i.object_type AND e.object_id = i.object_id
            AND e.row_id = i.row_id
            AND (e.state = 'BLOCKED' OR (e.state = 'OPEN' AND e.next_attempt_time > $2))
            AND (e.event_sequence, e.event_position) < (i.event_sequence, i.event_position)
    )
ORDER BY event_sequence, event_position LIMIT $3
"""

_OPEN_THROUGH = """
SELECT 1 FROM psp_gateway.posting_intents
WHERE tenant_id = $1 AND state = 'OPEN' AND provider = $2 AND provider_account = $3
    AND event_sequence <= $4
LIMIT 1
"""


class PostgresIntents:
    """Keeps intents, inside a unit of work."""

    def __init__(self, driver: asyncpg.Connection, tenant_id: str) -> None:
        self._driver = driver
        self._tenant_id = tenant_id

    async def unfinished(self, object_type: ObjectType, object_id: str, row_id: str) -> bool:
        found = await self._driver.fetchval(
            _UNFINISHED, self._tenant_id, object_type, object_id, row_id
        )
        return found is not None

    async def decided_through(self, object_type: ObjectType, object_id: str) -> int:
        return int(
            await self._driver.fetchval(_DECIDED_THROUGH, self._tenant_id, object_type, object_id)
        )

    async def add(
        self, intents: Sequence[Intent], next_attempt_at: datetime, now: datetime
    ) -> None:
        if not intents:
            return
        await self._driver.executemany(
            _INSERT,
            [
                (
                    *self._key(intent),
                    intent.row_id,
                    intent.event_sequence,
                    position,
                    intent.posting.kind,
                    _entries(intent.posting),
                    intent.posting.effective_time,
                    intent.posting.at.provider if intent.posting.at else "",
                    intent.posting.at.provider_account if intent.posting.at else "",
                    intent.posting.movement.kind if intent.posting.movement else "",
                    intent.posting.movement.key if intent.posting.movement else "",
                    intent.posting.credited_player,
                    intent.request,
                    next_attempt_at,
                    now,
                )
                for position, intent in enumerate(intents)
            ],
        )

    async def lock_open(self, intent: Intent) -> bool:
        return await self._driver.fetchval(_LOCK_OPEN, *self._key(intent)) is not None

    async def finish(
        self,
        intent: Intent,
        state: IntentState,
        now: datetime,
        *,
        ledger_sequence: int | None = None,
        ledger_reason: str = "",
    ) -> None:
        await self._driver.execute(
            _FINISH, *self._key(intent), state, ledger_sequence, ledger_reason, now
        )

    async def postpone(self, intent: Intent, next_attempt_at: datetime, now: datetime) -> None:
        await self._driver.execute(_POSTPONE, *self._key(intent), next_attempt_at, now)

    async def due(self, now: datetime, limit: int) -> Sequence[Intent]:
        rows = await self._driver.fetch(_DUE, self._tenant_id, now, limit)
        return [intent_of(row) for row in rows]

    async def open_through(self, at: ProviderAccount, event_sequence: int) -> bool:
        found = await self._driver.fetchval(
            _OPEN_THROUGH, self._tenant_id, at.provider, at.provider_account, event_sequence
        )
        return found is not None

    def _key(self, intent: Intent) -> tuple[str, str, str, str, int]:
        posting = intent.posting
        return (
            self._tenant_id,
            intent.object_type,
            posting.object_id,
            posting.fact,
            posting.number,
        )


def _entries(posting: Posting) -> str:
    return orjson.dumps(
        [
            {
                "account": entry.account.path,
                "kind": entry.account.kind,
                "currency_code": entry.account.currency_code,
                "pot": entry.account.pot,
                "min_available_minor": entry.account.min_available_minor,
                "direction": entry.direction,
                "amount_minor": entry.amount_minor,
            }
            for entry in posting.entries
        ]
    ).decode()


def _entry(stored: dict[str, Any]) -> Entry:
    account = Account(
        stored["account"],
        AccountKind(stored["kind"]),
        stored["currency_code"],
        Pot(stored["pot"]) if stored["pot"] else None,
        stored["min_available_minor"],
    )
    return Entry(account, Direction(stored["direction"]), stored["amount_minor"])


def intent_of(row: asyncpg.Record) -> Intent:
    """Read an intent's row."""
    at = movement = None
    if row["provider"]:
        at = ProviderAccount(row["provider"], row["provider_account"])
    if row["movement_kind"]:
        movement = Movement(MovementKind(row["movement_kind"]), row["movement_key"])
    return Intent(
        object_type=ObjectType(row["object_type"]),
        posting=Posting(
            object_id=row["object_id"],
            fact=row["fact"],
            number=row["number"],
            kind=row["kind"],
            entries=tuple(_entry(stored) for stored in row["entries"]),
            effective_time=row["effective_time"],
            at=at,
            movement=movement,
            credited_player=row["credited_player"],
        ),
        row_id=row["row_id"],
        event_sequence=row["event_sequence"],
        request=row["request"],
        attempt_count=row["attempt_count"],
    )
