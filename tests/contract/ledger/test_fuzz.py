"""Random requests for every RPC: whatever they are, the answer is none of a crash."""

import random
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from services.local.databases import Databases
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
NUMBERS = [0, 1, 2, 3, 5, 100, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 253_402_300_800]
CRASHES = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE}


def messages(message: Message) -> Iterator[Message]:
    """The message and all that is set in it."""
    yield message
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE and not is_map(field):
            for inner in [value] if isinstance(value, Message) else value:
                yield from messages(inner)


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def scalar(field: FieldDescriptor, draw: random.Random) -> Any:
    """A value that the field's type can hold, of the unlikely kind."""
    if field.type == FieldDescriptor.TYPE_STRING:
        return draw.choice(TEXTS)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return draw.random() < 0.5
    bits = 32 if field.type in {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_ENUM} else 64
    return draw.choice(
        [number for number in NUMBERS if -(2 ** (bits - 1)) <= number < 2 ** (bits - 1)]
    )


def disturb(message: Any, draw: random.Random) -> None:
    """Change one field of a message: set it, clear it, or let it grow."""
    field = draw.choice(message.DESCRIPTOR.fields)
    if draw.random() < 0.15:
        message.ClearField(field.name)
    elif is_map(field):
        getattr(message, field.name)[draw.choice(TEXTS)] = draw.choice(TEXTS)
    elif field.is_repeated:
        items = getattr(message, field.name)
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            items.append(scalar(field, draw))
        elif len(items) and draw.random() < 0.5:
            items.add().CopyFrom(draw.choice(items))
        else:
            disturb(items.add(), draw)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        inner = getattr(message, field.name)
        inner.SetInParent()
        disturb(inner, draw)
    else:
        setattr(message, field.name, scalar(field, draw))


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
            disturb(draw.choice([*messages(request)]), draw)
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
