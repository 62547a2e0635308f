"""History cannot be changed: not by the service's role, and not by the owner either."""

import asyncpg
import pytest

from services.local.databases import Databases
from services.platform.migrations import head
from tests.fakes.ledger_server import LedgerClient, asset, liability, transfer
from tests.fakes.ledger_sql import owner
from tests.fakes.refusals import refusal

TENANT = "acme"
HISTORY = ("transactions", "entries", "refusals", "account_events", "account_requests")
CHANGES = ("UPDATE ledger.{} SET tenant_id = 'x'", "DELETE FROM ledger.{}", "TRUNCATE ledger.{}")


@pytest.fixture(scope="module", autouse=True)
async def books(ledger: LedgerClient) -> None:
    """A row in every table of the history."""
    await ledger.tenant(TENANT)
    await ledger.open(TENANT, asset("bank"), liability("player", min_available_minor=0))
    await ledger.post(TENANT, "in", transfer("bank", "player", 5))
    await refusal(ledger.post(TENANT, "out", transfer("player", "bank", 9)))


@pytest.mark.parametrize("table", HISTORY)
@pytest.mark.parametrize("change", CHANGES)
async def test_the_owner_cannot_change_history(
    databases: Databases, table: str, change: str
) -> None:
    """A trigger raises for UPDATE, DELETE and TRUNCATE, whoever asks."""
    async with owner(databases) as connection:
        assert await connection.fetchval(f"SELECT count(*) FROM ledger.{table}") > 0
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await connection.execute(change.format(table))


@pytest.mark.parametrize("table", [*HISTORY, "heads", "accounts"])
@pytest.mark.parametrize("change", CHANGES)
async def test_the_service_may_not_even_try(databases: Databases, table: str, change: str) -> None:
    """The service's role has no right to change history, nor to delete anything."""
    connection = await asyncpg.connect(databases.url("ledger"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(change.format(table))
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "column", ["account_id", "account_key", "currency_code", "kind", "create_time"]
)
async def test_the_service_cannot_change_what_an_account_is(
    databases: Databases, column: str
) -> None:
    """Of an account the service may change the policy only."""
    connection = await asyncpg.connect(databases.url("ledger"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"UPDATE ledger.accounts SET {column} = DEFAULT")
    finally:
        await connection.close()


async def test_the_service_cannot_alter_its_tables(databases: Databases) -> None:
    """The service's role owns nothing: it cannot drop a trigger or make a table."""
    connection = await asyncpg.connect(databases.url("ledger"))
    try:
        for statement in (
            "DROP TRIGGER immutable ON ledger.entries",
            "ALTER TABLE ledger.entries DISABLE TRIGGER immutable",
            "CREATE TABLE ledger.mine (one int)",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_every_table_is_guarded(databases: Databases) -> None:
    """A table that a later migration adds is either guarded or one of the two that change."""
    async with owner(databases) as connection:
        tables = {
            row["relname"]
            for row in await connection.fetch(
                "SELECT relname FROM pg_class WHERE relnamespace = 'ledger'::regnamespace"
                " AND relkind IN ('r', 'p')"
            )
        }
        guarded = {
            row["relname"]
            for row in await connection.fetch(
                "SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
                " WHERE c.relnamespace = 'ledger'::regnamespace"
                " AND t.tgname IN ('immutable', 'kept') AND t.tgenabled = 'O'"
                " GROUP BY c.relname HAVING count(*) = 2"
            )
        }

    assert guarded == set(HISTORY)
    assert tables - guarded == {"heads", "accounts", "schema_version"}


async def test_the_tables_are_those_of_the_last_migration(databases: Databases) -> None:
    """Migrating from nothing ends at the revision that the service asks for."""
    async with owner(databases) as connection:
        version = await connection.fetchval("SELECT version_num FROM ledger.schema_version")

    assert version == head("ledger")
