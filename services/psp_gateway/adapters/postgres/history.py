"""The events on PostgreSQL. Implements `HistoryRows` and `HistoryReader`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kernel.invariant import present
from services.kernel.movements import MovementKind, Pot
from services.psp_gateway.adapters.postgres.connection import connected
from services.psp_gateway.application.reading import EventCut, EventFilter, RecordedEvent
from services.psp_gateway.application.records import FactSource, Origin
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.machine import Event
from services.psp_gateway.domain.postings import Effect, Movement

_MICROSECOND = timedelta(microseconds=1)

_KNOWN = """
SELECT 1 FROM psp_gateway.gateway_events
WHERE tenant_id = $1 AND object_type = $2 AND object_id = $3 AND fact = $4 AND ledger_reason = ''
"""

_LOCK_HEAD = "SELECT 1 FROM psp_gateway.heads WHERE tenant_id = $1 FOR UPDATE"

# Time rises strictly with the sequence, whatever the clocks of several processes say.
_NUMBER = """
UPDATE psp_gateway.heads
SET event_sequence = event_sequence + $2,
    last_time = greatest($3, last_time + interval '1 microsecond')
        + ($2 - 1) * interval '1 microsecond'
WHERE tenant_id = $1
RETURNING event_sequence, last_time
"""

_INSERT = """
INSERT INTO psp_gateway.gateway_events (tenant_id, event_sequence, object_type, object_id, fact,
    state, provider, provider_account, effects, movement_kind, movement_key, ledger_reason, source,
    source_id, effective_time, create_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""

_CUT = """
SELECT h.event_sequence, e.create_time
FROM psp_gateway.heads h
LEFT JOIN psp_gateway.gateway_events e
    ON e.tenant_id = h.tenant_id AND e.event_sequence = h.event_sequence
WHERE h.tenant_id = $1
"""

_RECORDED_AT = """
SELECT create_time FROM psp_gateway.gateway_events WHERE tenant_id = $1 AND event_sequence = $2
"""

_COUNT = """
SELECT count(*) FROM psp_gateway.gateway_events
WHERE tenant_id = $1 AND event_sequence > $2 AND event_sequence <= $3
"""

_EVENTS = """
SELECT * FROM psp_gateway.gateway_events
WHERE tenant_id = $1 AND event_sequence > $2 AND event_sequence <= $3
    AND ($4::text = '' OR provider = $4)
    AND ($5::text = '' OR provider_account = $5)
    AND (cardinality($6::text[]) = 0 OR object_type = ANY ($6))
    AND ($7::text = '' OR object_id = $7)
ORDER BY event_sequence
"""


class PostgresHistory:
    """Appends events, inside a unit of work."""

    def __init__(self, driver: asyncpg.Connection, tenant_id: str) -> None:
        self._driver = driver
        self._tenant_id = tenant_id

    async def is_known(self, object_type: ObjectType, object_id: str, fact: str) -> bool:
        found = await self._driver.fetchval(_KNOWN, self._tenant_id, object_type, object_id, fact)
        return found is not None

    async def append(
        self, events: Sequence[Event], at: ProviderAccount | None, origin: Origin, now: datetime
    ) -> int:
        count = len(events)
        head = present(
            await self._driver.fetchrow(_NUMBER, self._tenant_id, count, now),
            f"the tenant {self._tenant_id} has a head",
        )
        last, last_time = head["event_sequence"], head["last_time"]
        await self._driver.executemany(
            _INSERT,
            [
                (
                    self._tenant_id,
                    last - count + number,
                    event.object_type,
                    event.object_id,
                    event.fact,
                    event.state,
                    at.provider if at else "",
                    at.provider_account if at else "",
                    _effects(event),
                    event.movement.kind if event.movement else "",
                    event.movement.key if event.movement else "",
                    event.refusal,
                    origin.source,
                    origin.source_id,
                    event.occurred_at,
                    last_time - (count - number) * _MICROSECOND,
                )
                for number, event in enumerate(events, 1)
            ],
        )
        return int(last)

    async def lock_head(self) -> None:
        await self._driver.execute(_LOCK_HEAD, self._tenant_id)


class PostgresHistoryReader:
    """Reads events in short reads: they are immutable and ordered, so no snapshot is held."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def cut(self, tenant_id: str) -> EventCut | None:
        async with connected(self._engine) as driver:
            # One statement, so that the sequence and its event are of one moment.
            row = await driver.fetchrow(_CUT, tenant_id)
        return None if row is None else EventCut(row["event_sequence"], row["create_time"])

    async def cut_at_sequence(self, tenant_id: str, event_sequence: int) -> EventCut:
        if event_sequence == 0:
            return EventCut(0, None)
        async with connected(self._engine) as driver:
            recorded = await driver.fetchval(_RECORDED_AT, tenant_id, event_sequence)
        return EventCut(event_sequence, recorded)

    async def sequence_at_time(self, tenant_id: str, moment: datetime, through: int) -> int:
        # Time rises strictly with the sequence, so bisection needs no index on time.
        low, high = 0, through
        async with connected(self._engine) as driver:
            while low < high:
                middle = (low + high + 1) // 2
                recorded = await driver.fetchval(_RECORDED_AT, tenant_id, middle)
                low, high = (middle, high) if recorded <= moment else (low, middle - 1)
        return low

    async def events(
        self, tenant_id: str, after: int, through: int, chosen: EventFilter
    ) -> tuple[int, Sequence[RecordedEvent]]:
        async with connected(self._engine) as driver:
            count = await driver.fetchval(_COUNT, tenant_id, after, through)
            rows = await driver.fetch(
                _EVENTS,
                tenant_id,
                after,
                through,
                chosen.provider,
                chosen.provider_account,
                list(chosen.object_types),
                chosen.object_id,
            )
        return int(count), [_event(row) for row in rows]


def _effects(event: Event) -> str:
    return orjson.dumps(
        [
            {"pot": one.pot, "currency_code": one.currency_code, "amount_minor": one.amount_minor}
            for one in event.effects
        ]
    ).decode()


def _event(row: asyncpg.Record) -> RecordedEvent:
    movement = None
    if row["movement_kind"]:
        movement = Movement(MovementKind(row["movement_kind"]), row["movement_key"])
    return RecordedEvent(
        event_sequence=row["event_sequence"],
        event=Event(
            object_type=ObjectType(row["object_type"]),
            object_id=row["object_id"],
            fact=row["fact"],
            state=row["state"],
            occurred_at=row["effective_time"],
            effects=tuple(_effect(one) for one in row["effects"]),
            movement=movement,
            refusal=row["ledger_reason"],
        ),
        provider=row["provider"],
        provider_account=row["provider_account"],
        origin=Origin(FactSource(row["source"]), row["source_id"]),
        recorded_at=row["create_time"],
    )


def _effect(stored: dict[str, Any]) -> Effect:
    return Effect(Pot(stored["pot"]), stored["currency_code"], stored["amount_minor"])
