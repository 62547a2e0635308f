"""The API as a gateway calls it: objects, keys, answers that go wrong."""

import asyncio

import httpx
import pytest

from tests.integration.mock_psp.conftest import Desk

PAY = {"amount_minor": 2_500, "currency": "EUR", "stored_card": "card_1"}


async def intents_of(desk: Desk, reference: str) -> int:
    return len((await desk.get("payment_intents", reference=reference))["data"])


async def test_a_player_pays_on_the_hosted_page(desk: Desk) -> None:
    """Without a stored card the answer says where to pay; a click there captures."""
    asked = await desk.post(
        "payment_intents",
        reference="d-1<b>",
        amount_minor=1_234,
        currency="EUR",
        return_url="http://127.0.0.1/back",
    )
    page = asked.json()["next_action"]["url"]
    assert asked.json()["state"] == "created"
    async with httpx.AsyncClient(trust_env=False) as browser:
        shown = await browser.get(page)
        clicked = await browser.post(page, data={"choice": "pay"})
        again = await browser.get(page)

    assert "12.34 EUR" in shown.text
    assert "d-1&lt;b&gt;" in shown.text
    assert (clicked.status_code, clicked.headers["location"]) == (303, "http://127.0.0.1/back")
    assert "<form" not in again.text
    paid = await desk.get(f"payment_intents/{asked.json()['id']}")
    assert (paid["state"], paid["captured_minor"], paid["next_action"]) == (
        "succeeded",
        1_234,
        None,
    )


async def test_a_player_may_refuse_on_the_hosted_page(desk: Desk) -> None:
    """The other button declines."""
    asked = await desk.post("payment_intents", reference="d-1", amount_minor=5, currency="EUR")
    async with httpx.AsyncClient(trust_env=False) as browser:
        await browser.post(asked.json()["next_action"]["url"], data={"choice": "decline"})

    refused = await desk.get(f"payment_intents/{asked.json()['id']}")
    assert (refused["state"], refused["code"]) == ("declined", "player_refused")


async def test_a_challenge_is_a_second_click(desk: Desk) -> None:
    """A payment that needs a challenge sends the player to the page again."""
    asked = await desk.deposit("d-1.challenge_ok")
    assert asked["state"] == "requires_action"
    async with httpx.AsyncClient(trust_env=False) as browser:
        await browser.post(asked["next_action"]["url"], data={"choice": "pay"})

    assert (await desk.get(f"payment_intents/{asked['id']}"))["state"] == "succeeded"


async def test_an_authorisation_is_captured_or_cancelled(desk: Desk) -> None:
    """With capture by hand a part may be captured once, or the whole cancelled."""
    made = [
        (await desk.post("payment_intents", reference=one, capture="manual", **PAY)).json()
        for one in ("d-1", "d-2")
    ]
    captured = await desk.post(f"payment_intents/{made[0]['id']}/capture", amount_minor=500)
    again = await desk.post(f"payment_intents/{made[0]['id']}/capture")
    cancelled = await desk.post(f"payment_intents/{made[1]['id']}/cancel")

    assert [one["state"] for one in made] == ["authorised", "authorised"]
    assert (captured.json()["captured_minor"], again.status_code) == (500, 422)
    assert again.json()["error"]["code"] == "state_wrong"
    assert cancelled.json()["state"] == "cancelled"


async def test_a_refund_a_dispute_and_a_transfer_can_be_looked_up(desk: Desk) -> None:
    """Each object is found by its id, and by our reference or its payment intent."""
    intent = await desk.deposit("d-1")
    await desk.act("top_ups", key="t", currency="EUR", amount_minor=50_000)
    refund = (
        await desk.post(
            "refunds", payment_intent_id=intent["id"], amount_minor=100, reference="r-1"
        )
    ).json()
    dispute = await desk.act("disputes", payment_intent_id=intent["id"], code="fraud")
    transfer = (
        await desk.post(
            "transfers", reference="w-1", amount_minor=700, currency="EUR", destination="iban_1"
        )
    ).json()
    await desk.advance(5)

    refunds = (await desk.get("refunds", reference="r-1"))["data"]
    transfers = (await desk.get("transfers", reference="w-1"))["data"]
    disputes = (await desk.get("disputes", payment_intent_id=intent["id"]))["data"]
    assert [(one["id"], one["state"]) for one in refunds] == [(refund["id"], "succeeded")]
    assert [(one["id"], one["state"]) for one in transfers] == [(transfer["id"], "paid")]
    assert [(one["id"], one["round_number"]) for one in disputes] == [(dispute["id"], 1)]
    assert await desk.get(f"refunds/{refund['id']}") == refunds[0]
    assert await desk.get(f"transfers/{transfer['id']}") == transfers[0]
    assert await desk.get(f"disputes/{dispute['id']}") == disputes[0]
    (balance,) = (await desk.get("balance"))["balances"]
    assert balance["pending_minor"] == 10_000 - 150
    assert balance["available_minor"] == 50_000 - 100 - (10_000 + 1_500) - (700 + 25)
    assert await desk.get("refunds", reference="nobody") == {"object": "list", "data": []}


