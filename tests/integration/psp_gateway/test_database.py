"""What the gateway's database keeps or refuses by itself, whatever the code above it does."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.psp_gateway.adapters.postgres.inbox import PostgresInboxStore
from services.psp_gateway.adapters.postgres.unit import PostgresStore
from services.psp_gateway.application.inbox_ports import NewInboxEvent
from services.psp_gateway.application.object_records import WithdrawalDecision
from services.psp_gateway.domain.inbox import OPEN_STATES, InboxEventState, InboxProgress
from services.psp_gateway.wiring import new_id
from tests.fakes.provider_news import AT

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TENANT = "acme"


@pytest.mark.parametrize(
    ("kind", "decided_by", "is_refused"),
    [("APPROVED", "anna", True), ("APPROVED", "carla", False), ("CANCELLED", "anna", False)],
)
async def test_the_requester_never_approves(
    engine: AsyncEngine, kind: str, decided_by: str, is_refused: bool
) -> None:
    """The table refuses an approval by whoever requested the withdrawal, and nothing else."""
    decision = WithdrawalDecision(
        decision_id="x-1", kind=kind, decided_by=decided_by, comment="", decided_at=NOW
    )
    store = PostgresStore(engine, new_id, "finance")

    async with store.open(TENANT) as unit:
        adding = unit.withdrawals.add_decision(str(uuid4()), "anna", decision)
        if is_refused:
            with pytest.raises(asyncpg.CheckViolationError):
                await adding
        else:
            await adding


async def test_retention_leaves_open_events_their_bodies(engine: AsyncEngine) -> None:
    """However old, an event that is still to be applied keeps what it is applied from."""
    inbox = PostgresInboxStore(engine, new_id, "operations")
    store = PostgresStore(engine, new_id, "finance")
    states = [*OPEN_STATES, InboxEventState.APPLIED, InboxEventState.IGNORED]
    events = {state: _event(state) for state in states}
    await inbox.receive(list(events.values()))
    async with store.open(TENANT) as unit:
        for state, event in events.items():
            await unit.inbox.write_progress(
                event.inbox_event_id, InboxProgress(state=state), None, NOW
            )
        await unit.commit()

    await inbox.delete_bodies(TENANT, NOW + timedelta(days=400), NOW + timedelta(days=400))

    kept: set[InboxEventState] = set()
    for state, event in events.items():
        found = await inbox.event(TENANT, event.inbox_event_id)
        if found and found.sealed_body is not None:
            kept.add(state)
    assert kept == OPEN_STATES


def _event(name: str) -> NewInboxEvent:
    return NewInboxEvent(
        inbox_event_id=new_id(NOW),
        tenant_id=TENANT,
        at=AT,
        dedupe_key=name,
        semantic_key=name,
        event_type="payment_intent.succeeded",
        content_sha256=b"",
        sealed_body=b"sealed",
        body_sha256=b"",
        headers={},
        signing_key="current",
        received_at=NOW,
    )
