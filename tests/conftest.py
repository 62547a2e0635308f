"""What tests of several levels share: a real PostgreSQL, and a fresh database where asked."""

import asyncio
import gc
import logging
import os
import secrets
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import structlog
from hypothesis import settings

from services.local.databases import Databases, migrate_all, prepare, with_database
from services.local.postgres import LocalPostgres

# Before anything imports gRPC: tests start PostgreSQL while servers run, and gRPC's fork handlers
# crash the child now and then, before it becomes PostgreSQL.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# The same examples in every run, and no clock on them: the machines that test are busy.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")
# Plain lines: structlog's default draws every failure that a test provokes, which takes seconds.
structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
)

TEMPLATE = "vezne_test_template"
PASSWORD = secrets.token_hex(12)


def pytest_unconfigure() -> None:
    """Let go of what would keep every module of tests alive beyond the interpreter's end.

    Hypothesis measures the garbage collector by a callback that it never takes back; the
    interpreter holds it to the very last, and all that it reaches with it. DuckDB's binding then
    counts itself as leaked, in a hundred lines, although every connection is closed.
    """
    gc.callbacks.clear()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPostgres | None]:
    """Our own PostgreSQL server; None where VEZNE_TEST_DATABASE_URL points to another."""
    if os.environ.get("VEZNE_TEST_DATABASE_URL"):
        yield None
        return
    server = LocalPostgres(tmp_path_factory.mktemp("postgres") / "server")
    server.start()
    yield server
    server.stop()
    # As root its data stands outside of pytest's folder, which its user may not enter.
    server.forget()


@pytest.fixture(scope="session")
def server_url(postgres_server: LocalPostgres | None) -> str:
    """The URL of a role that may make databases and roles."""
    if postgres_server is None:
        return os.environ["VEZNE_TEST_DATABASE_URL"]
    return postgres_server.url()


@pytest.fixture(scope="session")
def template(server_url: str) -> Databases:
    """A database with every service's schema, to copy."""

    async def emptied() -> Databases:
        connection = await asyncpg.connect(server_url)
        await connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
        await connection.close()
        return await prepare(server_url, TEMPLATE, PASSWORD)

    databases = asyncio.run(emptied())
    migrate_all(databases)
    return databases


@pytest.fixture(scope="module")
async def databases(server_url: str, template: Databases) -> AsyncIterator[Databases]:
    """A fresh database with every service's schema, for one module of tests."""
    name = f"vezne_test_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(server_url)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield Databases(with_database(server_url, name), template.password)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()
