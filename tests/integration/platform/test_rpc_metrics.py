"""Metrics as they are scraped: each RPC is counted once, by how it ended for its caller."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import grpc
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.kernel.errors import Category, DomainError
from tests.fakes.ledger_server import transfer
from tests.fakes.scripted_server import EXPORT, POST, Deed, Script, answers, hangs, playing, raises
from vezne.ledger.v1.journal_service_pb2 import ExportEntriesRequest
from vezne.ledger.v1.journal_service_pb2_grpc import JournalServiceStub
from vezne.ledger.v1.posting_service_pb2 import PostTransactionRequest
from vezne.ledger.v1.posting_service_pb2_grpc import PostingServiceStub

HANDLED = "grpc_server_handled_total"
SECONDS = "grpc_server_handling_seconds"
IN_PROGRESS = "grpc_server_in_progress"
REQUEST = PostTransactionRequest(
    tenant_id="acme", request_id="r-1", transaction=transfer("bank", "player", 7)
)
CRASH = raises(RuntimeError("a bug"))
NOT_FOUND = raises(DomainError("ACCOUNT_NOT_FOUND", Category.NOT_FOUND, "no such account"))

Scraped: TypeAlias = "Counter[tuple[str, ...]]"
"""Values by a sample's name and then its labels' values."""


async def scrape(port: int | None) -> Scraped:
    """Read /metrics, as a Prometheus server does, without the histogram's buckets."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    found: Scraped = Counter()
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if sample.name in {HANDLED, f"{SECONDS}_count", f"{SECONDS}_sum", IN_PROGRESS}:
                labels = [sample.labels.get(name) for name in ("grpc_method", "grpc_code")]
                found[(sample.name, *filter(None, labels))] = sample.value
    return found


@asynccontextmanager
async def serving(deed: Deed) -> AsyncIterator[tuple[Script, grpc.aio.Channel, int | None]]:
    script = Script([deed])
    async with (
        playing(script, metrics_port=0, default_deadline_s=0.2) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield script, channel, server.metrics_port


async def posted(channel: grpc.aio.Channel, _script: Script) -> None:
    await PostingServiceStub(channel).PostTransaction(REQUEST)


async def misshapen(channel: grpc.aio.Channel, _script: Script) -> None:
    await PostingServiceStub(channel).PostTransaction(PostTransactionRequest(tenant_id="No!"))


async def late(channel: grpc.aio.Channel, _script: Script) -> None:
    await PostingServiceStub(channel).PostTransaction(REQUEST, timeout=0.1)


async def left(channel: grpc.aio.Channel, script: Script) -> None:
    call = PostingServiceStub(channel).PostTransaction(REQUEST, timeout=30)
    await script.called.wait()
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call


async def streamed(channel: grpc.aio.Channel, _script: Script) -> None:
    request = ExportEntriesRequest(tenant_id="acme")
    async for _ in JournalServiceStub(channel).ExportEntries(request):
        pass


async def stream_left(channel: grpc.aio.Channel, _script: Script) -> None:
    call = JournalServiceStub(channel).ExportEntries(ExportEntriesRequest(tenant_id="acme"))
    await call.read()
    call.cancel()


Call = Callable[[grpc.aio.Channel, Script], Awaitable[None]]
CASES: dict[str, tuple[Call, Deed, str, str]] = {
    "answered": (posted, answers, POST, "OK"),
    "refused": (posted, NOT_FOUND, POST, "NOT_FOUND"),
    "a wrong shape": (misshapen, answers, POST, "INVALID_ARGUMENT"),
    "crashed": (posted, CRASH, POST, "INTERNAL"),
    "past our deadline": (posted, hangs, POST, "DEADLINE_EXCEEDED"),
    "past the caller's deadline": (late, hangs, POST, "DEADLINE_EXCEEDED"),
    "left by its caller": (left, hangs, POST, "CANCELLED"),
    "a stream": (streamed, answers, EXPORT, "OK"),
    "a stream that crashed": (streamed, CRASH, EXPORT, "INTERNAL"),
    "a stream left by its caller": (stream_left, hangs, EXPORT, "CANCELLED"),
}


@pytest.mark.parametrize(("call", "deed", "method", "code"), CASES.values(), ids=CASES)
async def test_an_rpc_is_counted_once_by_how_it_ended(
    call: Call, deed: Deed, method: str, code: str
) -> None:
    """One more of its method and code, one more duration, and none left in progress."""
    async with serving(deed) as (script, channel, port):
        before = await scrape(port)
        with suppress(grpc.aio.AioRpcError):
            await call(channel, script)
        async with asyncio.timeout(10):
            while (after := await scrape(port))[SECONDS + "_count", method] == before[
                SECONDS + "_count", method
            ]:
                await asyncio.sleep(0.01)

    more = {key: value - before[key] for key, value in after.items() if value != before[key]}
    spent = more.pop((SECONDS + "_sum", method))
    assert more == {(HANDLED, method, code): 1, (SECONDS + "_count", method): 1}
    assert 0 < spent < 10
    assert after[IN_PROGRESS, method] == 0


async def test_an_rpc_in_progress_is_seen() -> None:
    """While it hangs it is in progress, and is not counted as ended."""
    async with serving(hangs) as (script, channel, port):
        before = await scrape(port)
        call: Any = PostingServiceStub(channel).PostTransaction(REQUEST, timeout=30)
        await script.called.wait()
        during = await scrape(port)
        call.cancel()

    assert during[IN_PROGRESS, POST] == before[IN_PROGRESS, POST] + 1
    assert during[SECONDS + "_count", POST] == before[SECONDS + "_count", POST]
