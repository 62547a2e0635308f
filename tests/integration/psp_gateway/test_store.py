"""What the gateway's use cases need of a store holds of PostgreSQL and of the one in memory."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.psp_gateway.adapters.postgres.unit import PostgresStore
from services.psp_gateway.application.object_records import NewDeposit
from services.psp_gateway.application.ports import GatewayStore, GatewayUnit
from services.psp_gateway.application.records import (
    FactSource,
    Identity,
    Intent,
    IntentState,
    Origin,
)
from services.psp_gateway.domain import deposit, facts
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.machine import Event
from services.psp_gateway.domain.objects import DepositState
from services.psp_gateway.wiring import new_id
from tests.fakes.gateway_memory import MemoryStore
from tests.fakes.gateway_rows import a_deposit, a_fact, situation
from tests.fakes.provider_news import AT

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TENANT = "acme"
DEPOSIT_ID = str(UUID(int=1))


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest, engine: AsyncEngine) -> GatewayStore:
    """Each of the two, with a deposit."""
    if request.param == "memory":
        return await _with_deposit(MemoryStore())
    postgres = PostgresStore(engine, new_id, "finance")
    await postgres.ensure_tenants([TENANT], NOW)
    return await _with_deposit(postgres)


async def _with_deposit(store: GatewayStore) -> GatewayStore:
    async with store.open(TENANT) as unit:
        if await unit.objects.lock_deposit(DEPOSIT_ID) is None:
            new = NewDeposit(
                deposit=a_deposit(deposit_id=DEPOSIT_ID),
                request_id="request-1",
                metadata={},
                expire_at=None,
            )
            await unit.objects.insert_deposit(new, NOW)
        await unit.objects.save(a_deposit(deposit_id=DEPOSIT_ID), 0, NOW)
        await unit.commit()
    return store


def _event(fact: str) -> Event:
    return Event(
        object_type=ObjectType.DEPOSIT,
        object_id=DEPOSIT_ID,
        fact=fact,
        state="CREATED",
        occurred_at=NOW,
    )


async def _append(unit: GatewayUnit, fact: str) -> int:
    return await unit.history.append([_event(fact)], AT, Origin(FactSource.WORKFLOW), NOW)


async def _waits(task: asyncio.Task[object]) -> bool:
    """Return whether a task is still waiting, when it has had time to go on."""
    done, _ = await asyncio.wait([task], timeout=0.2)
    return not done


async def test_a_unit_that_is_left_has_changed_nothing(store: GatewayStore) -> None:
    """Without a commit neither row nor event nor number is kept."""
    async with store.open(TENANT) as unit:
        await unit.objects.lock_deposit(DEPOSIT_ID)
        first = await _append(unit, "left")
        await unit.objects.save(
            a_deposit(DepositState.PROCESSING, deposit_id=DEPOSIT_ID), first, NOW
        )

    async with store.open(TENANT) as unit:
        row = await unit.objects.lock_deposit(DEPOSIT_ID)
        assert row is not None
        assert row.state is DepositState.CREATED
        assert not await unit.history.is_known(ObjectType.DEPOSIT, DEPOSIT_ID, "left")
        assert await _append(unit, "left") == first


async def test_who_comes_second_waits_and_sees_what_the_first_wrote(store: GatewayStore) -> None:
    """A row's lock is held until the unit ends; the next one reads what was committed."""

    async def second() -> DepositState | None:
        async with store.open(TENANT) as unit:
            row = await unit.objects.lock_deposit(DEPOSIT_ID)
            return row.state if row else None

    async with store.open(TENANT) as unit:
        await unit.objects.lock_deposit(DEPOSIT_ID)
        waiting = asyncio.create_task(second())
        assert await _waits(waiting)
        await unit.objects.save(a_deposit(DepositState.PROCESSING, deposit_id=DEPOSIT_ID), 0, NOW)
        await unit.commit()

    assert await waiting is DepositState.PROCESSING


@pytest.mark.parametrize("ends", ["commits", "is left"])
async def test_numbers_are_given_out_one_unit_after_the_other(
    store: GatewayStore, ends: str
) -> None:
    """Whoever appends waits for the head, and takes the number that the first left."""

    async def second() -> int:
        async with store.open(TENANT) as unit:
            return await _append(unit, f"second {ends}")

    async with store.open(TENANT) as unit:
        number = await _append(unit, f"first {ends}")
        waiting = asyncio.create_task(second())
        assert await _waits(waiting)
        if ends == "commits":
            await unit.commit()

    assert await waiting == (number + 1 if ends == "commits" else number)


async def test_locking_the_head_keeps_others_from_it(store: GatewayStore) -> None:
    """What has no row is ordered by the head."""

    async def second() -> None:
        async with store.open(TENANT) as unit:
            await unit.history.lock_head()

    async with store.open(TENANT) as unit:
        await unit.history.lock_head()
        waiting = asyncio.create_task(second())
        assert await _waits(waiting)

    await waiting


async def test_a_fact_is_recorded_once(store: GatewayStore) -> None:
    """The store itself refuses a fact of an object that is there."""

    async def recorded() -> None:
        async with store.open(TENANT) as unit:
            await _append(unit, "once")
            await unit.commit()

    await recorded()

    with pytest.raises(Exception, match="once"):
        await recorded()


async def test_an_object_of_the_providers_has_one_identity(store: GatewayStore) -> None:
    """Of two who name it at once the second waits, and gets what the first gave."""

    async def named(object_id: str) -> Identity:
        async with store.open(TENANT) as unit:
            identity = Identity(ObjectType.DISPUTE, object_id, 0, DEPOSIT_ID)
            held = await unit.attempts.register(AT, "dp_1", identity)
            await unit.commit()
            return held

    first, second = await asyncio.gather(named("c-1"), named("c-2"))

    assert first == second


@pytest.mark.parametrize("held", ["postponed", "blocked"])
async def test_no_posting_is_overtaken_by_a_later_one_of_its_object(
    store: GatewayStore, held: str
) -> None:
    """While the first of an object waits only those of other objects are due; then both, in order.

    One that is blocked holds up what comes after it for ever.
    """
    first, second, other = (
        _intent(f"{held} {object_id}", sequence)
        for object_id, sequence in (("one", 1), ("one", 2), ("other", 3))
    )
    later = NOW + timedelta(hours=1)
    async with store.open(TENANT) as unit:
        for intent in (second, first, other):
            await unit.intents.add([intent], NOW, NOW)
        if held == "postponed":
            await unit.intents.postpone(first, later, NOW)
        else:
            await unit.intents.finish(first, IntentState.BLOCKED, NOW)

        due = [one.event_sequence for one in await unit.intents.due(NOW, 10)]
        due_later = [one.event_sequence for one in await unit.intents.due(later, 10)]

    assert due == [3]
    assert due_later == ([1, 2, 3] if held == "postponed" else [3])


def _intent(object_id: str, event_sequence: int) -> Intent:
    """Return the intent of some posting."""
    decision = deposit.decide(a_deposit(), a_fact(facts.DepositCaptured), situation())
    posting = replace(decision.postings[0], object_id=object_id, number=event_sequence)
    return Intent(
        object_type=ObjectType.DEPOSIT,
        posting=posting,
        row_id="",
        event_sequence=event_sequence,
        request=b"",
    )
