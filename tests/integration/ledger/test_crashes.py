"""Whatever dies in the middle of posting: what was acknowledged is stored, and once."""

import asyncio
from pathlib import Path

import asyncpg
import grpc
import pytest

from services.local.databases import Databases, migrate_all, prepare
from services.local.postgres import LocalPostgres
from tests.fakes.ledger_process import LedgerProcess
from tests.fakes.ledger_server import (
    LedgerClient,
    asset,
    liability,
    running_ledger,
    settings,
    transfer,
)
from tests.fakes.ledger_sql import audit, head_locked, owner
from tests.fakes.refusals import refusal

RETRY_S = 0.02
PATIENCE_S = 30.0
CALLERS, EACH = 12, 12
OURS = "pg_stat_activity WHERE application_name = 'vezne-ledger' AND datname = current_database()"
END_BACKENDS = f"SELECT pg_terminate_backend(pid) FROM {OURS}"
END_WAITING = f"{END_BACKENDS} AND wait_event_type = 'Lock'"
AWAY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
}


class Callers:
    """Clients that each post one after the other, and retry until they are answered."""

    def __init__(self, client: LedgerClient, tenant_id: str) -> None:
        self._client = client
        self._tenant_id = tenant_id
        self.acknowledged: set[str] = set()
        self.failures = 0

    async def open_books(self) -> None:
        await self._client.tenant(self._tenant_id)
        await self._client.open(
            self._tenant_id, asset("bank"), liability("player", min_available_minor=0)
        )

    async def post_all(self) -> None:
        await asyncio.gather(*(self._caller(number) for number in range(CALLERS)))

    async def _caller(self, number: int) -> None:
        for own in range(EACH):
            await self._until_answered(f"r{number}-{own}")

    async def _until_answered(self, request_id: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await self._client.post(
                        self._tenant_id, request_id, transfer("bank", "player", 1)
                    )
                except grpc.aio.AioRpcError as error:
                    if error.code() not in AWAY:
                        raise
                    self.failures += 1
                    await asyncio.sleep(RETRY_S)
                else:
                    self.acknowledged.add(request_id)
                    return

    async def reached(self, count: int) -> set[str]:
        """Wait until so many were acknowledged; return which."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.acknowledged) < count:
                await asyncio.sleep(0.001)
        return set(self.acknowledged)

    async def all_is_well(self, databases: Databases) -> None:
        """Every request was acknowledged, and the book holds each once."""
        posted = await audit(databases, self._tenant_id, ["player"])
        assert posted == self.acknowledged
        assert len(posted) == CALLERS * EACH
        assert await self._client.posted(self._tenant_id, "player") == CALLERS * EACH


async def test_postgresql_that_crashes_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Two power cuts of the database in the middle: the service recovers by itself."""
    server = LocalPostgres(tmp_path / "server")
    await asyncio.to_thread(server.start)
    try:
        databases = await prepare(server.url(), "vezne", "secret")
        await asyncio.to_thread(migrate_all, databases)
        async with running_ledger(settings(databases.url("ledger"))) as client:
            callers = Callers(client, "acme")
            await callers.open_books()
            posting = asyncio.create_task(callers.post_all())
            for count in (30, 80):
                before = await callers.reached(count)
                await asyncio.to_thread(server.crash)
                await asyncio.to_thread(server.start)
                assert before <= await audit(databases, "acme")
            await posting

            await callers.all_is_well(databases)
            assert callers.failures > 0
    finally:
        await asyncio.to_thread(server.stop)
        server.forget()


async def test_connections_that_are_ended_lose_and_double_nothing(databases: Databases) -> None:
    """Backends terminated at forty moments of the units of work, some at their commits."""
    ended = 0

    async def end_them() -> None:
        nonlocal ended
        async with owner(databases) as connection:
            for _ in range(40):
                ended += len(await connection.fetch(END_BACKENDS))
                await asyncio.sleep(0.01)

    async with running_ledger(settings(databases.url("ledger"))) as client:
        callers = Callers(client, "ended")
        await callers.open_books()
        await asyncio.gather(callers.post_all(), end_them())
        await callers.all_is_well(databases)

    assert ended > 3
    assert callers.failures > 0


async def test_lost_connections_do_not_pile_up(databases: Databases) -> None:
    """However often one connection is lost, the process holds no more than its pool."""
    async with running_ledger(settings(databases.url("ledger"))) as client:
        callers = Callers(client, "pool")
        await callers.open_books()
        for number in range(8):
            async with head_locked(databases, "pool"):
                call = asyncio.create_task(
                    client.post("pool", f"r{number}", transfer("bank", "player", 1))
                )
                await asyncio.gather(*(client.posted("pool", "bank") for _ in range(6)))
                await end_whoever_waits(databases)
                assert (await refusal(call)).reason == "UNAVAILABLE"
        async with owner(databases) as connection:
            held = await connection.fetch(f"SELECT pid FROM {OURS}")

    assert len(held) <= 10


async def test_connections_lost_while_idle_fail_nobody(databases: Databases) -> None:
    """After the database ended all idle connections the next callers get new ones, unharmed."""
    async with running_ledger(settings(databases.url("ledger"))) as client:
        callers = Callers(client, "idle")
        await callers.open_books()
        await asyncio.gather(*(client.posted("idle", "bank") for _ in range(10)))
        async with owner(databases) as connection, asyncio.timeout(PATIENCE_S):
            await connection.execute(END_BACKENDS)
            while await connection.fetch(f"SELECT pid FROM {OURS}"):
                await asyncio.sleep(0.005)
        await asyncio.gather(*(client.posted("idle", "bank") for _ in range(10)))
        answer = await client.post("idle", "r", transfer("bank", "player", 1))

    assert answer.posted.sequence == 1


async def end_whoever_waits(databases: Databases) -> None:
    """Terminate the ledger's backend that waits for a lock, once there is one."""
    async with owner(databases) as connection, asyncio.timeout(PATIENCE_S):
        while not await connection.fetch(END_WAITING):
            await asyncio.sleep(0.005)


async def test_a_database_that_only_reads_is_unavailable_until_it_writes(
    databases: Databases,
) -> None:
    """A standby in the primary's place refuses for a while; the retry passes afterwards."""
    async with running_ledger(settings(databases.url("ledger"))) as client:
        callers = Callers(client, "standby")
        await callers.open_books()
        async with owner(databases) as connection:
            name = await connection.fetchval("SELECT quote_ident(current_database())")
            setting = f"ALTER DATABASE {name} {{}} default_transaction_read_only {{}}"
            await connection.execute(setting.format("SET", "= on"))
            await connection.execute(END_BACKENDS)
            reasons = {
                (await refusal(client.post("standby", "r", transfer("bank", "player", 1)))).reason
                for _ in range(3)
            }
            await connection.execute("SET default_transaction_read_only = off")
            await connection.execute(setting.format("RESET", ""))
        answer = await client.post("standby", "r", transfer("bank", "player", 1))

    assert reasons == {"UNAVAILABLE"}
    assert not answer.replayed


async def test_a_ledger_that_is_killed_loses_and_doubles_nothing(databases: Databases) -> None:
    """Kill -9 of the process in the middle of posting, twice; its successor knows everything."""
    process = await LedgerProcess.start(databases.url("ledger"))
    async with process.client() as client:
        callers = Callers(client, "killed")
        await callers.open_books()
        posting = asyncio.create_task(callers.post_all())
        for count in (30, 80):
            before = await callers.reached(count)
            await process.kill()
            assert before <= await audit(databases, "killed", ["player"])
            process = await LedgerProcess.start(databases.url("ledger"), process.port)
        await posting

        await callers.all_is_well(databases)
        assert callers.failures > 0
    await process.kill()


async def test_a_password_that_changed_is_unavailable_not_a_crash(databases: Databases) -> None:
    """A role whose password was rotated under the service is told as UNAVAILABLE."""
    role = "vezne_rotated"
    async with owner(databases) as connection:
        await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'first' IN ROLE vezne_ledger")
        url = databases.url("ledger").replace("vezne_ledger:", f"{role}:")
        url = url.replace(databases.password, "first")
        try:
            async with running_ledger(settings(url)) as client:
                await client.tenant("rotated")
                await connection.execute(f"ALTER ROLE {role} PASSWORD 'changed'")
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1",
                    role,
                )
                reasons = {
                    (await refusal(client.posted("rotated", "bank"))).reason for _ in range(3)
                }
        finally:
            await connection.execute(f"DROP ROLE {role}")

    assert reasons == {"UNAVAILABLE"}
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)
