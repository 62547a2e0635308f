"""DepositService's refunds and disputes, and its lists: what they answer, filter and refuse."""

from collections.abc import Sequence

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.fakes.gateway_server import ACCOUNT, PROVIDER, Stack
from tests.fakes.refusals import refusal
from vezne.psp_gateway.v1 import deposit_pb2, dispute_pb2, refund_pb2
from vezne.psp_gateway.v1 import deposit_service_pb2 as pb
from vezne.type.v1.money_pb2 import Money

NOBODY = "01900000-0000-7000-8000-000000000000"
LATER = Timestamp(seconds=253_402_300_799)


@pytest.fixture(scope="module")
async def deposit(stack: Stack) -> deposit_pb2.Deposit:
    """A deposit of 25.00 that is disputed, and another that is not captured."""
    paid = await stack.pay("disputed", player="anna")
    await stack.pay("waiting", player="bert", card=False)
    await stack.admin("disputes", {"payment_intent_id": paid.provider_object_id, "code": "fraud"})

    async def opened() -> bool:
        return [one.state for one in await disputes(stack)] == [dispute_pb2.DISPUTE_STATE_OPEN]

    await stack.until(opened)
    return await stack.deposit(paid.deposit_id)


async def deposits(stack: Stack, **filters: object) -> Sequence[deposit_pb2.Deposit]:
    """List deposits."""
    request = pb.ListDepositsRequest(tenant_id="acme", **filters)  # type: ignore[arg-type]  # Fields of the caller's choice.
    return (await stack.deposits.ListDeposits(request)).deposits


async def disputes(stack: Stack, **filters: object) -> Sequence[dispute_pb2.Dispute]:
    """List disputes."""
    request = pb.ListDisputesRequest(tenant_id="acme", **filters)  # type: ignore[arg-type]  # Fields of the caller's choice.
    return (await stack.deposits.ListDisputes(request)).disputes


def refund_request(request_id: str, deposit_id: str, minor_units: int) -> pb.CreateRefundRequest:
    """Return the request of a refund."""
    return pb.CreateRefundRequest(
        tenant_id="acme",
        request_id=request_id,
        deposit_id=deposit_id,
        amount=Money(currency_code="EUR", minor_units=minor_units),
        requested_by="agent-7",
        comment="as agreed",
    )


async def test_a_refund_is_stored_as_it_was_asked_for(stack: Stack) -> None:
    """It is answered with what was asked for, by whom, and is found by its id and its request."""
    paid = await stack.pay("to-refund", player="clara")
    request = refund_request("refund", paid.deposit_id, 1_000)

    answer = await stack.deposits.CreateRefund(request)

    made = answer.refund
    assert not answer.replayed
    assert (made.request_id, made.deposit_id) == ("refund", paid.deposit_id)
    assert (made.player_id, made.provider, made.provider_account) == ("clara", PROVIDER, ACCOUNT)
    assert made.amount == request.amount
    assert (made.requested_by, made.comment) == ("agent-7", "as agreed")
    assert not made.made_at_provider
    assert made.reference == f"r-{made.refund_id}-1"
    assert made.provider_object_id.startswith("re_")
    assert (await stack.deposit(paid.deposit_id)).refunded_minor == 1_000
    for which in ({"refund_id": made.refund_id}, {"request_id": "refund"}):
        found = await stack.deposits.GetRefund(pb.GetRefundRequest(tenant_id="acme", **which))
        assert found.refund.refund_id == made.refund_id
        assert found.refund.state >= made.state


async def test_what_is_no_refund_is_not_found(stack: Stack, deposit: deposit_pb2.Deposit) -> None:
    """An id of nothing, and a request that made something else."""
    for which in (
        {"refund_id": NOBODY},
        {"refund_id": deposit.deposit_id},
        {"request_id": "never-used"},
        {"request_id": deposit.request_id},
    ):
        request = pb.GetRefundRequest(tenant_id="acme", **which)
        refused = await refusal(stack.deposits.GetRefund(request))
        assert (refused.reason, refused.code) == ("REFUND_NOT_FOUND", grpc.StatusCode.NOT_FOUND)


async def test_what_cannot_be_refunded_is_refused(
    stack: Stack, deposit: deposit_pb2.Deposit
) -> None:
    """More than is left, or a wrong shape; nothing is stored, and the id stays free."""
    paid = await stack.pay("greedy", player="dora")
    await stack.deposits.CreateRefund(refund_request("greedy-1", paid.deposit_id, 2_000))
    exceeding = await refusal(
        stack.deposits.CreateRefund(refund_request("greedy-2", paid.deposit_id, 501))
    )
    nothing = await refusal(
        stack.deposits.CreateRefund(refund_request("greedy-2", paid.deposit_id, 0))
    )
    anonymous = refund_request("greedy-2", paid.deposit_id, 1)
    anonymous.requested_by = ""

    assert (exceeding.reason, exceeding.code) == (
        "REFUND_EXCEEDS_CAPTURED",
        grpc.StatusCode.FAILED_PRECONDITION,
    )
    assert exceeding.metadata == {"refundable_minor": "500"}
    assert nothing.reason == "INVALID_REQUEST"
    assert (await refusal(stack.deposits.CreateRefund(anonymous))).fields == ("requested_by",)
    unwritable = refund_request("greedy-2", paid.deposit_id, 1)
    unwritable.comment = "a\0b"
    assert (await refusal(stack.deposits.CreateRefund(unwritable))).fields == ("comment",)
    rest = await stack.deposits.CreateRefund(refund_request("greedy-2", paid.deposit_id, 500))
    assert not rest.replayed
    taken = await stack.deposits.CreateRefund(refund_request("taken", deposit.deposit_id, 100))
    assert taken.refund.state == refund_pb2.REFUND_STATE_REJECTED, "the dispute has the money"