async def test_a_balance_that_is_too_low_refuses_a_transfer(desk: Desk) -> None:
    """The refusal is recorded with its key, and says why."""
    body = {"reference": "w-1", "amount_minor": 1, "currency": "EUR", "destination": "iban_1"}
    refused = await desk.post("transfers", key="k", **body)
    await desk.act("top_ups", key="t", currency="EUR", amount_minor=50_000)
    again = await desk.post("transfers", key="k", **body)

    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "balance_insufficient")
    assert (again.status_code, again.content) == (422, refused.content)
    assert (await desk.post("transfers", **body)).status_code == 201


async def test_the_same_key_and_body_is_done_once(desk: Desk) -> None:
    """A repeated call gives the same bytes, is marked, and makes nothing."""
    first = await desk.post("payment_intents", key="k", reference="d-1", **PAY)
    again = await desk.post("payment_intents", key="k", reference="d-1", **PAY)

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await intents_of(desk, "d-1") == 1


async def test_a_key_with_another_body_is_a_conflict(desk: Desk) -> None:
    """A key belongs to its first body and path; nothing is made for another."""
    await desk.post("payment_intents", key="k", reference="d-1", **PAY)
    other = await desk.post("payment_intents", key="k", reference="d-2", **PAY)

    assert (other.status_code, other.json()["error"]["code"]) == (409, "key_reused")
    assert await intents_of(desk, "d-2") == 0


async def test_a_key_in_use_is_a_conflict(desk: Desk) -> None:
    """While a call is going on, another with its key is refused."""
    desk.receiver.hold = asyncio.Event()
    body = {"key": "k", "reference": "d-1.webhook_before_answer", **PAY}
    first = asyncio.create_task(desk.post("payment_intents", **body))
    await desk.receiver.wait_for(1)
    second = await desk.post("payment_intents", **body)
    desk.receiver.hold.set()

    assert (second.status_code, second.json()["error"]["code"]) == (409, "key_in_use")
    assert (await first).status_code == 201


async def test_a_key_is_forgotten_after_a_day(desk: Desk) -> None:
    """A call that is repeated too late is done twice, as at real providers."""
    await desk.post("payment_intents", key="k", reference="d-1", **PAY)
    await desk.advance(86_400)
    late = await desk.post("payment_intents", key="k", reference="d-1", **PAY)

    assert "idempotency-replayed" not in late.headers
    assert await intents_of(desk, "d-1") == 2


@pytest.mark.parametrize(
    ("word", "status", "code"),
    [
        ("error_before", 500, "internal"),
        ("conflict", 409, "key_in_use"),
        ("rate_limited", 429, "rate_limited"),
        ("timeout_before", 504, "timeout"),
    ],
)
async def test_an_answer_that_fails_before_anything_was_done(
    desk: Desk, word: str, status: int, code: str
) -> None:
    """Nothing is made by the first call; repeated with its key it is made once."""
    body = {"key": "k", "reference": f"d-1.{word}", **PAY}
    failed = await desk.post("payment_intents", **body)
    made_before = await intents_of(desk, f"d-1.{word}")
    repeated = await desk.post("payment_intents", **body)

    assert (failed.status_code, failed.json()["error"]["code"]) == (status, code)
    assert ("retry-after" in failed.headers) == (status == 429)
    assert made_before == 0
    assert repeated.status_code == 201
    assert await intents_of(desk, f"d-1.{word}") == 1


async def test_an_error_after_it_was_done_is_replayed(desk: Desk) -> None:
    """The money has moved; the 500 stays the answer for that key, and a lookup tells the truth."""
    body = {"key": "k", "reference": "d-1.error_after", **PAY}
    failed = await desk.post("payment_intents", **body)
    again = await desk.post("payment_intents", **body)

    assert (failed.status_code, again.status_code) == (500, 500)
    assert again.content == failed.content
    (truth,) = (await desk.get("payment_intents", reference="d-1.error_after"))["data"]
    assert truth["state"] == "succeeded"


async def test_a_timeout_after_it_was_done_is_answered_when_repeated(desk: Desk) -> None:
    """The client hears nothing while the money moves; its retry gets the true answer."""
    body = {"reference": "d-1.timeout_after", **PAY}
    with pytest.raises(httpx.ReadTimeout):
        await desk.api.post(
            "/v1/payment_intents", json=body, headers={"idempotency-key": "k"}, timeout=0.1
        )
    assert await intents_of(desk, "d-1.timeout_after") == 1

    repeated = await desk.post("payment_intents", key="k", **body)

    assert (repeated.status_code, repeated.json()["state"]) == (201, "succeeded")
    assert await intents_of(desk, "d-1.timeout_after") == 1


