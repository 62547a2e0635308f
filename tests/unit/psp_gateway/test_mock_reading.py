"""What the mock PSP delivers is read, or refused by name: no content of it is a bug of ours."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.psp_gateway.adapters.providers.mock.provider import MockWebhooks
from services.psp_gateway.application.providers import UnreadableError
from services.psp_gateway.application.records import Identity
from services.psp_gateway.domain.facts import Fact, ObjectType
from tests.fakes.provider_news import AT
from tests.fakes.signed_webhooks import event

TYPES = [
    *(
        f"payment_intent.{happened}"
        for happened in (
            *("created", "requires_action", "processing", "authorised", "succeeded", "declined"),
            *("cancelled", "expired", "available", "failed", "fee_charged"),
        )
    ),
    *(f"refund.{happened}" for happened in ("pending", "succeeded", "failed")),
    *(
        f"dispute.{happened}"
        for happened in (
            *("inquiry_opened", "inquiry_closed", "funds_withdrawn", "funds_reinstated", "lost"),
        )
    ),
    *(f"transfer.{happened}" for happened in ("accepted", "paid", "failed", "returned")),
    *("reserve.kept", "reserve.released", "sweep.created", "sweep.failed", "top_up.succeeded"),
    *("account.fee_charged", "risk.scored"),
]
numbers = st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63), 2**63, 10**30, 1.5, "1", None])
words = st.one_of(
    st.text(max_size=300),
    st.sampled_from(["", "EUR", "eur", "XXQ", "BTC", "failed", "failed_after_success", "\0"]),
)
moments = st.one_of(
    words,
    st.sampled_from(
        ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-02T09:30:00", 0, 1e30]
    ),
)
WEBHOOKS = MockWebhooks([], AT, "test", "main")
OURS = Identity(ObjectType.DEPOSIT, "o-1", 1, "d-1")


def told(body: dict[str, Any]) -> list[Fact] | None:
    """Return the facts of a body; None if it tells nothing."""
    notice = WEBHOOKS.read(orjson.dumps(body))
    return None if notice is None else list(notice.facts_for(OURS))


@given(
    kind=st.one_of(st.sampled_from(TYPES), words),
    created=moments,
    data=st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("amount_minor", "fee_minor", "number"), numbers),
            **dict.fromkeys(("object_id", "movement_id", "payment_intent_id", "reference"), words),
            **dict.fromkeys(("currency", "state", "code", "origin"), words),
        },
    ),
)
def test_any_content_is_read_or_refused_by_name(
    kind: str, created: Any, data: dict[str, Any]
) -> None:
    """Whatever is signed, it tells facts that can be decided, nothing, or is unreadable."""
    body = event(type=kind, created=created, data={k: v for k, v in data.items() if v is not None})
    try:
        orjson.dumps(body)
    except TypeError:
        # No JSON of ours holds it; a provider's could not be parsed either.
        return
    try:
        facts = told(body) or []
    except UnreadableError:
        return
    for fact in facts:
        assert fact.key
        assert fact.occurred_at.tzinfo


@pytest.mark.parametrize("kind", TYPES)
def test_no_amount_without_a_sign_is_zero_or_less(kind: str) -> None:
    """An event that moves money names an amount above zero; what may have a sign says so."""
    signed = {"sweep.created", "account.fee_charged"}
    sound = event(type=kind, data={"amount_minor": 700, "fee_minor": 20})
    moves = any(hasattr(fact, "amount") for fact in told(sound) or ())
    for amount in (0, -700):
        body = event(type=kind, data={"amount_minor": amount, "fee_minor": 20})
        if moves and kind not in signed:
            with pytest.raises(UnreadableError, match=f"its amount is {amount}"):
                told(body)
        else:
            told(body)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"created": "2026-03-02T09:30:00"}, "created"),
        ({"created": "9999-12-31T23:59:59-14:00"}, "created"),
        ({"data": {"currency": "XXQ"}}, "data.currency"),
        ({"data": {"movement_id": ""}}, "data.movement_id"),
        ({"data": {"number": -1}}, "data.number"),
        ({"data": {"reference": "secret\0word"}}, "data.reference"),
    ],
    ids=["no zone", "end of time", "no currency", "no key", "no round", "a control character"],
)
def test_what_cannot_be_read_is_named_and_not_repeated(changed: dict[str, Any], field: str) -> None:
    """People hear which field is wrong; what it holds may be anybody's data."""
    with pytest.raises(UnreadableError, match=field) as caught:
        told(event(**changed))
    assert "secret" not in str(caught.value)