async def test_a_provider_account_without_the_capability_is_refused(stack: Stack) -> None:
    """It takes no deposits, or gives none back; the metadata says which."""
    stack.add_account("bare", deposits=None)
    stack.add_account("giver", refunds=None)
    asked = stack.deposit_request("no-deposits")
    asked.provider_account = "bare"
    no_deposits = await refusal(stack.deposits.CreateDeposit(asked))
    asked.provider_account = "giver"
    paid = (await stack.deposits.CreateDeposit(asked)).deposit
    no_refunds = await refusal(
        stack.deposits.CreateRefund(refund_request("no-refunds", paid.deposit_id, 1))
    )

    for refused, capability in ((no_deposits, "DEPOSITS"), (no_refunds, "REFUNDS")):
        assert (refused.reason, refused.code) == (
            "CAPABILITY_MISSING",
            grpc.StatusCode.FAILED_PRECONDITION,
        )
        assert refused.metadata == {"capability": capability}
    assert (await stack.deposit(paid.deposit_id)).refunded_minor == 0, "nothing is set aside"


async def test_a_dispute_says_what_is_at_stake(stack: Stack, deposit: deposit_pb2.Deposit) -> None:
    """Its deposit, what was taken in which round, and why."""
    [listed] = await disputes(stack)
    request = pb.GetDisputeRequest(tenant_id="acme", dispute_id=listed.dispute_id)
    found = (await stack.deposits.GetDispute(request)).dispute

    assert found == listed
    assert (found.deposit_id, found.player_id) == (deposit.deposit_id, "anna")
    assert (found.provider, found.provider_account) == (PROVIDER, ACCOUNT)
    assert found.amount == deposit.captured_amount
    assert found.reason_code == "fraud"
    assert not found.HasField("evidence_due_time"), "the mock says no date"
    [round_] = found.rounds
    assert (round_.round_number, round_.withdrawn_amount) == (1, deposit.captured_amount)
    assert round_.state == dispute_pb2.DISPUTE_STATE_OPEN
    assert not round_.HasField("end_time")


async def test_every_filter_of_disputes_filters(stack: Stack, deposit: deposit_pb2.Deposit) -> None:
    """What is asked for is found, and what is not is left out, for each filter alone."""
    [one] = await disputes(stack)
    assert not await disputes(stack, before_evidence_due_time=LATER), "it has no such date"
    await stack.rows("UPDATE psp_gateway.disputes SET evidence_due_time = create_time RETURNING 1")

    for fits, does_not in (
        ({"player_id": "anna"}, {"player_id": "bert"}),
        ({"deposit_id": deposit.deposit_id}, {"deposit_id": NOBODY}),
        ({"provider": PROVIDER}, {"provider": "other"}),
        ({"provider_account": ACCOUNT}, {"provider_account": "other"}),
        ({"states": [one.state]}, {"states": [dispute_pb2.DISPUTE_STATE_LOST]}),
        ({"provider_object_id": one.provider_object_id}, {"provider_object_id": "dp_other"}),
        ({"before_evidence_due_time": LATER}, {"before_evidence_due_time": one.create_time}),
        ({"from_create_time": one.create_time}, {"from_create_time": LATER}),
        ({"before_create_time": LATER}, {"before_create_time": one.create_time}),
    ):
        assert await disputes(stack, **fits), fits
        assert not await disputes(stack, **does_not), does_not


async def test_every_filter_of_deposits_filters(stack: Stack, deposit: deposit_pb2.Deposit) -> None:
    """What is asked for is found, and what is not is left out, for each filter alone."""

    async def finds(**filters: object) -> bool:
        found = await deposits(stack, page_size=200, **filters)
        return deposit.deposit_id in [one.deposit_id for one in found]

    assert await finds()
    for fits, does_not in (
        ({"player_id": "anna"}, {"player_id": "bert"}),
        ({"provider": PROVIDER}, {"provider": "other"}),
        ({"provider_account": ACCOUNT}, {"provider_account": "other"}),
        (
            {"states": [deposit_pb2.DEPOSIT_STATE_CAPTURED]},
            {"states": [deposit_pb2.DEPOSIT_STATE_DECLINED]},
        ),
        (
            {"settlement_states": [deposit.settlement_state]},
            {"settlement_states": [deposit_pb2.SETTLEMENT_STATE_BANKED]},
        ),
        ({"reference": deposit.reference}, {"reference": "d-other"}),
        ({"provider_object_id": deposit.provider_object_id}, {"provider_object_id": "pi_other"}),
        ({"from_create_time": deposit.create_time}, {"from_create_time": LATER}),
        ({"before_create_time": LATER}, {"before_create_time": deposit.create_time}),
    ):
        assert await finds(**fits), fits
        assert not await finds(**does_not), does_not


WRONG: list[dict[str, object]] = [
    {"states": [0]},
    {"states": [99]},
    {"states": [1, 1]},
    {"player_id": "a b"},
    {"provider": "Mock"},
    {"provider_object_id": "a b"},
    {"from_create_time": Timestamp(seconds=LATER.seconds + 1)},
]


@pytest.mark.parametrize("filters", WRONG, ids=range(len(WRONG)))
async def test_a_wrong_filter_is_refused(stack: Stack, filters: dict[str, object]) -> None:
    """Of either list a filter that is wrong by its shape is told, by its field."""
    for asked in (deposits(stack, **filters), disputes(stack, **filters)):
        refused = await refusal(asked)
        assert (refused.reason, refused.code) == (
            "INVALID_REQUEST",
            grpc.StatusCode.INVALID_ARGUMENT,
        )
        assert refused.fields[0].partition("[")[0].partition(".")[0] in filters
