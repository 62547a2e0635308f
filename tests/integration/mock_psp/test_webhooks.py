"""Webhooks as they arrive: signed, repeated, forged, late, or never."""

import asyncio

import pytest

from services.local.mock_psp.webhooks import encoded_secret
from tests.integration.mock_psp.conftest import Desk


async def test_a_webhook_is_signed_and_says_all(desk: Desk) -> None:
    """What arrives is signed with the account's secret and has what a posting needs."""
    intent = await desk.deposit("d-1")
    (received,) = await desk.receiver.wait_for(1)

    assert received.is_signed_with(desk.settings.webhook_secret)
    assert not received.is_signed_with(encoded_secret(b"x" * 32))
    event = received.event
    assert event["id"] == received.headers["webhook-id"]
    assert (event["type"], event["account"], event["mode"]) == (
        "payment_intent.succeeded",
        "main",
        "test",
    )
    assert event["created"] == "2026-03-02T09:00:00Z"
    assert event["data"] == {
        "object_id": intent["id"],
        "movement_id": intent["id"],
        "payment_intent_id": "",
        "reference": "d-1",
        "currency": "EUR",
        "amount_minor": 10_000,
        "fee_minor": 150,
        "number": 1,
        "state": "succeeded",
        "code": "",
        "origin": "operator",
    }


async def test_webhooks_about_one_object_arrive_in_order(desk: Desk) -> None:
    """A payment's story is told in the order in which it happened."""
    await desk.deposit("d-1.pending_ok.chargeback_won_then_lost")
    await desk.advance(60)
    await desk.receiver.wait_for(6)

    assert desk.receiver.types() == [
        "payment_intent.processing",
        "payment_intent.succeeded",
        "dispute.funds_withdrawn",
        "dispute.funds_reinstated",
        "dispute.funds_withdrawn",
        "dispute.lost",
    ]


async def test_an_object_waits_for_its_own_webhooks_only(desk: Desk) -> None:
    """While one webhook is not answered, the next about its object waits, and others pass."""
    desk.receiver.hold = asyncio.Event()
    await desk.deposit("d-1.pending_ok")
    await desk.advance(60)
    await desk.receiver.wait_for(1)
    await desk.deposit("d-2")
    first, second = await desk.receiver.wait_for(2)
    desk.receiver.hold.set()
    await desk.receiver.wait_for(3)

    references = [one.event["data"]["reference"] for one in (first, second)]
    assert references == ["d-1.pending_ok", "d-2"]
    assert desk.receiver.types()[2] == "payment_intent.succeeded"


async def test_a_webhook_is_tried_until_it_is_taken(desk: Desk) -> None:
    """Every attempt has the same id and body, and a signature of its own."""
    desk.receiver.answers = [500, 404, 302]
    await desk.deposit("d-1")

    received = await desk.receiver.wait_for(4)

    assert len({one.headers["webhook-id"] for one in received}) == 1
    assert len({one.body for one in received}) == 1
    assert all(one.is_signed_with(desk.settings.webhook_secret) for one in received)
    (delivery,) = (await desk.look("deliveries"))["data"]
    assert [one["answer"] for one in delivery["attempts"][:3]] == ["500", "404", "302"]


async def test_attempts_are_bounded_and_a_webhook_can_be_resent(desk: Desk) -> None:
    """After the last attempt the delivery is given up; resent, it is delivered."""
    desk.receiver.answers = [503] * 4
    await desk.deposit("d-1")
    await desk.receiver.wait_for(4)
    await desk.deposit("d-2")
    await desk.receiver.wait_for(5)
    given_up = (await desk.look("deliveries", reference="d-1"))["data"][0]

    await desk.act(f"deliveries/{given_up['webhook_id']}/resend")
    received = await desk.receiver.wait_for(6)

    assert given_up["state"] == "given_up"
    assert [one.event["data"]["reference"] for one in received] == ["d-1"] * 4 + ["d-2", "d-1"]


async def test_a_duplicate_arrives_three_times(desk: Desk) -> None:
    """Each copy has the same id and a valid signature."""
    await desk.deposit("d-1.webhook_duplicated")
    received = await desk.receiver.wait_for(3)

    assert len({one.headers["webhook-id"] for one in received}) == 1
    assert all(one.is_signed_with(desk.settings.webhook_secret) for one in received)


@pytest.mark.parametrize("word", ["webhook_bad_signature", "webhook_old_key"])
async def test_a_forged_webhook_does_not_verify(desk: Desk, word: str) -> None:
    """Its signature is not that of the account's secret; resent, it is sound."""
    await desk.deposit(f"d-1.{word}")
    (forged,) = await desk.receiver.wait_for(1)
    assert not forged.is_signed_with(desk.settings.webhook_secret)

    await desk.act(f"deliveries/{forged.headers['webhook-id']}/resend")
    _, sound = await desk.receiver.wait_for(2)

    assert sound.is_signed_with(desk.settings.webhook_secret)


async def test_a_timestamp_can_lie_a_day_ahead(desk: Desk) -> None:
    """The signature is sound; the time is what a verifier must refuse."""
    await desk.deposit("d-1")
    await desk.deposit("d-2.webhook_future_timestamp")
    now, ahead = await desk.receiver.wait_for(2)

    assert ahead.is_signed_with(desk.settings.webhook_secret)
    lead_s = int(ahead.headers["webhook-timestamp"]) - int(now.headers["webhook-timestamp"])
    assert 86_390 < lead_s < 86_410


async def test_a_withheld_webhook_never_comes(desk: Desk) -> None:
    """A lost webhook is listed as withheld, and others pass it."""
    await desk.deposit("d-1.webhook_never")
    await desk.deposit("d-2")
    (received,) = await desk.receiver.wait_for(1)

    assert received.event["data"]["reference"] == "d-2"
    (lost,) = (await desk.look("deliveries", reference="d-1.webhook_never"))["data"]
    assert (lost["state"], lost["attempts"]) == ("withheld", [])


async def test_a_webhook_can_come_before_the_answer(desk: Desk) -> None:
    """When the call is answered, its webhook has arrived."""
    await desk.deposit("d-1.webhook_before_answer")

    assert desk.receiver.types() == ["payment_intent.succeeded"]


async def test_the_endpoint_can_be_moved(desk: Desk) -> None:
    """Without an endpoint webhooks are withheld; with one they come again."""
    await desk.act("endpoint", url=None)
    await desk.deposit("d-1")
    await desk.act("endpoint", url=desk.receiver.url)
    await desk.deposit("d-2")
    (received,) = await desk.receiver.wait_for(1)

    assert received.event["data"]["reference"] == "d-2"


async def test_an_unreachable_endpoint_is_recorded(desk: Desk) -> None:
    """An attempt that reaches nobody names what failed, and is tried again."""
    await desk.act("endpoint", url="http://127.0.0.1:1/webhooks")
    await desk.deposit("d-1.webhook_before_answer")
    (delivery,) = (await desk.look("deliveries"))["data"]
    assert delivery["attempts"][0]["answer"] == "ConnectError"

    await desk.act("endpoint", url=desk.receiver.url)
    await desk.act(f"deliveries/{delivery['webhook_id']}/resend")

    await desk.receiver.wait_for(1)
