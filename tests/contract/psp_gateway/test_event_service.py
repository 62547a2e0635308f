"""EventService: cuts and exports of the recorded history."""

from datetime import timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.fakes.gateway_rpcs import RPCS
from tests.fakes.gateway_server import ACCOUNT, PROVIDER, Stack
from tests.fakes.refusals import refusal
from vezne.psp_gateway.v1 import event_pb2
from vezne.psp_gateway.v1 import event_service_pb2 as pb
from vezne.psp_gateway.v1.event_service_pb2_grpc import EventServiceStub
from vezne.type.v1 import movement_pb2


@pytest.fixture(scope="module")
async def paid(stack: Stack) -> str:
    """A deposit that was paid, and another that was declined."""
    deposit = await stack.pay("paid", player="anna")
    await stack.pay("declined", player="bert", words=("decline_expired_card",))
    return deposit.deposit_id


async def cut(stack: Stack, as_of: Timestamp | None = None) -> event_pb2.EventCut:
    """Read a cut."""
    request = pb.GetCutRequest(tenant_id="acme", as_of_time=as_of)
    return (await EventServiceStub(stack.channel).GetCut(request)).cut


async def export(
    stack: Stack, after: int, through: int, **others: object
) -> tuple[list[event_pb2.GatewayEvent], pb.ExportSummary]:
    """Read an export to its end."""
    request = pb.ExportEventsRequest(
        tenant_id="acme",
        after_sequence=after,
        through_sequence=through,
        **others,  # type: ignore[arg-type]  # The filters that a test names.
    )
    messages = [one async for one in EventServiceStub(stack.channel).ExportEvents(request)]
    assert all(not one.HasField("summary") for one in messages[:-1])
    return [event for one in messages for event in one.events], messages[-1].summary


async def test_the_history_is_gapless_and_rises(stack: Stack, paid: str) -> None:
    """Sequences have no hole, times rise strictly, and the summary proves the range whole."""
    assert paid
    now = await cut(stack)

    events, summary = await export(stack, 0, now.event_sequence)

    assert [one.event_sequence for one in events] == list(range(1, now.event_sequence + 1))
    times = [one.create_time.ToDatetime() for one in events]
    assert times == sorted(set(times))
    assert summary.events_scanned == summary.events_sent == now.event_sequence
    assert summary.movements_sent == sum(len(one.movements) for one in events)
    assert summary.cut == now


async def test_an_event_says_what_moved(stack: Stack, paid: str) -> None:
    """A capture's event names its movement as the ledger's metadata does, and who brought it."""
    now = await cut(stack)

    events, summary = await export(stack, 0, now.event_sequence, object_id=paid)

    assert [one.fact.partition(":")[0] for one in events] == [
        "created",
        "submit_started.1",
        "captured",
        "fee.capture",
    ]
    captured = events[2]
    assert captured.state == "CAPTURED"
    assert captured.source == event_pb2.FACT_SOURCE_ANSWER
    assert (captured.provider, captured.provider_account) == (PROVIDER, ACCOUNT)
    [movement] = captured.movements
    assert movement.pot == movement_pb2.POT_PROVIDER
    assert (movement.amount_minor, movement.currency_code) == (2_500, "EUR")
    assert movement.movement_kind == movement_pb2.MOVEMENT_KIND_CAPTURE
    assert movement.movement_key.startswith("pi_")
    assert events[3].movements[0].amount_minor == -45
    assert summary.events_scanned == now.event_sequence
    assert summary.events_sent == 4


async def test_filters_let_through_what_they_name(stack: Stack, paid: str) -> None:
    """Kinds and provider accounts filter; what is scanned stays the whole range."""
    assert paid
    now = await cut(stack)

    none, summary = await export(
        stack, 0, now.event_sequence, object_kinds=[event_pb2.OBJECT_KIND_WITHDRAWAL]
    )
    for other in ({"provider": "other"}, {"provider_account": "other"}, {"object_id": "other"}):
        assert (await export(stack, 0, now.event_sequence, **other))[0] == []
    whole = await export(stack, 0, now.event_sequence, provider=PROVIDER, provider_account=ACCOUNT)
    assert len(whole[0]) == now.event_sequence
    some, _ = await export(
        stack, 1, 3, provider=PROVIDER, object_kinds=[event_pb2.OBJECT_KIND_DEPOSIT]
    )

    assert none == []
    assert summary.events_scanned == now.event_sequence
    assert [one.event_sequence for one in some] == [2, 3]


async def test_a_cut_of_a_time_holds_what_was_recorded_then(stack: Stack, paid: str) -> None:
    """As of an event's own time it is in, a microsecond before it is not."""
    assert paid
    now = await cut(stack)
    events, _ = await export(stack, 0, now.event_sequence)
    at = events[2].create_time
    before = Timestamp()
    before.FromDatetime(at.ToDatetime() - timedelta(microseconds=1))

    assert (await cut(stack, at)).event_sequence == 3
    assert (await cut(stack, before)).event_sequence == 2
    assert (await cut(stack, Timestamp(seconds=1))).event_sequence == 0
    assert await cut(stack, now.create_time) == now


async def test_what_is_not_there_is_refused(stack: Stack, paid: str) -> None:
    """Another tenant, a sequence not reached, a wrong shape: each has its reason."""
    assert paid
    stub = EventServiceStub(stack.channel)
    for moment in (Timestamp(seconds=253_402_300_800), Timestamp(seconds=-62_135_596_801)):
        never = pb.GetCutRequest(tenant_id="acme", as_of_time=moment)
        assert (await refusal(stub.GetCut(never))).reason == "INVALID_REQUEST"
    nobody = await refusal(stub.GetCut(pb.GetCutRequest(tenant_id="globex")))
    assert nobody.reason == "TENANT_NOT_FOUND"
    for request, reason in (
        (pb.ExportEventsRequest(tenant_id="globex"), "TENANT_NOT_FOUND"),
        (
            pb.ExportEventsRequest(tenant_id="acme", through_sequence=10**9),
            "SEQUENCE_NOT_REACHED",
        ),
        (
            pb.ExportEventsRequest(tenant_id="acme", after_sequence=2, through_sequence=1),
            "INVALID_REQUEST",
        ),
        (pb.ExportEventsRequest(tenant_id="acme", after_sequence=-1), "INVALID_REQUEST"),
        (pb.ExportEventsRequest(tenant_id="acme", object_kinds=[99]), "INVALID_REQUEST"),
        (pb.ExportEventsRequest(tenant_id="acme", object_id="a b"), "INVALID_REQUEST"),
        (
            pb.ExportEventsRequest(tenant_id="acme", provider="mock", provider_account="other"),
            "PROVIDER_ACCOUNT_NOT_FOUND",
        ),
    ):
        refused = await refusal(RPCS["ExportEvents"].call(stack.channel, request))
        assert refused.reason == reason
