"""Every reason has a category, and every exception a decision that ends it."""

from services.kernel.errors import Category
from services.psp_gateway.domain.exceptions import (
    DECISION_OF,
    DecisionKind,
    ExceptionKind,
    RaisedException,
)
from services.psp_gateway.domain.reasons import CATEGORIES, Reason, refusal


def test_every_reason_has_a_category() -> None:
    """No reason is without a category, so every refusal has a gRPC code."""
    assert list(CATEGORIES) == list(Reason)
    assert all(reason.value == reason.name for reason in Reason)


def test_refusal_carries_its_category_and_metadata() -> None:
    """A refusal is a DomainError that a client can read without its sentence."""
    error = refusal(Reason.REQUEST_ID_REUSED, "It was used before", request_id="r-1")

    assert (error.reason, error.category) == ("REQUEST_ID_REUSED", Category.CONFLICT)
    assert error.metadata == {"request_id": "r-1"}


def test_every_exception_asks_for_a_decision() -> None:
    """No exception waits for nothing, and one may ask for another decision than its kind does."""
    assert set(DECISION_OF) == set(ExceptionKind)
    usual = RaisedException(ExceptionKind.AMOUNT_DIFFERS, "more")
    other = RaisedException(ExceptionKind.AMOUNT_DIFFERS, "more", DecisionKind.REVIEW)
    assert usual.decision_kind is DecisionKind.OUTCOME
    assert other.decision_kind is DecisionKind.REVIEW
