"""SIGTERM: what is in progress ends well, nothing new begins, and the process says goodbye."""

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.local.databases import Databases
from tests.fakes.ledger_process import LedgerProcess
from tests.fakes.ledger_server import asset, liability, transfer
from tests.fakes.ledger_sql import audit, head_locked, until_it_waits

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def state(process: LedgerProcess, name: str) -> int:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{process.health_port}") as channel:
        request = health_pb2.HealthCheckRequest(service=name)
        return (await health_pb2_grpc.HealthStub(channel).Check(request)).status


async def told_to_end(process: LedgerProcess) -> None:
    """Send SIGTERM, and wait until the process says that it is not ready any more."""
    await process.terminate()
    async with asyncio.timeout(10):
        while await state(process, "readiness") == SERVING:
            await asyncio.sleep(0.005)


async def test_a_call_in_progress_ends_well_after_sigterm(
    databases: Databases, process: LedgerProcess
) -> None:
    """The call that waits for its commit is answered; the process then ends with code 0."""
    async with process.client() as client:
        await client.tenant("acme")
        await client.open("acme", asset("bank"), liability("player"))
        async with head_locked(databases, "acme"):
            call = asyncio.create_task(client.post("acme", "last", transfer("bank", "player", 7)))
            await until_it_waits(databases)
            await told_to_end(process)
            assert await state(process, "") == NOT_SERVING
            assert await state(process, "liveness") == SERVING
            async with asyncio.timeout(10):
                while not await refuses_new_calls(process):
                    await asyncio.sleep(0.005)
            assert not call.done()
        answer = await call
        code = await process.wait()

    assert answer.posted.sequence == 1
    assert await audit(databases, "acme") == {"last"}
    assert code == 0
    assert "Traceback" not in process.said


async def refuses_new_calls(process: LedgerProcess) -> bool:
    async with process.client() as client:
        try:
            await client.posted("acme", "bank")
        except grpc.aio.AioRpcError as error:
            return error.code() is grpc.StatusCode.UNAVAILABLE
        return False


async def test_what_was_taken_is_decided_though_its_caller_left(
    databases: Databases, process: LedgerProcess
) -> None:
    """A request in the queue of a process that ends is committed before it goes."""
    async with process.client() as client:
        await client.tenant("left")
        await client.open("left", asset("bank"), liability("player"))
        async with head_locked(databases, "left"):
            call = asyncio.create_task(client.post("left", "r", transfer("bank", "player", 7)))
            await until_it_waits(databases)
            call.cancel()
            await asyncio.wait([call])
            await told_to_end(process)
        code = await process.wait()

    assert code == 0
    assert await audit(databases, "left") == {"r"}


async def test_an_idle_process_ends_at_once(process: LedgerProcess) -> None:
    """With nothing to do SIGTERM ends it with code 0 and without a word of failure."""
    await process.terminate()

    assert await process.wait() == 0
    assert "Traceback" not in process.said
    assert '"event":"stopped"' in process.said
