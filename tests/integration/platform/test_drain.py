"""SIGTERM: what is in progress ends well, nothing new begins, and the process says goodbye."""

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.local.databases import Databases
from tests.fakes.ledger_process import LedgerProcess
from tests.fakes.ledger_server import asset, liability, transfer
from tests.fakes.ledger_sql import audit, head_locked, owner
from tests.fakes.refusals import refusal

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'vezne-ledger' AND wait_event_type = 'Lock'
    AND datname = current_database()
"""


async def someone_waits(databases: Databases) -> None:
    """Wait until the ledger waits for a lock."""
    async with owner(databases) as connection, asyncio.timeout(10):
        while not await connection.fetchval(WAITING):
            await asyncio.sleep(0.005)


async def test_a_call_in_progress_ends_well_after_sigterm(
    databases: Databases, process: LedgerProcess
) -> None:
    """The call that waits for its commit is answered; the process then ends with code 0."""
    async with (
        process.client() as client,
        grpc.aio.insecure_channel(f"127.0.0.1:{process.health_port}") as channel,
    ):
        await client.tenant("acme")
        await client.open("acme", asset("bank"), liability("player"))
        health = health_pb2_grpc.HealthStub(channel)

        async def state(name: str) -> int:
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            return answer.status

        async with head_locked(databases, "acme"):
            call = asyncio.create_task(client.post("acme", "last", transfer("bank", "player", 7)))
            await someone_waits(databases)
            await process.terminate()
            async with asyncio.timeout(10):
                while await state("readiness") == SERVING:
                    await asyncio.sleep(0.005)
            assert await state("") == NOT_SERVING
            assert await state("liveness") == SERVING
            assert not call.done()
            late = await refusal(client.posted("acme", "bank"))
        answer = await call
        code = await process.wait()

    assert late.code is grpc.StatusCode.UNAVAILABLE
    assert answer.posted.sequence == 1
    assert await audit(databases, "acme") == {"last"}
    assert code == 0
    assert "Traceback" not in process.said


async def test_an_idle_process_ends_at_once(process: LedgerProcess) -> None:
    """With nothing to do SIGTERM ends it with code 0 and without a word of failure."""
    await process.terminate()

    assert await process.wait() == 0
    assert "Traceback" not in process.said
    assert '"event":"stopped"' in process.said
