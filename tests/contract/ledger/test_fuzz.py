"""Random requests for every RPC: whatever they are, the answer is none of a crash."""

import random

import grpc
import pytest

from services.local.databases import Databases
from tests.fakes.disturbing import CRASHES, disturb, messages
from tests.fakes.ledger_rpcs import BANK, PLAYER, RPCS, TENANT, Rpc, open_books
from tests.fakes.ledger_server import LedgerClient
from tests.fakes.ledger_sql import audit
from tests.fakes.refusals import read

REQUESTS_EACH = 150
TEXTS = [
    "", "a", TENANT, BANK, PLAYER, "EUR", "USD", "é", "\0", "a\0b", "\n", "a\n", "%s", "';--",
    "x" * 129, "k" * 5000, "😀", "labels", "state", "min_available_minor", "metadata", "nobody",
    "00000000-0000-7000-8000-000000000000", "seed-1", "test.move",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
async def books(ledger: LedgerClient) -> None:
    """Some accounts and transactions to be disturbed."""
    await open_books(ledger)


@pytest.mark.parametrize("rpc", RPCS.values(), ids=RPCS)
async def test_no_request_crashes(ledger: LedgerClient, rpc: Rpc) -> None:
    """Sound requests, disturbed in one to four fields, are answered or refused with a reason."""
    draw = random.Random(rpc.name)  # noqa: S311 - the same requests in every run.
    reasons = set()
    for number in range(REQUESTS_EACH):
        request = rpc.sound(f"fuzz-{rpc.name}-{number}")
        for _ in range(draw.randint(1, 4)):
            disturb(draw.choice([*messages(request)]), draw, TEXTS)
        try:
            await rpc.call(ledger, request, timeout=10)
        except grpc.aio.AioRpcError as error:
            refused = read(error)
            assert refused.code not in CRASHES, f"{request}\n{refused}"
            assert refused.domain == "ledger.vezne", f"{request}\n{refused}"
            reasons.add(refused.reason)

    assert "INVALID_REQUEST" in reasons


async def test_the_books_are_sound_after_all_that(
    ledger: LedgerClient, databases: Databases
) -> None:
    """Whatever of it was posted, the book still holds every promise."""
    assert await ledger.posted(TENANT, BANK) is not None
    posted = await audit(databases, TENANT)

    assert {f"seed-{number}" for number in range(5)} <= posted