async def test_a_truncated_answer_is_whole_when_repeated(desk: Desk) -> None:
    """Half a JSON object cannot be read; the same call again can."""
    body = {"key": "k", "reference": "d-1.truncated", **PAY}
    cut = await desk.post("payment_intents", **body)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        cut.json()

    assert (await desk.post("payment_intents", **body)).json()["state"] == "succeeded"


@pytest.mark.parametrize(
    ("word", "amount_minor", "currency"),
    [("amount_differs", 2_501, "EUR"), ("currency_differs", 2_500, "GBP")],
)
async def test_an_answer_can_lie(desk: Desk, word: str, amount_minor: int, currency: str) -> None:
    """The answer names other money than was asked; a lookup tells what was done."""
    lie = (await desk.post("payment_intents", reference=f"d.{word}", **PAY)).json()
    truth = await desk.get(f"payment_intents/{lie['id']}")

    assert (lie["amount_minor"], lie["currency"]) == (amount_minor, currency)
    assert (truth["amount_minor"], truth["currency"]) == (2_500, "EUR")


async def test_words_can_be_chosen_by_an_admin(desk: Desk) -> None:
    """A word holds for a reference, or for the next object of a kind."""
    await desk.act("scenarios", words=["decline_expired_card"], reference="d-7")
    await desk.act("scenarios", words=["decline_suspected_fraud"], next="payment_intent")

    codes = [(await desk.deposit(one))["code"] for one in ("d-7", "d-8", "d-9")]

    assert codes == ["expired_card", "suspected_fraud", ""]


async def test_an_outage_answers_503_until_it_ends(desk: Desk) -> None:
    """Whatever is asked meanwhile is refused and not done."""
    await desk.act("outage", seconds=3_600)
    down = await desk.post("payment_intents", reference="d-1", **PAY)
    await desk.advance(3_600)

    assert (down.status_code, down.json()["error"]["type"]) == (503, "api_error")
    assert await intents_of(desk, "d-1") == 0


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 0},
        {"amount_minor": -1},
        {"amount_minor": 2**63},
        {"amount_minor": "2500"},
        {"amount_minor": 25.5},
        {"amount_minor": True},
        {"currency": "EURO"},
        {"currency": None},
        {"reference": ""},
        {"reference": "with space"},
        {"reference": "x" * 129},
        {"capture": "later"},
        {"return_url": "javascript:alert(1)"},
        {"card_number": "4242"},
    ],
    ids=str,
)
async def test_a_malformed_body_is_refused(desk: Desk, change: dict[str, object]) -> None:
    """A wrong, missing or unknown field is a 400 that names the fault, and makes nothing."""
    answer = await desk.post("payment_intents", **{"reference": "d-1", **PAY, **change})

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert (await desk.look("books"))["rows"] == []


async def test_what_is_no_call_is_refused_as_json(desk: Desk) -> None:
    """Unknown paths, methods, ids, missing keys and oversized bodies have errors in one shape."""
    no_key = await desk.api.post("/v1/payment_intents", json={"reference": "d-1", **PAY})
    garbage = await desk.api.post(
        "/v1/payment_intents", content=b"{", headers={"idempotency-key": "k"}
    )
    large = await desk.api.post(
        "/v1/payment_intents", content=b" " * 70_000, headers={"idempotency-key": "k"}
    )
    answers = {
        "key_missing": (no_key, 400),
        "body_invalid": (garbage, 400),
        "body_too_large": (large, 400),
        "path_unknown": (await desk.api.get("/v1/nothing"), 404),
        "method_not_allowed": (await desk.api.delete("/v1/balance"), 405),
        "not_found": (await desk.api.get("/v1/payment_intents/pi_0"), 404),
        "query_invalid": (await desk.api.get("/v1/payment_intents"), 400),
    }

    for code, (answer, status) in answers.items():
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_tokens_open_only_their_own(desk: Desk) -> None:
    """A call without a token, with a wrong one, or with the other API's is a 401."""
    async with httpx.AsyncClient(base_url=desk.mock_psp.base_url, trust_env=False) as nobody:
        refused = [
            await nobody.get("/v1/balance"),
            await nobody.get("/v1/balance", headers={"authorization": "Bearer wrong"}),
            await desk.admin.get("/v1/balance"),
            await desk.api.get("/admin/clock"),
            await desk.api.get("/admin/accounts/main/books"),
            await desk.api.post("/admin/clock/close_day"),
            await desk.api.get("/admin/scenarios"),
        ]

    assert [one.status_code for one in refused] == [401] * 7


async def test_accounts_do_not_see_one_another(desk: Desk) -> None:
    """An id of one account is not found with the token of another."""
    intent = await desk.deposit("d-1")
    other = desk.mock_psp.world.secrets["second"]

    answer = await desk.api.get(
        f"/v1/payment_intents/{intent['id']}", headers={"authorization": f"Bearer {other}"}
    )

    assert answer.status_code == 404
