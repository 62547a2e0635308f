"""The rules that hold for every RPC of the gateway alike."""

from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from services.local.databases import Databases
from tests.fakes.gateway_rpcs import (
    METHODS,
    MUTATIONS,
    READERS,
    RPCS,
    Rpc,
    World,
    nested,
    open_world,
    tables_locked,
)
from tests.fakes.gateway_server import Stack, another_server
from tests.fakes.refusals import refusal
from vezne.psp_gateway.v1.operations_service_pb2 import ListExceptionsResponse

# A field with a number that no message of ours has: 1900, a varint.
UNKNOWN = b"\xe0\x76\x01"
OF_ANOTHER_TENANT = {
    "CreateDeposit": "PROVIDER_ACCOUNT_NOT_FOUND",
    "GetDeposit": "DEPOSIT_NOT_FOUND",
    "CreateRefund": "DEPOSIT_NOT_FOUND",
    "GetRefund": "REFUND_NOT_FOUND",
    "GetDispute": "DISPUTE_NOT_FOUND",
    "CreateWithdrawal": "PROVIDER_ACCOUNT_NOT_FOUND",
    "GetWithdrawal": "WITHDRAWAL_NOT_FOUND",
    "FetchSettlementReport": "PROVIDER_ACCOUNT_NOT_FOUND",
    "StreamSettlementReport": "SETTLEMENT_REPORT_NOT_FOUND",
    "GetCut": "TENANT_NOT_FOUND",
    "ExportEvents": "TENANT_NOT_FOUND",
}
"""What each RPC answers a tenant of whom nothing is known; a list is empty."""


@pytest.fixture(scope="module")
async def world(stack: Stack) -> World:
    """An object of each kind."""
    return await open_world(stack)


def with_unknown(message: Message, place: int) -> Message:
    """The request with an unknown field in the `place`-th of its messages."""
    request = type(message).FromString(message.SerializeToString())
    chosen = [*nested(request)][place]
    chosen.MergeFromString(UNKNOWN)
    assert len(UnknownFieldSet(chosen)) == 1
    return request


def object_of(answer: Any) -> str:
    """The id of what a mutation answered with."""
    for kind in ("deposit", "refund", "withdrawal"):
        if kind in answer.DESCRIPTOR.fields_by_name:
            return str(getattr(getattr(answer, kind), f"{kind}_id"))
    return str(answer.reports[0].report_id)


def without_age(answer: Any) -> Any:
    """The answer without what grows by the second."""
    if isinstance(answer, ListExceptionsResponse):
        for one in answer.exceptions:
            one.ClearField("age_s")
    return answer


def test_every_rpc_is_here() -> None:
    """The table that these tests go by has every method of the contract."""
    assert set(RPCS) == set(METHODS)
    assert set(OF_ANOTHER_TENANT) == {name for name in RPCS if not name.startswith("List")}


@pytest.mark.parametrize("rpc", READERS.values(), ids=READERS)
async def test_a_read_finds_what_is_there(stack: Stack, world: World, rpc: Rpc) -> None:
    """What the other tests spoil is sound to begin with, and answered with something."""
    answer = await rpc.call(stack.channel, rpc.sound(world, ""))

    if rpc.name.startswith("List"):
        [items] = [field.name for field in answer.DESCRIPTOR.fields if field.is_repeated]
        assert len(getattr(answer, items)) >= 2
    else:
        assert answer


@pytest.mark.parametrize("rpc", MUTATIONS.values(), ids=MUTATIONS)
async def test_a_repeated_mutation_is_a_replay(stack: Stack, world: World, rpc: Rpc) -> None:
    """The same id and body is answered with the same object, and says so."""
    request = rpc.sound(world, f"replay-{rpc.name}")

    first = await rpc.call(stack.channel, request)
    again = await rpc.call(stack.channel, request)

    assert (first.replayed, again.replayed) == (False, True)
    assert object_of(again) == object_of(first)


@pytest.mark.parametrize("rpc", MUTATIONS.values(), ids=MUTATIONS)
async def test_an_id_is_of_one_request_for_ever(stack: Stack, world: World, rpc: Rpc) -> None:
    """The same id with another body, or of another RPC, is refused; the first answer stands."""
    request: Any = rpc.sound(world, f"once-{rpc.name}")
    first = await rpc.call(stack.channel, request)
    other = type(request).FromString(request.SerializeToString())
    if rpc.name == "FetchSettlementReport":
        other.business_date = "2020-02-02"
    else:
        other.amount.minor_units += 1
    asked = [(rpc, other)]
    asked += [
        (one, one.sound(world, request.request_id)) for one in MUTATIONS.values() if one != rpc
    ]

    for one, body in asked:
        refused = await refusal(one.call(stack.channel, body))
        assert (refused.code, refused.reason) == (
            grpc.StatusCode.ALREADY_EXISTS,
            "REQUEST_ID_REUSED",
        )
        assert refused.metadata == {"method": rpc.name}
    assert object_of(await rpc.call(stack.channel, request)) == object_of(first)


