"""Migrations: Alembic, one schema and one version table a service, run by a command or a Job.

A service never migrates at its start; it refuses to start on tables that are not its own.
"""

import asyncio
from importlib.resources import files
from pathlib import Path

import asyncpg
from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, column, pool, select, table, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.kernel.invariant import present
from services.platform.database import (
    DatabaseUnfitError,
    async_url,
    driver_error,
    sentence_of,
    unit_of_work,
)

SERVICES = ("ledger", "psp_gateway", "reconciliation")
# Two migrations at once wait for one another here; any constant does.
_ADVISORY_LOCK = 0x76657A6E65


def _config(service: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_folder(service)))
    config.attributes["service"] = service
    return config


def _folder(service: str) -> Path:
    return Path(str(files("services").joinpath(service, "migrations")))


def head(service: str) -> str:
    """Return the revision that this release needs."""
    found = ScriptDirectory.from_config(_config(service)).get_current_head()
    return found or ""


def migrate(service: str, url: str, revision: str = "head") -> None:
    """Bring the service's schema to `revision`. `url` is that of a role that owns the schema.

    Raises:
        DatabaseUnfitError: its tables are those of a release that this one does not know.
    """
    config = _config(service)
    config.attributes["url"] = url
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise DatabaseUnfitError(
            f"the {service}'s tables are those of a newer release; migrate with that release"
        ) from error


def run_environment() -> None:
    """Run the migrations that Alembic was configured for: the body of each env.py."""
    asyncio.run(_run(context.config))


async def _run(config: Config) -> None:
    engine = create_async_engine(async_url(config.attributes["url"]), poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run_sync, config.attributes["service"])
            await connection.commit()
    finally:
        await engine.dispose()


def _run_sync(connection: Connection, service: str) -> None:
    connection.execute(text("SET lock_timeout = '10s'"))
    connection.execute(text("SET statement_timeout = '15min'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {service}"))
    context.configure(
        connection=connection,
        version_table="schema_version",
        version_table_schema=service,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def execute_script(migration_file: str) -> None:
    """Run the SQL that stands beside a migration, under its name with `.sql`."""
    script = Path(migration_file).with_suffix(".sql").read_text("utf-8")
    driver = present(
        context.get_bind().connection.dbapi_connection, "a migration runs on an open connection"
    )
    # asyncpg's own execute takes several statements, which a prepared statement cannot.
    driver.run_async(lambda connection: connection.execute(script))


async def current(engine: AsyncEngine, service: str) -> str | None:
    """Return the revision of the service's schema, or None if it was never migrated."""
    async with unit_of_work(engine) as work:
        try:
            found = await work.connection.scalar(
                select(column("version_num")).select_from(table("schema_version", schema=service))
            )
        except ProgrammingError as error:
            if isinstance(driver_error(error), asyncpg.UndefinedTableError):
                return None
            raise
    return None if found is None else str(found)


async def check_migrated(engine: AsyncEngine, service: str) -> None:
    """Check that the tables are those of this release.

    Raises:
        DatabaseUnfitError: they are missing, older or newer, or this role may not read them.
    """
    try:
        found = await current(engine, service)
    except ProgrammingError as error:
        raise DatabaseUnfitError(
            f"the {service}'s tables cannot be read: {sentence_of(error)}; connect as its own role"
        ) from error
    if found is None:
        raise DatabaseUnfitError(
            f"the database has no tables of the {service}; run: vezne migrate {service}"
        )
    needed = head(service)
    if found != needed:
        raise DatabaseUnfitError(
            f"the {service}'s tables are at revision {found} and this release needs {needed}; "
            f"{_advice(service, found)}"
        )


def _advice(service: str, found: str) -> str:
    """Return what to do about tables of another release; a release knows those before it."""
    script = ScriptDirectory.from_config(_config(service))
    if found in {known.revision for known in script.walk_revisions()}:
        return f"run: vezne migrate {service}"
    return "run the release that made them"
