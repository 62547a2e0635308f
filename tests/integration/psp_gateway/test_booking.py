"""The booking of a report's lines: their order, and those that wait for what never comes."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.local.mock_psp.books import Books
from services.local.mock_psp.settlement import Period, render
from services.psp_gateway.adapters.postgres.connection import connected
from services.psp_gateway.adapters.postgres.objects_reader import PostgresObjectReader
from services.psp_gateway.adapters.postgres.reports import PostgresReportStore
from services.psp_gateway.adapters.postgres.unit import PostgresStore
from services.psp_gateway.application.background import Background
from services.psp_gateway.application.booking import ATTEMPTS_MAX, Booking
from services.psp_gateway.application.providers import Connections
from services.psp_gateway.application.reading import Request
from services.psp_gateway.application.records import Identity
from services.psp_gateway.application.report_ports import ReportState
from services.psp_gateway.application.settlement import FetchReport, Settlement
from services.psp_gateway.domain.exceptions import ExceptionKind
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.objects import DepositState, Refund, RefundState
from services.psp_gateway.wiring import new_id
from tests.fakes.gateway_rows import a_deposit
from tests.fakes.gateway_stored import stored_in_postgres
from tests.fakes.gateway_world import World
from tests.fakes.provider_news import AT

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MONDAY = Period(1, NOON - DAY / 2, NOON + DAY / 2)
DEPOSITS = 8
"""As many as are booked side by side."""


@pytest.fixture
async def world(engine: AsyncEngine) -> World:
    """A gateway over PostgreSQL, of a tenant of its own."""
    tenant_id = f"tenant-{uuid4()}"
    store = PostgresStore(engine, new_id, "finance")
    await store.ensure_tenants([tenant_id], NOON)
    loop = asyncio.get_running_loop()
    return World(store, lambda: stored_in_postgres(engine, tenant_id), NOON, tenant_id, loop)


@pytest.fixture
def reports(engine: AsyncEngine) -> PostgresReportStore:
    """What is stored of reports."""
    return PostgresReportStore(engine)


@pytest.fixture
def settlement(world: World, engine: AsyncEngine, reports: PostgresReportStore) -> Settlement:
    """The use cases of reports."""
    reader = PostgresObjectReader(engine)
    return Settlement(
        world.store,
        reader,
        reports,
        Booking(world.store, reader, world.facts, lambda: world.now),
        world.ledger,
        Connections({AT: world.connection}),
        Background(),
        lambda: world.now,
        new_id,
    )


async def test_lines_of_one_object_are_booked_one_after_another(
    world: World, settlement: Settlement, reports: PostgresReportStore
) -> None:
    """No line waits for one that stands before it in the file: one round books all of them."""
    books = Books(AT.provider_account)
    for _ in range(DEPOSITS):
        await refunded(world, books, await paid(world, books, NOON))
    report_id = await fetched(world, settlement, reports, books)

    await settlement.book(world.tenant_id, report_id)

    found = await reports.record(world.tenant_id, report_id)
    assert found is not None
    assert found.report.line_count == found.processed_line_count == 2 * DEPOSITS
    stored = await world.read()
    assert [row.state for row in stored.of(Refund)] == [RefundState.SUCCEEDED] * DEPOSITS


async def test_a_line_that_waits_for_ever_reaches_people(
    world: World, settlement: Settlement, reports: PostgresReportStore, engine: AsyncEngine
) -> None:
    """The capture that it takes back is in no report: after so many tries a person hears of it."""
    books = Books(AT.provider_account)
    intent_id = await paid(world, books, NOON - DAY)
    books.payment_intents.fail_capture(intent_id, "no_funds", NOON)
    report_id = await fetched(world, settlement, reports, books)
    async with connected(engine) as driver:
        await driver.execute(
            "UPDATE psp_gateway.settlement_report_lines SET attempt_count = $2"
            " WHERE tenant_id = $1",
            world.tenant_id,
            ATTEMPTS_MAX - 1,
        )

    await settlement.book(world.tenant_id, report_id)
    [waiting] = await reports.waiting_lines(world.tenant_id, report_id)
    assert waiting.attempt_count == ATTEMPTS_MAX
    assert not (await world.read()).exceptions

    await settlement.book(world.tenant_id, report_id)
    found = await reports.record(world.tenant_id, report_id)
    assert found is not None
    assert found.report.state is ReportState.BOOKED
    assert found.exception_count == 1
    stored = await world.read()
    assert stored.exceptions == [ExceptionKind.REPORT_UNKNOWN_OBJECT]
    assert not stored.intents


async def paid(world: World, books: Books, at: datetime) -> str:
    """Let a player pay at the provider, of which we have not heard; return the provider's id."""
    deposit = a_deposit(DepositState.PROCESSING, deposit_id=str(uuid4()))
    await world.create(deposit)
    intent = books.payment_intents.create(
        deposit.deposit_id,
        reference=deposit.deposit_id,
        amount_minor=deposit.asked.minor_units,
        currency="EUR",
        now=at,
    ).value
    books.payment_intents.confirm(intent.intent_id, at)
    books.funds.make_available(at)
    async with world.store.open(world.tenant_id) as unit:
        ours = Identity(ObjectType.DEPOSIT, deposit.deposit_id, 1)
        await unit.attempts.register(AT, intent.intent_id, ours)
        await unit.commit()
    return intent.intent_id


async def refunded(world: World, books: Books, intent_id: str) -> None:
    """Let all of it be given back in the provider's dashboard, of which we know only that it is."""
    refund = books.refunds.create(
        intent_id, intent_id=intent_id, amount_minor=5_000, reference="", now=NOON
    ).value
    books.refunds.succeed(refund.refund_id, NOON)
    async with world.store.open(world.tenant_id) as unit:
        deposit = await unit.attempts.identify(AT, ObjectType.DEPOSIT, intent_id, "")
        assert deposit is not None
        ours = Identity(ObjectType.REFUND, str(uuid4()), 0, deposit.object_id)
        await unit.attempts.register(AT, refund.refund_id, ours)
        await unit.commit()


async def fetched(
    world: World, settlement: Settlement, reports: PostgresReportStore, books: Books
) -> UUID:
    """Store the provider's report of Monday; return its id."""
    request = Request(
        tenant_id=world.tenant_id, request_id="day-1", method="Fetch", request_hash=b""
    )
    asked = FetchReport(request=request, at=AT, business_date=NOON.date())
    content = render(AT.provider_account, MONDAY, books.rows)
    await settlement._store_one(asked, world.connection, content)
    [found] = await reports.of_date(world.tenant_id, AT, NOON.date())
    assert found.report.state is ReportState.BOOKING, found.report.refusal_message
    return found.report.report_id
