"""Refunds and disputes end to end: what goes back, and what is taken back."""

import asyncio
from datetime import timedelta

import grpc
import pytest

from services.platform.errors import from_rpc_error
from tests.fakes.gateway_server import Stack
from vezne.psp_gateway.v1 import dispute_pb2, refund_pb2
from vezne.psp_gateway.v1.deposit_service_pb2 import (
    CreateRefundRequest,
    GetDisputeRequest,
    GetRefundRequest,
    ListDisputesRequest,
)
from vezne.type.v1.money_pb2 import Money

RECEIVABLE = "asset/player/{}/receivable/eur"
FREEZE = "liability/player/{}/dispute_freeze/eur"


async def refund(
    stack: Stack, deposit_id: str, minor_units: int, *words: str, request_id: str = ""
) -> refund_pb2.Refund:
    """Ask for a refund."""
    if words:
        await stack.scenario(*words, kind="refund")
    answer = await stack.deposits.CreateRefund(
        CreateRefundRequest(
            tenant_id=stack.tenant,
            request_id=request_id or f"refund-{deposit_id}-{minor_units}",
            deposit_id=deposit_id,
            amount=Money(currency_code="EUR", minor_units=minor_units),
            requested_by="agent-7",
            comment="as agreed",
        )
    )
    return answer.refund


async def until_refund(stack: Stack, refund_id: str, state: str) -> None:
    """Wait until a refund is in a state, and all its postings stand."""

    async def there() -> bool:
        found = await stack.deposits.GetRefund(
            GetRefundRequest(tenant_id=stack.tenant, refund_id=refund_id)
        )
        name = refund_pb2.RefundState.Name(found.refund.state)
        return name == f"REFUND_STATE_{state}" and not found.refund.postings_pending

    await stack.until(there)


ENDS = [
    ((), "SUCCEEDED", 1_500),
    (("refund_fails",), "FAILED", 2_500),
    (("refund_fails_later",), "FAILED_AFTER_SUCCESS", 2_500),
    (("timeout_after",), "SUCCEEDED", 1_500),
    (("timeout_before",), "SUCCEEDED", 1_500),
    (("error_after",), "SUCCEEDED", 1_500),
    (("conflict",), "SUCCEEDED", 1_500),
    (("rate_limited",), "SUCCEEDED", 1_500),
    (("truncated",), "SUCCEEDED", 1_500),
    (("webhook_never",), "SUCCEEDED", 1_500),
    (("webhook_duplicated", "refund_fails_later"), "FAILED_AFTER_SUCCESS", 2_500),
    (("webhook_reordered", "refund_fails_later"), "FAILED_AFTER_SUCCESS", 2_500),
]


@pytest.mark.parametrize(("words", "state", "cash"), ENDS, ids=str)
async def test_every_story_of_a_refund_has_its_end(
    stack: Stack, words: tuple[str, ...], state: str, cash: int
) -> None:
    """Whatever goes wrong on the way, the player has what was not given back."""
    player = "refund-" + "-".join(words or ("plain",)).replace("_", "-")
    deposit = await stack.pay(player, player=player)

    asked = await refund(stack, deposit.deposit_id, 1_000, *words)
    if "webhook_reordered" in words:
        await until_refund(stack, asked.refund_id, "SUCCEEDED")
        # The last of an odd number of webhooks is held back for an hour.
        await stack.mock.world.advance(timedelta(hours=2))
    await until_refund(stack, asked.refund_id, state)

    assert await stack.cash(player) == cash
    assert (await stack.deposit(deposit.deposit_id)).refunded_minor == 2_500 - cash


async def test_a_refund_that_the_player_spent_is_rejected(stack: Stack) -> None:
    """The ledger refuses what the player does not have; the provider is never asked."""
    deposit = await stack.pay("spender", player="spender")
    await stack.admin("disputes", {"payment_intent_id": deposit.provider_object_id})

    async def frozen() -> bool:
        return await stack.cash("spender") == 0

    # A dispute holds all that the player has, so the ledger has nothing to set aside.
    await stack.until(frozen)
    rejected = await refund(stack, deposit.deposit_id, 100)

    assert rejected.state == refund_pb2.REFUND_STATE_REJECTED
    assert rejected.ledger_reason == "INSUFFICIENT_AVAILABLE"
    assert rejected.provider_object_id == ""
    assert (await stack.deposit(deposit.deposit_id)).refunded_minor == 0


async def test_more_than_was_captured_is_not_refunded(stack: Stack) -> None:
    """What is left to refund counts every refund that has not failed."""
    deposit = await stack.pay("greedy", player="greedy")
    await refund(stack, deposit.deposit_id, 2_000)

    with pytest.raises(grpc.aio.AioRpcError) as exceeded:
        await refund(stack, deposit.deposit_id, 501)

    error = from_rpc_error(exceeded.value)
    assert error.reason == "REFUND_EXCEEDS_CAPTURED"
    assert error.metadata == {"refundable_minor": "500"}


