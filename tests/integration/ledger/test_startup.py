"""A ledger that cannot run says why in a sentence, and ends."""

import asyncio
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from services.local.databases import Databases, prepare, with_database
from services.local.postgres import LocalPostgres
from services.platform import migrations
from tests.fakes.ledger_process import ROOT, environment, run_to_the_end
from tests.fakes.ledger_sql import owner


@dataclass(frozen=True)
class Bad:
    """What is wrong, the variables that say so, the exit code, and words of the sentence."""

    variables: dict[str, str]
    code: int
    words: tuple[str, ...]


@pytest.fixture(scope="module")
def forgetful_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that does not wait for its disk."""
    server = LocalPostgres(tmp_path_factory.mktemp("forgetful") / "server", {"fsync": "off"})
    server.start()
    yield server.url()
    server.stop()
    server.forget()


# A server of an older release cannot be had here; to whoever asks for its version, this one is.
_OLD_SERVER = """
CREATE SCHEMA older;
GRANT USAGE ON SCHEMA older TO PUBLIC;
CREATE FUNCTION older.current_setting(text) RETURNS text LANGUAGE sql RETURN
    CASE $1 WHEN 'server_version_num' THEN '140019' ELSE pg_catalog.current_setting($1) END;
"""


async def variants(databases: Databases, taken: int, forgetful_url: str) -> dict[str, Bad]:
    good = databases.url("ledger")
    name = urlsplit(good).path.removeprefix("/")
    empty = await prepare(databases.owner_url, f"{name}_empty", databases.password)
    lax = await prepare(databases.owner_url, f"{name}_lax", databases.password)
    old = await prepare(databases.owner_url, f"{name}_old", databases.password)
    server = await prepare(databases.owner_url, f"{name}_server", databases.password)
    async with owner(server) as connection:
        await connection.execute(_OLD_SERVER)
        await connection.execute(
            f"ALTER DATABASE {name}_server SET search_path = older, pg_catalog"
        )
    async with owner(lax) as connection:
        await connection.execute(f"ALTER DATABASE {name}_lax SET synchronous_commit = off")
    async with owner(old) as connection:
        await connection.execute("CREATE SCHEMA ledger")
        await connection.execute("GRANT USAGE ON SCHEMA ledger TO vezne_ledger")
        await connection.execute("CREATE TABLE ledger.schema_version AS SELECT 'old' version_num")
        await connection.execute("GRANT SELECT ON ledger.schema_version TO vezne_ledger")
    nowhere = "postgresql://u:top-secret@127.0.0.1:1/db"
    return {
        "nothing set": Bad(environment(""), 2, ("VEZNE_LEDGER_DATABASE__URL: missing",)),
        "a misspelt setting": Bad(
            environment(good, QUEUE_MAXX="5", GRPC__PROT="1", COMMIT_MAX="0"),
            2,
            (
                "VEZNE_LEDGER_QUEUE_MAXX: unknown",
                "VEZNE_LEDGER_GRPC__PROT: unknown",
                "VEZNE_LEDGER_COMMIT_MAX: Input should be greater",
            ),
        ),
        "no tables": Bad(environment(empty.url("ledger")), 1, ("run: vezne migrate ledger",)),
        "another release's tables": Bad(
            environment(old.url("ledger")), 1, ("are at revision old", "run the release that made")
        ),
        "tables that it may not read": Bad(
            environment(databases.url("psp_gateway")), 1, ("permission denied for schema ledger",)
        ),
        "an old server": Bad(
            environment(server.url("ledger")), 1, ("PostgreSQL 15 or newer", "this server is 14")
        ),
        "no server": Bad(
            environment(nowhere), 1, ("cannot be reached", "correct VEZNE_LEDGER_DATABASE__URL")
        ),
        "no database": Bad(
            environment(with_database(good, "no_such")),
            1,
            ('"no_such" does not exist', "correct VEZNE_LEDGER_DATABASE__URL"),
        ),
        "a wrong password": Bad(
            environment(good.replace(databases.password, "wrong")), 1, ("password",)
        ),
        "commits that are not durable": Bad(
            environment(lax.url("ledger")), 1, ("synchronous_commit=off",)
        ),
        "a server that does not wait for its disk": Bad(
            environment(forgetful_url), 1, ("commits are not durable", "fsync=off")
        ),
        "a taken port": Bad(
            environment(good, GRPC__PORT=str(taken)), 1, (f":{taken} ", "VEZNE_LEDGER_GRPC__PORT")
        ),
        "a taken health port": Bad(
            environment(good, GRPC__HEALTH_PORT=str(taken)),
            1,
            (f":{taken} ", "VEZNE_LEDGER_GRPC__HEALTH_PORT"),
        ),
        "a taken metrics port": Bad(
            environment(good, GRPC__METRICS_PORT=str(taken)), 1, (f":{taken} ", "METRICS_PORT")
        ),
    }


@pytest.fixture(scope="module")
async def ends(
    databases: Databases, forgetful_url: str
) -> AsyncIterator[dict[str, tuple[Bad, int | None, str]]]:
    """How each ended; two at a time, because most of it is Python's own start."""
    turn = asyncio.Semaphore(2)

    async def end(bad: Bad) -> tuple[Bad, int | None, str]:
        async with turn:
            return bad, *await run_to_the_end(bad.variables)

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        cases = await variants(databases, listening.getsockname()[1], forgetful_url)
        found = await asyncio.gather(*(end(bad) for bad in cases.values()))
    yield dict(zip(cases, found, strict=True))
    async with owner(databases) as connection:
        for suffix in ("empty", "lax", "old", "server"):
            name = await connection.fetchval("SELECT current_database()")
            await connection.execute(f"DROP DATABASE {name}_{suffix} WITH (FORCE)")


