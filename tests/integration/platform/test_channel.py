"""Channels against a real server: every call ends in time, and is repeated only where it may be."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import grpc
import pytest

from services.platform.channel import MARGIN_S, open_channel
from services.platform.rpc import DEADLINE, Context
from services.platform.settings import GrpcClientSettings
from tests.fakes.ledger_server import transfer
from tests.fakes.refusals import refusal
from tests.fakes.scripted_server import Deed, Script, answers, fails, hangs, playing
from vezne.ledger.v1.posting_service_pb2 import PostTransactionRequest
from vezne.ledger.v1.posting_service_pb2_grpc import PostingServiceStub

REQUEST = PostTransactionRequest(
    tenant_id="acme", request_id="psp:deposit:1", transaction=transfer("bank", "player", 7)
)
ATTEMPTS_MAX = 4
ROUNDED = 1.1
"""gRPC rounds a deadline up to few digits when it sends it."""
AWAY = fails(grpc.StatusCode.UNAVAILABLE)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FINAL = [
    code
    for code in grpc.StatusCode
    if code not in {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
]


@asynccontextmanager
async def calling(
    *deeds: Deed, timeout_s: float = 5.0
) -> AsyncIterator[tuple[Script, PostingServiceStub]]:
    """A stub on one of our channels, and the script of the server behind it."""
    script = Script(list(deeds))
    async with playing(script) as server:
        target = GrpcClientSettings(target=f"127.0.0.1:{server.port}", timeout_s=timeout_s)
        async with open_channel(target) as channel:
            yield script, PostingServiceStub(channel)


@contextmanager
def to_answer_within(seconds: float) -> Iterator[None]:
    """Be in an RPC whose own caller has so long left."""
    token = DEADLINE.set(asyncio.get_running_loop().time() + seconds)
    try:
        yield
    finally:
        DEADLINE.reset(token)


def left(script: Script) -> Sequence[float]:
    """Return how long the server had for each attempt, in seconds."""
    return [heard.remaining_s or float("inf") for heard in script.heard]


async def test_a_call_without_a_deadline_gets_the_channels() -> None:
    """The server is told of the deadline that the settings name."""
    async with calling(answers) as (script, stub):
        await stub.PostTransaction(REQUEST)

    [remaining] = left(script)
    assert 0 < remaining <= 5 * ROUNDED


async def test_a_server_that_hangs_is_not_waited_for() -> None:
    """Past the channel's deadline the call is DEADLINE_EXCEEDED, and is not tried again."""
    async with calling(hangs, timeout_s=0.2) as (script, stub):
        async with asyncio.timeout(5):
            refused = await refusal(stub.PostTransaction(REQUEST))

        assert refused.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert len(script.heard) == 1


async def test_a_deadline_of_the_calls_own_is_kept() -> None:
    """A caller who needs longer than the channel's default, or less, is given that."""
    async with calling(answers) as (script, stub):
        await stub.PostTransaction(REQUEST, timeout=1)
        await stub.PostTransaction(REQUEST, timeout=30)

    short, long = left(script)
    assert short <= 1 * ROUNDED
    assert 5 * ROUNDED < long <= 30 * ROUNDED


async def test_a_call_never_outlasts_the_rpc_that_it_serves() -> None:
    """What is left of the caller's deadline, less the way back, bounds the call; spent: no call."""
    async with calling(answers) as (script, stub):
        with to_answer_within(1):
            await stub.PostTransaction(REQUEST)
            await stub.PostTransaction(REQUEST, timeout=30)
        with to_answer_within(30):
            await stub.PostTransaction(REQUEST)
        with to_answer_within(MARGIN_S):
            spent = await refusal(stub.PostTransaction(REQUEST))

    bounded, own, default = left(script)
    assert max(bounded, own) <= 1 * ROUNDED
    assert 1 * ROUNDED < default <= 5 * ROUNDED
    assert spent.code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_what_an_rpc_came_with_goes_on_with_the_calls_that_it_makes() -> None:
    """Its trace, beside the call's own metadata, and what is left of its time."""
    async with calling(answers) as (behind, stub):

        async def relays(_context: Context) -> None:
            await stub.PostTransaction(REQUEST, metadata=(("own", "kept"),))

        async with calling(relays) as (_, front):
            await front.PostTransaction(REQUEST, timeout=1, metadata=(("traceparent", TRACE),))
            await front.PostTransaction(REQUEST)

    traced, untraced = behind.heard
    assert (traced.metadata["traceparent"], traced.metadata["own"]) == (TRACE, "kept")
    assert left(behind)[0] <= 1
    assert "traceparent" not in untraced.metadata


async def test_a_server_that_is_away_for_a_moment_is_asked_again() -> None:
    """The same request, id and all, is repeated until it is answered."""
    async with calling(*[AWAY] * (ATTEMPTS_MAX - 1), answers) as (script, stub):
        await stub.PostTransaction(REQUEST)

    assert [heard.request for heard in script.heard] == [REQUEST.SerializeToString()] * ATTEMPTS_MAX


async def test_a_server_that_stays_away_is_asked_a_few_times_only() -> None:
    """After the fourth attempt the caller is told UNAVAILABLE."""
    async with calling(AWAY) as (script, stub):
        refused = await refusal(stub.PostTransaction(REQUEST))

    assert refused.code is grpc.StatusCode.UNAVAILABLE
    assert len(script.heard) == ATTEMPTS_MAX


@pytest.mark.parametrize("code", FINAL, ids=[code.name for code in FINAL])
async def test_no_other_failure_is_repeated(code: grpc.StatusCode) -> None:
    """What may have had an effect, or will not change, is the caller's to decide."""
    async with calling(fails(code), answers) as (script, stub):
        refused = await refusal(stub.PostTransaction(REQUEST))

    assert refused.code is code
    assert len(script.heard) == 1


async def test_all_attempts_share_one_deadline() -> None:
    """What the pauses between attempts took is gone: the last one hangs for what is left."""
    deeds = [*[AWAY] * (ATTEMPTS_MAX - 1), hangs]
    async with calling(*deeds, timeout_s=0.8) as (script, stub), asyncio.timeout(5):
        refused = await refusal(stub.PostTransaction(REQUEST))

    assert refused.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(script.heard) == ATTEMPTS_MAX
    assert left(script)[-1] <= 0.6
