"""The unit of work on a real PostgreSQL: one transaction, one commit, a pool that stays whole."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.local.databases import Databases
from services.platform.database import (
    DatabaseUnavailableError,
    DatabaseUnfitError,
    autocommit,
    check_fit,
    create_engine,
    unit_of_work,
)
from services.platform.settings import DatabaseSettings

COUNT = "SELECT count(*) FROM notes WHERE note = $1"
INSERT = "INSERT INTO notes VALUES ($1)"
END_MYSELF = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
async def engine(databases: Databases) -> AsyncIterator[AsyncEngine]:
    """An engine with one connection, so that whoever leaks it or soils it is found out."""
    made = create_engine(DatabaseSettings(url=databases.owner_url, pool_size=1), "test")
    async with autocommit(made) as driver:
        await driver.execute("CREATE TABLE IF NOT EXISTS notes (note text)")
    yield made
    await made.dispose()


async def kept(engine: AsyncEngine, note: str) -> bool:
    """Whether the note is stored, seen by a connection that is in no transaction."""
    async with autocommit(engine) as driver:
        assert not driver.is_in_transaction()
        return bool(await driver.fetchval(COUNT, note))


@pytest.mark.parametrize("commits", [True, False])
async def test_the_drivers_work_is_kept_exactly_if_committed(
    engine: AsyncEngine, commits: bool
) -> None:
    """What was done on the driver's connection is durable after commit, and gone without."""
    note = f"driver-{commits}"
    async with unit_of_work(engine) as work:
        driver = await work.driver()
        await driver.execute(INSERT, note)
        if commits:
            await work.commit()

    assert await kept(engine, note) is commits


@pytest.mark.parametrize("commits", [True, False])
async def test_the_driver_joins_a_transaction_that_was_begun(
    engine: AsyncEngine, commits: bool
) -> None:
    """A statement and the driver's COPY after it are kept, or not, as one."""
    names = [f"{part}-{commits}" for part in ("statement", "copy")]
    async with unit_of_work(engine) as work:
        await work.connection.execute(text("INSERT INTO notes VALUES (:note)"), {"note": names[0]})
        driver = await work.driver()
        await driver.copy_records_to_table("notes", records=[(names[1],)])
        if commits:
            await work.commit()

    assert [await kept(engine, name) for name in names] == [commits] * 2


async def test_a_statement_that_fails_leaves_a_clean_connection(engine: AsyncEngine) -> None:
    """The error is the statement's own, nothing is kept, and the connection serves the next."""

    async def fails() -> None:
        async with unit_of_work(engine) as work:
            driver = await work.driver()
            await driver.execute(INSERT, "failed")
            await driver.execute("SELECT FROM nowhere")

    with pytest.raises(asyncpg.UndefinedTableError):
        await fails()
    assert not await kept(engine, "failed")


async def test_a_failed_statement_does_not_tell_its_values(engine: AsyncEngine) -> None:
    """What goes wrong is logged as text, and the values may be a player's."""
    with pytest.raises(DBAPIError) as failed:
        async with unit_of_work(engine) as work:
            await work.connection.execute(text("SELECT :note FROM nowhere"), {"note": "a-player"})

    assert "nowhere" in str(failed.value)
    assert "a-player" not in str(failed.value)


async def test_a_cancelled_unit_leaves_a_clean_connection(engine: AsyncEngine) -> None:
    """Cancelled in a statement, it stays a cancellation, and the connection serves the next."""
    began = asyncio.Event()

    async def waits() -> None:
        async with unit_of_work(engine) as work:
            driver = await work.driver()
            await driver.execute(INSERT, "cancelled")
            began.set()
            await driver.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(waits())
    await began.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not await kept(engine, "cancelled")


async def test_a_commit_that_is_lost_is_unavailable_and_leaves_the_pool_whole(
    engine: AsyncEngine,
) -> None:
    """A backend that is gone at the commit is told as such; the pool has another at once."""

    async def loses() -> None:
        async with unit_of_work(engine) as work:
            driver = await work.driver()
            await driver.execute(INSERT, "lost")
            with pytest.raises(asyncpg.AdminShutdownError):
                await driver.execute(END_MYSELF)
            await work.commit()

    with pytest.raises(DatabaseUnavailableError):
        await loses()
    assert not await kept(engine, "lost")


async def test_each_statement_of_autocommit_is_kept(engine: AsyncEngine) -> None:
    """Outside a transaction what was done before a failure stays."""

    async def fails() -> None:
        async with autocommit(engine) as driver:
            await driver.execute(INSERT, "alone")
            await driver.execute("SELECT FROM nowhere")

    with pytest.raises(asyncpg.UndefinedTableError):
        await fails()
    assert await kept(engine, "alone")


@pytest.mark.parametrize("limit", ["statement", "lock"])
async def test_a_connection_never_waits_past_its_limits(
    databases: Databases, engine: AsyncEngine, limit: str
) -> None:
    """A statement that runs too long, or waits too long for a lock, is ended by the server."""
    settings = DatabaseSettings.model_validate(
        {"url": databases.owner_url, f"{limit}_timeout_s": 0.05}
    )
    hurried = create_engine(settings, "test")
    async with unit_of_work(engine) as work:
        await work.connection.execute(text("LOCK TABLE notes"))
        with pytest.raises(DatabaseUnavailableError, match=f"due to {limit} timeout"):
            async with asyncio.timeout(5), autocommit(hurried) as driver:
                await driver.execute("SELECT FROM notes")
    await hurried.dispose()


@pytest.mark.parametrize("level", ["on", "local", "remote_write", "remote_apply", "off"])
async def test_only_commits_that_reach_the_disk_are_fit(engine: AsyncEngine, level: str) -> None:
    """Each level that waits for the primary's own disk will do; the one that does not is refused.

    What they ask of standbys beside it is the operator's choice.
    """
    async with autocommit(engine) as driver:
        await driver.execute(f"SET synchronous_commit = {level}")

    refused = pytest.raises(DatabaseUnfitError, match="=off")
    with refused if level == "off" else nullcontext():
        await check_fit(engine)