NAMES = [
    "nothing set",
    "a misspelt setting",
    "no tables",
    "another release's tables",
    "tables that it may not read",
    "an old server",
    "no server",
    "no database",
    "a wrong password",
    "commits that are not durable",
    "a server that does not wait for its disk",
    "a taken port",
    "a taken health port",
    "a taken metrics port",
]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_wrong_is_said_in_a_sentence(
    ends: dict[str, tuple[Bad, int | None, str]], name: str
) -> None:
    """The exit code, one line a problem, the words that help, no trace and no secret."""
    bad, code, said = ends[name]
    # gRPC's own library says something of a port as well.
    lines = [line for line in said.splitlines() if not re.match(r"[A-Z][0-9]{4} ", line)]

    assert code == bad.code, said
    for word in bad.words:
        assert word in said
    assert len(lines) == len(bad.words) if code == 2 else len(lines) == 1, said
    assert said.count("cannot be reached") <= 1, said
    assert "sqlalchemy" not in said
    assert "Traceback" not in said
    assert "top-secret" not in said


def test_every_case_is_looked_at(ends: dict[str, tuple[Bad, int | None, str]]) -> None:
    """The names above are all of the cases."""
    assert list(ends) == NAMES


def test_older_tables_are_migrated_and_newer_ones_are_not() -> None:
    """What this release knows it can bring forwards; anything else a newer release has made."""
    assert migrations._advice("ledger", migrations.head("ledger")) == "run: vezne migrate ledger"
    assert migrations._advice("ledger", "from_later") == "run the release that made them"


async def test_a_newer_releases_tables_are_not_migrated(databases: Databases) -> None:
    """The command says in one sentence what is wrong, and leaves the tables as they are."""
    name = f"{urlsplit(databases.owner_url).path.removeprefix('/')}_newer"
    newer = await prepare(databases.owner_url, name, databases.password)
    await asyncio.to_thread(migrations.migrate, "ledger", newer.owner_url)
    async with owner(newer) as connection:
        await connection.execute("UPDATE ledger.schema_version SET version_num = 'from_later'")
    command = [sys.executable, "-c", "from services.cli.main import app; app()", "migrate"]
    process = await asyncio.create_subprocess_exec(
        *(*command, "ledger", "--url", newer.owner_url),
        env=environment(""),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert b"are those of a newer release" in said
    assert b"Traceback" not in said
    async with owner(databases) as connection:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_two_migrations_at_once_make_one_schema(databases: Databases) -> None:
    """From nothing, two commands at the same time: one makes the tables, the other finds them."""
    name = f"{urlsplit(databases.owner_url).path.removeprefix('/')}_both"
    both = await prepare(databases.owner_url, name, databases.password)
    code = (
        f"from services.platform.migrations import migrate; migrate('ledger', {both.owner_url!r})"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, env=environment(""), cwd=ROOT
        )
        for _ in range(2)
    ]
    assert [await process.wait() for process in processes] == [0, 0]
    await asyncio.to_thread(migrations.migrate, "ledger", both.owner_url)
    async with owner(both) as connection:
        assert await connection.fetchval("SELECT count(*) FROM ledger.schema_version") == 1
        assert await connection.fetchval("SELECT count(*) FROM ledger.heads") == 0
    async with owner(databases) as connection:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_no_migration_offers_a_way_back() -> None:
    """What was recorded is kept: a release is left forwards, so no script has a downgrade."""
    scripts = sorted(migrations._folder("ledger").joinpath("versions").glob("*.py"))

    assert scripts
    for script in scripts:
        assert "def downgrade" not in script.read_text("utf-8")
