"""Random requests for every RPC: whatever they are, the answer is none of a crash."""

import random

import grpc
import pytest

from tests.fakes.disturbing import CRASHES, disturb, messages
from tests.fakes.gateway_rpcs import RPCS, Rpc, World, open_world
from tests.fakes.gateway_server import Stack
from tests.fakes.refusals import read

REQUESTS_EACH = 400
TEXTS = [
    "", "a", "acme", "seed", "mock", "main", "EUR", "JPY", "é", "\0", "a\0b", "\n", "a\n", "%s",
    "';--", "x" * 129, "k" * 5000, "😀", "2026-11-24", "0001-01-01", "9999-12-31",
    "https://shop.example/back",
    "00000000-0000-7000-8000-000000000000",
]  # fmt: skip


@pytest.fixture(scope="module")
async def world(stack: Stack) -> World:
    """What the requests speak of before they are disturbed."""
    return await open_world(stack)


@pytest.mark.parametrize("rpc", RPCS.values(), ids=RPCS)
async def test_no_request_crashes(stack: Stack, world: World, rpc: Rpc) -> None:
    """Sound requests, disturbed in one to four fields, are answered or refused with a reason."""
    draw = random.Random(rpc.name)  # noqa: S311 - the same requests in every run.
    reasons = set()
    for number in range(REQUESTS_EACH):
        request = rpc.sound(world, f"fuzz-{rpc.name}-{number}")
        for _ in range(draw.randint(1, 4)):
            disturb(draw.choice([*messages(request)]), draw, TEXTS)
        try:
            await rpc.call(stack.channel, request, timeout=10)
        except grpc.aio.AioRpcError as error:
            refused = read(error)
            assert refused.code not in CRASHES, f"{request}\n{refused}"
            assert refused.domain == "psp_gateway.vezne", f"{request}\n{refused}"
            reasons.add(refused.reason)

    assert "INVALID_REQUEST" in reasons
