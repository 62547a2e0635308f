"""The rules that hold for every RPC of the ledger alike."""

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from services.local.databases import Databases
from tests.fakes.ledger_rpcs import RPCS, Rpc, open_books
from tests.fakes.ledger_server import LedgerClient, running_ledger, settings
from tests.fakes.ledger_sql import heads_locked
from tests.fakes.refusals import refusal
from vezne.ledger.v1 import (
    account_service_pb2,
    journal_service_pb2,
    posting_service_pb2,
    tenant_service_pb2,
)

# A field with a number that no message of ours has: 1900, a varint.
UNKNOWN = b"\xe0\x76\x01"
MODULES = (account_service_pb2, journal_service_pb2, posting_service_pb2, tenant_service_pb2)
MUTATIONS = {name: rpc for name, rpc in RPCS.items() if not rpc.reads}
READERS = {name: rpc for name, rpc in RPCS.items() if rpc.reads}


@pytest.fixture(scope="module", autouse=True)
async def books(ledger: LedgerClient) -> None:
    """Some accounts and transactions."""
    await open_books(ledger)


def nested(message: Message) -> Iterator[Message]:
    """The message, and each that is set inside it."""
    yield message
    for field, value in message.ListFields():
        if field.type != FieldDescriptor.TYPE_MESSAGE or field.message_type.GetOptions().map_entry:
            continue
        for inner in [value] if isinstance(value, Message) else value:
            yield from nested(inner)


def copy(message: Message) -> Message:
    return type(message).FromString(message.SerializeToString())


def with_unknown(message: Message, place: int) -> Message:
    """The request with an unknown field in the `place`-th of its messages."""
    request = copy(message)
    chosen = [*nested(request)][place]
    chosen.MergeFromString(UNKNOWN)
    assert len(UnknownFieldSet(chosen)) == 1
    return request


def test_every_rpc_is_here() -> None:
    """The table that these tests go by has every method of the contract."""
    methods = {
        method.name
        for module in MODULES
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }

    assert methods == set(RPCS)


@pytest.mark.parametrize("rpc", RPCS.values(), ids=RPCS)
async def test_the_sound_request_is_answered(ledger: LedgerClient, rpc: Rpc) -> None:
    """What the other tests spoil is sound to begin with; a repeated mutation is a replay."""
    first = await rpc.call(ledger, rpc.sound(f"sound-{rpc.name}"))
    again = await rpc.call(ledger, rpc.sound(f"sound-{rpc.name}"))

    if not rpc.reads:
        of_item = again.results[0] if rpc.name == "BatchPostTransactions" else again
        assert of_item.replayed
    assert first is not None


@pytest.mark.parametrize("rpc", RPCS.values(), ids=RPCS)
async def test_an_empty_request_is_invalid(ledger: LedgerClient, rpc: Rpc) -> None:
    """Without its fields a request is INVALID_REQUEST, and says which field is wrong."""
    if rpc.name == "ListTenants":
        await rpc.call(ledger, type(rpc.sound(""))())
        return
    refused = await refusal(rpc.call(ledger, type(rpc.sound(""))()))

    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (refused.reason, refused.domain) == ("INVALID_REQUEST", "ledger.vezne")
    assert "tenant_id" in refused.fields


@pytest.mark.parametrize(
    "rpc", [rpc for name, rpc in RPCS.items() if "Tenant" not in name], ids=lambda rpc: rpc.name
)
async def test_an_unknown_tenant_is_told(ledger: LedgerClient, rpc: Rpc) -> None:
    """Every RPC of a tenant that does not exist is TENANT_NOT_FOUND, and names it."""
    request = rpc.sound("tenant")
    request.tenant_id = "nobody"  # type: ignore[attr-defined]  # Each of these has one.
    refused = await refusal(rpc.call(ledger, request))

    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "TENANT_NOT_FOUND")
    assert refused.metadata == {"tenant_id": "nobody"}


