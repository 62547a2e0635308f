"""Deposits end to end: the gateway, a real ledger, the real mock PSP and its signed webhooks."""

import pytest

from tests.fakes.gateway_server import Stack
from vezne.psp_gateway.v1 import deposit_pb2


async def test_a_stored_card_is_captured_and_credited_at_once(stack: Stack) -> None:
    """A deposit that the provider captures in its answer is the player's when the RPC returns."""
    deposit = await stack.pay("card-1", player="card-player")

    assert deposit.state == deposit_pb2.DEPOSIT_STATE_CAPTURED
    assert deposit.postings_pending == 0
    assert deposit.captured_amount.minor_units == 2_500
    assert deposit.expected_fee.minor_units == 45
    assert await stack.cash("card-player") == 2_500


async def test_a_player_pays_on_the_hosted_page(stack: Stack) -> None:
    """The RPC answers with the page; the webhook of the payment credits the player."""
    deposit = await stack.pay("page-1", player="page-player", card=False)
    assert deposit.state == deposit_pb2.DEPOSIT_STATE_REQUIRES_ACTION

    await stack.player_pays(deposit.next_action.redirect.url)
    await stack.until_state(deposit.deposit_id, "CAPTURED")

    found = await stack.deposit(deposit.deposit_id)
    assert not found.HasField("next_action")
    assert await stack.cash("page-player") == 2_500
    assert await stack.facts_of(deposit.deposit_id) == [
        "created",
        "submit_started.1",
        "action_required",
        "captured",
        f"fee.capture:{found.provider_object_id}",
    ]


ENDS = [
    (("decline_insufficient_funds",), "DECLINED", 0),
    (("challenge_ok",), "CAPTURED", 2_500),
    (("challenge_fail",), "DECLINED", 0),
    (("pending_ok",), "CAPTURED", 2_500),
    (("pending_fail",), "DECLINED", 0),
    (("decline_then_paid",), "CAPTURED", 2_500),
    (("fails_later",), "CAPTURE_FAILED", 0),
    (("timeout_before",), "CAPTURED", 2_500),
    (("timeout_after",), "CAPTURED", 2_500),
    (("error_before",), "CAPTURED", 2_500),
    (("error_after",), "CAPTURED", 2_500),
    (("conflict",), "CAPTURED", 2_500),
    (("rate_limited",), "NOT_SENT", 0),
    (("truncated",), "CAPTURED", 2_500),
    (("amount_differs",), "CAPTURED", 2_500),
    (("currency_differs",), "CAPTURED", 2_500),
    (("webhook_before_answer",), "CAPTURED", 2_500),
    (("webhook_duplicated",), "CAPTURED", 2_500),
    (("webhook_two_ids",), "CAPTURED", 2_500),
    (("webhook_reordered", "fails_later"), "CAPTURE_FAILED", 0),
    (("webhook_never",), "CAPTURED", 2_500),
    (("webhook_never", "timeout_after"), "CAPTURED", 2_500),
    (("webhook_bad_signature",), "CAPTURED", 2_500),
    (("webhook_future_timestamp",), "CAPTURED", 2_500),
    (("webhook_unknown_type",), "CAPTURED", 2_500),
]


@pytest.mark.parametrize(
    ("words", "state", "cash"),
    ENDS,
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else None,
)
async def test_every_story_of_a_deposit_has_its_end(
    stack: Stack, words: tuple[str, ...], state: str, cash: int
) -> None:
    """Whatever goes wrong on the way, the deposit ends right and the player has what is his."""
    player = "-".join(words).replace("_", "-")
    deposit = await stack.pay("story-" + player, words=words, player=player, card=False)

    async def paid() -> bool:
        found = await stack.deposit(deposit.deposit_id)
        if found.HasField("next_action"):
            await stack.player_pays(found.next_action.redirect.url)
        return found.state == deposit_pb2.DepositState.Value(f"DEPOSIT_STATE_{state}")

    await stack.until(paid)
    await stack.until_state(deposit.deposit_id, state)

    assert await stack.cash(player) == cash


async def test_the_provider_and_the_ledger_agree(stack: Stack) -> None:
    """After all these stories the provider's buckets equal our accounts to the cent."""
    await stack.until(stack.agree)
