"""The laws of the gateway, on PostgreSQL: what holds in memory holds in its tables."""

import asyncio
import itertools
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncEngine

from services.local.databases import Databases
from services.platform.database import create_engine
from services.platform.settings import DatabaseSettings
from services.psp_gateway.adapters.postgres.unit import PostgresStore
from services.psp_gateway.wiring import new_id
from tests.fakes.gateway_laws import GatewayLaws
from tests.fakes.gateway_stored import stored_in_postgres
from tests.fakes.gateway_world import World


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """What the stories run on: Hypothesis has no loop of its own."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def engine(databases: Databases, loop: asyncio.AbstractEventLoop) -> Iterator[AsyncEngine]:
    """The gateway's database, as the service sees it."""
    database = DatabaseSettings(url=databases.url("psp_gateway"))  # type: ignore[arg-type]  # Pydantic wraps it.
    engine = create_engine(database, "laws")
    yield engine
    loop.run_until_complete(engine.dispose())


def test_laws_on_postgres(engine: AsyncEngine, loop: asyncio.AbstractEventLoop) -> None:
    """Every invariant holds after every step of stories whose rows are PostgreSQL's."""
    store, stories = PostgresStore(engine, new_id, "finance"), itertools.count(1)

    def new_world(now: datetime) -> World:
        # Each story is of a tenant of its own, who never sees another's rows.
        tenant_id = f"tenant-{next(stories)}"
        loop.run_until_complete(store.ensure_tenants([tenant_id], now))
        return World(store, lambda: stored_in_postgres(engine, tenant_id), now, tenant_id, loop)

    run_state_machine_as_test(
        lambda: GatewayLaws(new_world),
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
