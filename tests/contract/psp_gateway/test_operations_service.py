"""OperationsService: what waits for people and what came in, each as it is told and filtered."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.fakes.gateway_server import ACCOUNT, PROVIDER, Stack
from tests.fakes.refusals import refusal
from vezne.psp_gateway.v1 import event_pb2
from vezne.psp_gateway.v1 import operations_service_pb2 as pb
from vezne.psp_gateway.v1.operations_service_pb2_grpc import OperationsServiceStub


@pytest.fixture(scope="module")
async def deposit_id(stack: Stack) -> str:
    """A deposit that its provider gave back without being asked: exceptions and inbox events."""
    words = ["refunded_by_provider"]
    deposit = await stack.pay("unasked", player="anna", words=words, card=False)
    await stack.player_pays(deposit.next_action.redirect.url)
    # Before the janitor asks the provider: what is known is not applied once more.
    async with asyncio.timeout(10):
        while "captured" not in await stack.facts_of(deposit.deposit_id):
            await asyncio.sleep(0.01)

    async def told() -> bool:
        return bool(await exceptions(stack)) and all(
            one.HasField("end_time") for one in await inbox(stack)
        )

    await stack.until(told)
    return deposit.deposit_id


async def exceptions(stack: Stack, **filters: object) -> Sequence[pb.ExceptionRecord]:
    """List exceptions."""
    request = pb.ListExceptionsRequest(tenant_id="acme", **filters)  # type: ignore[arg-type]  # Fields of the caller's choice.
    return (await OperationsServiceStub(stack.channel).ListExceptions(request)).exceptions


async def inbox(stack: Stack, **filters: object) -> Sequence[pb.InboxEvent]:
    """List inbox events."""
    request = pb.ListInboxEventsRequest(tenant_id="acme", **filters)  # type: ignore[arg-type]  # Fields of the caller's choice.
    return (await OperationsServiceStub(stack.channel).ListInboxEvents(request)).inbox_events


def around(moment: Timestamp) -> tuple[Timestamp, Timestamp]:
    """Moments before and after another."""
    before, after = Timestamp(), Timestamp()
    before.FromDatetime(moment.ToDatetime() - timedelta(seconds=1))
    after.FromDatetime(moment.ToDatetime() + timedelta(seconds=1))
    return before, after


async def test_an_exception_says_what_a_person_needs(stack: Stack, deposit_id: str) -> None:
    """What is the matter with which object, who owns it, how old it is and what would end it."""
    [found] = await exceptions(stack)

    assert found.kind == pb.EXCEPTION_KIND_REFUND_UNEXPECTED
    assert found.state == pb.EXCEPTION_STATE_OPEN
    assert found.decision_kind == pb.DECISION_KIND_ACKNOWLEDGE
    assert found.owner == "operations"
    assert found.object_kind == event_pb2.OBJECT_KIND_REFUND
    [refund] = await stack.rows(
        "SELECT refund_id::text FROM psp_gateway.refunds WHERE deposit_id = $1", deposit_id
    )
    assert found.object_id == refund["refund_id"]
    assert (found.provider, found.provider_account) == (PROVIDER, ACCOUNT)
    assert found.message
    assert 0 <= found.age_s < 24 * 3600
    assert not (found.resolved_by)
    assert not (found.resolution)
    assert not (found.HasField("resolve_time"))


async def test_an_exception_grows_older(stack: Stack, deposit_id: str) -> None:
    """Its age is told as of now, in seconds."""
    assert deposit_id
    [young] = await exceptions(stack)
    stack.clock.advance(hours=1)

    [old] = await exceptions(stack)

    assert 3_600 <= old.age_s - young.age_s < 3_700


async def test_every_filter_of_exceptions_filters(stack: Stack, deposit_id: str) -> None:
    """What is asked for is found, and what is not is left out, for each filter alone."""
    assert deposit_id
    [one] = await exceptions(stack)
    before, after = around(one.create_time)

    for fits, does_not in (
        ({"states": [pb.EXCEPTION_STATE_OPEN]}, {"states": [pb.EXCEPTION_STATE_RESOLVED]}),
        ({"states": [1, 2]}, {"states": [2]}),
        ({"kinds": [one.kind]}, {"kinds": [pb.EXCEPTION_KIND_REPORT_REFUSED]}),
        (
            {"decision_kinds": [one.decision_kind]},
            {"decision_kinds": [pb.DECISION_KIND_REDRIVE]},
        ),
        ({"owner": "operations"}, {"owner": "nobody"}),
        ({"object_kind": one.object_kind}, {"object_kind": event_pb2.OBJECT_KIND_DEPOSIT}),
        ({"object_id": one.object_id}, {"object_id": "nothing"}),
        ({"provider": PROVIDER}, {"provider": "other"}),
        ({"provider_account": ACCOUNT}, {"provider_account": "other"}),
        ({"from_create_time": one.create_time}, {"from_create_time": after}),
        ({"before_create_time": after}, {"before_create_time": one.create_time}),
        ({"from_create_time": before, "before_create_time": after}, {"before_create_time": before}),
    ):
        assert await exceptions(stack, **fits), fits
        assert not await exceptions(stack, **does_not), does_not


async def test_an_inbox_event_says_what_became_of_it(stack: Stack, deposit_id: str) -> None:
    """Which delivery it was, by which key it was proven, and the object that it was applied to."""
    [found] = await inbox(stack, object_id=deposit_id)
    [row] = await stack.rows(
        "SELECT body_sha256 FROM psp_gateway.inbox_events WHERE dedupe_key = $1", found.dedupe_key
    )

    assert found.event_type == "payment_intent.succeeded"
    assert (found.provider, found.provider_account) == (PROVIDER, ACCOUNT)
    assert found.state == pb.INBOX_EVENT_STATE_APPLIED
    assert found.object_kind == event_pb2.OBJECT_KIND_DEPOSIT
    assert found.semantic_key.endswith(":payment_intent.succeeded:1")
    assert (found.signing_key, found.conflict_count, found.last_error) == ("current", 0, "")
    assert found.body_sha256 == row["body_sha256"] != hashlib.sha256(b"").digest()
    assert found.end_time.ToDatetime() >= found.create_time.ToDatetime()
    assert not found.HasField("next_attempt_time")
    assert not found.HasField("body_delete_time")


async def test_every_filter_of_inbox_events_filters(stack: Stack, deposit_id: str) -> None:
    """What is asked for is found, and what is not is left out, for each filter alone."""
    [one] = await inbox(stack, object_id=deposit_id)
    before, after = around(one.create_time)

    for fits, does_not in (
        ({"provider": PROVIDER}, {"provider": "other"}),
        ({"provider_account": ACCOUNT}, {"provider_account": "other"}),
        ({"states": [one.state]}, {"states": [pb.INBOX_EVENT_STATE_DEAD]}),
        ({"event_type": one.event_type}, {"event_type": "other"}),
        ({"dedupe_key": one.dedupe_key}, {"dedupe_key": "other"}),
        ({"semantic_key": one.semantic_key}, {"semantic_key": "other"}),
        ({"object_id": deposit_id}, {"object_id": "other"}),
        ({"from_create_time": one.create_time}, {"from_create_time": after}),
        ({"before_create_time": after}, {"before_create_time": before}),
    ):
        assert one in await inbox(stack, **fits), fits
        assert one not in await inbox(stack, **does_not), does_not


WRONG: list[dict[str, object]] = [
    {"states": [0]},
    {"states": [99]},
    {"states": [1, 1]},
    {"provider": "Mock"},
    {"provider_account": "Main"},
    {"object_id": "a b"},
    {"from_create_time": Timestamp(seconds=253_402_300_800)},
    {"before_create_time": Timestamp(seconds=-62_135_596_801)},
]


@pytest.mark.parametrize("filters", WRONG, ids=range(len(WRONG)))
async def test_a_wrong_filter_is_refused(stack: Stack, filters: dict[str, object]) -> None:
    """Of either list a filter that is wrong by its shape is told, by its field."""
    for asked in (exceptions(stack, **filters), inbox(stack, **filters)):
        refused = await refusal(asked)
        assert (refused.reason, refused.code) == (
            "INVALID_REQUEST",
            grpc.StatusCode.INVALID_ARGUMENT,
        )
        assert refused.fields[0].partition("[")[0].partition(".")[0] in filters


async def test_what_only_one_list_filters_by_is_checked_too(stack: Stack) -> None:
    """An owner, a kind, a type and a key have their shapes."""
    for asked in (
        exceptions(stack, owner="a b"),
        exceptions(stack, object_kind=99),
        exceptions(stack, kinds=[99]),
        exceptions(stack, decision_kinds=[99]),
        inbox(stack, event_type="a b"),
        inbox(stack, dedupe_key="k" * 256),
        inbox(stack, semantic_key="\n"),
    ):
        assert (await refusal(asked)).reason == "INVALID_REQUEST"