DISPUTES = [
    ("inquiry_only", "CLOSED", 0, 2_500, 0),
    ("chargeback_lost", "LOST", 1, 0, 0),
    ("chargeback_won", "WON", 1, 2_500, 0),
    ("chargeback_won_in_part", "WON", 1, 1_250, 0),
    ("chargeback_won_then_lost", "LOST", 2, 0, 0),
]


@pytest.mark.parametrize(("word", "state", "rounds", "cash", "owed"), DISPUTES)
async def test_every_story_of_a_dispute_has_its_end(
    stack: Stack, word: str, state: str, rounds: int, cash: int, owed: int
) -> None:
    """A dispute takes what it takes, round by round, and the player keeps what he won."""
    player = word.replace("_", "-")
    deposit = await stack.pay(player, words=(word,), player=player)

    async def ended() -> bool:
        found = await stack.deposits.ListDisputes(
            ListDisputesRequest(tenant_id=stack.tenant, deposit_id=deposit.deposit_id)
        )
        return any(
            one.state == dispute_pb2.DisputeState.Value(f"DISPUTE_STATE_{state}")
            and [round_.fee.minor_units for round_ in one.rounds] == [1_500] * rounds
            and not one.postings_pending
            for one in found.disputes
        )

    await stack.until(ended)

    assert await stack.cash(player) == cash
    assert await stack.balance(RECEIVABLE.format(player)) == owed
    assert await stack.balance(FREEZE.format(player)) == 0
    [found] = (
        await stack.deposits.ListDisputes(
            ListDisputesRequest(tenant_id=stack.tenant, player_id=player)
        )
    ).disputes
    assert [one.round_number for one in found.rounds] == list(range(1, rounds + 1))
    again = await stack.deposits.GetDispute(
        GetDisputeRequest(tenant_id=stack.tenant, dispute_id=found.dispute_id)
    )
    assert again.dispute == found


async def test_a_spent_deposit_that_is_lost_is_owed_and_recovered(stack: Stack) -> None:
    """What a dispute takes beyond what the player has he owes, and his next deposit pays it."""
    deposit = await stack.pay("debtor", player="debtor")
    spent = await refund(stack, deposit.deposit_id, 2_000, request_id="debtor-spends")
    await until_refund(stack, spent.refund_id, "SUCCEEDED")
    opened = await stack.admin("disputes", {"payment_intent_id": deposit.provider_object_id})
    await stack.admin(f"disputes/{opened['id']}/lose")

    async def lost() -> bool:
        found = await stack.deposits.ListDisputes(
            ListDisputesRequest(tenant_id=stack.tenant, player_id="debtor")
        )
        return any(
            one.state == dispute_pb2.DISPUTE_STATE_LOST and not one.postings_pending
            for one in found.disputes
        )

    await stack.until(lost)
    assert await stack.balance(RECEIVABLE.format("debtor")) == 2_000
    await stack.pay("debtor-pays", player="debtor", minor_units=3_000)

    assert await stack.balance(RECEIVABLE.format("debtor")) == 0
    assert await stack.cash("debtor") == 1_000


async def test_a_refund_made_at_the_provider_is_booked_and_noted(stack: Stack) -> None:
    """A refund that we did not ask for has a row, takes the player's money, and tells people."""
    deposit = await stack.pay("unasked", words=("refunded_by_provider",), player="unasked")

    async def booked() -> bool:
        return (await stack.deposit(deposit.deposit_id)).refunded_minor == 2_500

    await stack.until(booked)

    assert await stack.cash("unasked") == 0
    [row] = await stack.rows(
        "SELECT refund_id FROM psp_gateway.refunds WHERE deposit_id = $1", deposit.deposit_id
    )
    found = await stack.deposits.GetRefund(
        GetRefundRequest(tenant_id=stack.tenant, refund_id=str(row["refund_id"]))
    )
    assert found.refund.made_at_provider
    assert await stack.exceptions(str(row["refund_id"])) == ["REFUND_UNEXPECTED"]


async def test_the_provider_and_the_ledger_agree(stack: Stack) -> None:
    """After all these stories the provider's buckets equal our accounts to the cent."""
    await stack.until(stack.agree)


async def test_the_same_refund_at_once_is_one_refund(stack: Stack) -> None:
    """Copies of one request that would together exceed the deposit all get the one refund."""
    deposit = await stack.pay("refund-at-once", 3_000, player="at-once")
    await stack.until_state(deposit.deposit_id, "CAPTURED")
    answers = await asyncio.gather(
        *(refund(stack, deposit.deposit_id, 2_000, request_id="at-once") for _ in range(5))
    )

    assert len({answer.refund_id for answer in answers}) == 1
    await until_refund(stack, answers[0].refund_id, "SUCCEEDED")
    assert (await stack.deposit(deposit.deposit_id)).refunded_minor == 2_000