@pytest.mark.parametrize("rpc", MUTATIONS.values(), ids=MUTATIONS)
async def test_a_mutation_refuses_what_it_does_not_know(ledger: LedgerClient, rpc: Rpc) -> None:
    """An unknown field, at whatever depth, refuses the request, and nothing is done."""
    sound = rpc.sound(f"unknown-{rpc.name}")
    for place in range(len([*nested(sound)])):
        refused = await refusal(rpc.call(ledger, with_unknown(sound, place)))
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert (refused.reason, refused.domain) == ("UNKNOWN_FIELD", "ledger.vezne")
    answer = await rpc.call(ledger, sound)

    if rpc.name != "CreateTenant":
        assert not getattr(answer, "replayed", False)


@pytest.mark.parametrize("rpc", MUTATIONS.values(), ids=MUTATIONS)
async def test_a_wrong_shape_comes_before_an_unknown_field(ledger: LedgerClient, rpc: Rpc) -> None:
    """Of the two the contract's first is answered: INVALID_REQUEST."""
    request = with_unknown(rpc.sound("both"), 0)
    request.tenant_id = "No!"  # type: ignore[attr-defined]  # Every mutation has one.

    assert (await refusal(rpc.call(ledger, request))).reason == "INVALID_REQUEST"


@pytest.mark.parametrize("rpc", READERS.values(), ids=READERS)
async def test_a_read_tolerates_what_it_does_not_know(ledger: LedgerClient, rpc: Rpc) -> None:
    """A read changes nothing, so a newer client's field does not hinder it."""
    answer = await rpc.call(ledger, with_unknown(rpc.sound(""), 0))

    assert answer == await rpc.call(ledger, rpc.sound(""))


async def test_a_request_past_the_size_is_refused(databases: Databases) -> None:
    """More bytes than were set are RESOURCE_EXHAUSTED by gRPC itself, and the server lives on."""
    too_much = b"\xe2\x76" + b"\x80\x80\x06" + bytes(96 * 1024)
    small = settings(
        databases.url("ledger"), grpc={"port": 0, "health_port": 0, "receive_bytes_max": 65_536}
    )
    async with running_ledger(small) as client:
        for rpc in (RPCS["PostTransaction"], RPCS["GetCut"], RPCS["ExportEntries"]):
            request = type(rpc.sound("")).FromString(too_much)
            refused = await refusal(rpc.call(client, request))
            assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            await rpc.call(client, rpc.sound(f"size-{rpc.name}"))


@pytest.mark.parametrize("rpc", RPCS.values(), ids=RPCS)
async def test_a_callers_deadline_is_kept(
    ledger: LedgerClient, databases: Databases, rpc: Rpc
) -> None:
    """While the database makes it wait a call ends at its deadline, and the next one is served."""
    async with heads_locked(databases):
        refused = await refusal(rpc.call(ledger, rpc.sound(f"late-{rpc.name}"), timeout=0.1))

    assert refused.code is grpc.StatusCode.DEADLINE_EXCEEDED
    await rpc.call(ledger, rpc.sound(f"late-{rpc.name}"))


async def test_a_method_of_nobody_is_unimplemented(ledger: LedgerClient) -> None:
    """What the contract does not have is UNIMPLEMENTED, not a crash."""
    call = ledger.channel.unary_unary("/vezne.ledger.v1.PostingService/Nothing")

    assert (await refusal(call(b""))).code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("rpc", RPCS.values(), ids=RPCS)
async def test_bytes_that_are_no_message_are_refused(ledger: LedgerClient, rpc: Rpc) -> None:
    """A body that cannot be parsed, or a text that is not UTF-8, is INVALID_REQUEST."""
    [service] = [
        service.full_name
        for module in MODULES
        for service in module.DESCRIPTOR.services_by_name.values()
        if rpc.name in service.methods_by_name
    ]
    kind = "unary_stream" if rpc.name == "ExportEntries" else "unary_unary"
    method = getattr(ledger.channel, kind)(f"/{service}/{rpc.name}")
    bodies = [b"\xff\xff\xff"]
    if rpc.name != "ListTenants":
        bodies.append(b"\x0a\x02\xff\xff")
    for body in bodies:
        call = method(body)
        refused = await refusal(call.read() if kind == "unary_stream" else call)
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert (refused.reason, refused.domain) == ("INVALID_REQUEST", "ledger.vezne")