@pytest.mark.parametrize("rpc", RPCS.values(), ids=RPCS)
async def test_an_empty_request_is_invalid(stack: Stack, rpc: Rpc) -> None:
    """Without its fields a request is INVALID_REQUEST, and says which field is wrong."""
    empty = type(rpc.sound(World(*[""] * 6), ""))()
    refused = await refusal(rpc.call(stack.channel, empty))

    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (refused.reason, refused.domain) == ("INVALID_REQUEST", "psp_gateway.vezne")
    assert "tenant_id" in refused.fields


@pytest.mark.parametrize("rpc", RPCS.values(), ids=RPCS)
async def test_nothing_of_a_tenant_is_anothers(stack: Stack, world: World, rpc: Rpc) -> None:
    """Whatever ids another tenant names, he finds, changes and is told nothing."""
    request: Any = rpc.sound(world, f"other-{rpc.name}")
    request.tenant_id = "globex"
    if rpc.name.startswith("List"):
        answer = await rpc.call(stack.channel, request)
        assert answer == type(answer)()
        return
    refused = await refusal(rpc.call(stack.channel, request))

    assert (refused.code, refused.reason) == (
        grpc.StatusCode.NOT_FOUND,
        OF_ANOTHER_TENANT[rpc.name],
    )


@pytest.mark.parametrize("rpc", MUTATIONS.values(), ids=MUTATIONS)
async def test_a_mutation_refuses_what_it_does_not_know(
    stack: Stack, world: World, rpc: Rpc
) -> None:
    """An unknown field, at whatever depth, refuses the request, and nothing is done."""
    sound = rpc.sound(world, f"unknown-{rpc.name}")
    for place in range(len([*nested(sound)])):
        refused = await refusal(rpc.call(stack.channel, with_unknown(sound, place)))
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert (refused.reason, refused.domain) == ("UNKNOWN_FIELD", "psp_gateway.vezne")

    assert not (await rpc.call(stack.channel, sound)).replayed


@pytest.mark.parametrize("rpc", MUTATIONS.values(), ids=MUTATIONS)
async def test_a_wrong_shape_comes_before_an_unknown_field(
    stack: Stack, world: World, rpc: Rpc
) -> None:
    """Of the two the contract's first is answered: INVALID_REQUEST."""
    request: Any = with_unknown(rpc.sound(world, "both"), 0)
    request.tenant_id = "No!"

    assert (await refusal(rpc.call(stack.channel, request))).reason == "INVALID_REQUEST"


@pytest.mark.parametrize("rpc", READERS.values(), ids=READERS)
async def test_a_read_tolerates_what_it_does_not_know(stack: Stack, world: World, rpc: Rpc) -> None:
    """A read changes nothing, so a newer client's field does not hinder it."""
    request = rpc.sound(world, "")
    known = without_age(await rpc.call(stack.channel, request))

    assert without_age(await rpc.call(stack.channel, with_unknown(request, 0))) == known


async def test_a_request_past_the_size_is_refused(stack: Stack, world: World) -> None:
    """More bytes than were set are RESOURCE_EXHAUSTED by gRPC itself, and the server lives on."""
    too_much = b"\xe2\x76" + b"\x80\x80\x06" + bytes(96 * 1024)
    async with another_server(stack, receive_bytes_max=65_536) as channel:
        for rpc in RPCS.values():
            sound = rpc.sound(world, f"size-{rpc.name}")
            refused = await refusal(rpc.call(channel, type(sound).FromString(too_much)))
            assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            await rpc.call(channel, sound)


@pytest.mark.parametrize("rpc", RPCS.values(), ids=RPCS)
async def test_a_callers_deadline_is_kept(
    stack: Stack, world: World, databases: Databases, rpc: Rpc
) -> None:
    """While the database makes it wait a call ends at its deadline, and the next one is served."""
    request = rpc.sound(world, f"late-{rpc.name}")
    async with tables_locked(databases):
        refused = await refusal(rpc.call(stack.channel, request, timeout=0.1))

    assert refused.code is grpc.StatusCode.DEADLINE_EXCEEDED
    await rpc.call(stack.channel, request)


async def test_a_caller_without_a_deadline_gets_ours(
    stack: Stack, world: World, databases: Databases
) -> None:
    """Past the default each unary RPC is DEADLINE_EXCEEDED, and may be asked again as it was."""
    async with another_server(stack, default_deadline_s=0.1) as channel:
        for rpc in RPCS.values():
            if METHODS[rpc.name].server_streaming:
                continue
            request = rpc.sound(world, f"ours-{rpc.name}")
            async with tables_locked(databases):
                refused = await refusal(rpc.call(channel, request))
            assert (refused.code, refused.reason) == (
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "DEADLINE_EXCEEDED",
            )
            await rpc.call(stack.channel, request)


@pytest.mark.parametrize("rpc", RPCS.values(), ids=RPCS)
async def test_bytes_that_are_no_message_are_refused(stack: Stack, rpc: Rpc) -> None:
    """A body that cannot be parsed, or a text that is not UTF-8, is INVALID_REQUEST."""
    streams = METHODS[rpc.name].server_streaming
    method = (stack.channel.unary_stream if streams else stack.channel.unary_unary)(rpc.path)
    for body in (b"\xff\xff\xff", b"\x0a\x02\xff\xff"):
        call: Any = method(body)
        refused = await refusal(call.read() if streams else call)
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert (refused.reason, refused.domain) == ("INVALID_REQUEST", "psp_gateway.vezne")
