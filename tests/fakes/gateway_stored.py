"""Everything that a gateway's store holds of a tenant, as the laws look at it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.psp_gateway.adapters.postgres import objects_sql
from services.psp_gateway.adapters.postgres.connection import connected
from services.psp_gateway.adapters.postgres.history import PostgresHistoryReader
from services.psp_gateway.adapters.postgres.intents import intent_of
from services.psp_gateway.adapters.postgres.rows import (
    deposit_of,
    dispute_of,
    refund_of,
    sweep_of,
    withdrawal_of,
)
from services.psp_gateway.application.ports import StoredRow
from services.psp_gateway.application.reading import EventFilter
from services.psp_gateway.application.records import Identity, Intent, IntentState
from services.psp_gateway.domain.exceptions import ExceptionKind
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.machine import Event


@dataclass(frozen=True, slots=True)
class StoredIntent:
    """A posting intent's row."""

    intent: Intent
    state: IntentState
    position: int
    """Among those that were decided with it."""
    next_attempt_at: datetime | None
    ledger_sequence: int | None = None


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What is committed."""

    rows: Sequence[StoredRow]
    head: int
    events: Sequence[tuple[int, Event]]
    """Each with its sequence, in order."""
    intents: Sequence[StoredIntent]
    """In the order in which they were decided."""
    identities: Mapping[tuple[ObjectType, str], Identity]
    """By the provider's id."""
    requests: Collection[str]
    exceptions: Sequence[ExceptionKind]

    def of(self, kind: type[Any]) -> list[Any]:
        """Return the rows of one kind."""
        return [row for row in self.rows if isinstance(row, kind)]


async def stored_in_postgres(engine: AsyncEngine, tenant_id: str) -> Stored:
    """Read what a tenant has in PostgreSQL."""
    async with connected(engine) as driver:

        async def all_of(table: str, order: str = "1") -> Sequence[Any]:
            found: Sequence[Any] = await driver.fetch(
                f"SELECT * FROM psp_gateway.{table} WHERE tenant_id = $1 ORDER BY {order}",
                tenant_id,
            )
            return found

        rows: list[StoredRow] = [deposit_of(row) for row in await all_of("deposits")]
        rows += [refund_of(row) for row in await all_of("refunds")]
        rows += [dispute_of(row) for row in await all_of("disputes")]
        rows += [sweep_of(row) for row in await all_of("sweeps")]
        for row in await all_of("withdrawals"):
            places = await driver.fetch(
                objects_sql.ATTEMPT_PLACES, tenant_id, str(row["withdrawal_id"])
            )
            rows.append(withdrawal_of(row, [], places))
        [head] = await all_of("heads")
        intents = await all_of("posting_intents", "event_sequence, event_position")
        objects = await all_of("provider_objects")
        requests = await all_of("requests")
        exceptions = await all_of("exceptions", "exception_id")
    reader = PostgresHistoryReader(engine)
    _, events = await reader.events(tenant_id, 0, 1_000_000, EventFilter())
    return Stored(
        rows=rows,
        head=head["event_sequence"],
        events=[(one.event_sequence, one.event) for one in events],
        intents=[
            StoredIntent(
                intent_of(row),
                IntentState(row["state"]),
                row["event_position"],
                row["next_attempt_time"],
                row["ledger_sequence"],
            )
            for row in intents
        ],
        identities={
            (ObjectType(row["object_type"]), row["provider_object_id"]): Identity(
                ObjectType(row["object_type"]),
                row["object_id"],
                row["attempt_number"],
                row["deposit_id"],
            )
            for row in objects
        },
        requests={row["request_id"] for row in requests},
        exceptions=[ExceptionKind(row["kind"]) for row in exceptions],
    )
