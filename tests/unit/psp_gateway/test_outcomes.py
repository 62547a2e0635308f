"""What a call to a provider came to: a failure only where it is certain."""

from datetime import UTC, datetime, timedelta

import pytest

from services.psp_gateway.domain.outcomes import (
    Failure,
    NextStep,
    NotFound,
    Outcome,
    next_step,
    outcome_of_failure,
    outcome_of_http_code,
    outcome_of_not_found,
)

SENT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
UNTIL = SENT + timedelta(hours=23)


@pytest.mark.parametrize(
    ("http_code", "outcome"),
    [
        (200, None),
        (202, None),
        (299, None),
        (100, Outcome.UNKNOWN),
        (302, Outcome.UNKNOWN),
        (400, Outcome.DECLINED),
        (401, Outcome.NOT_SENT),
        (402, Outcome.DECLINED),
        (403, Outcome.NOT_SENT),
        (404, Outcome.DECLINED),
        (409, Outcome.UNKNOWN),
        (422, Outcome.DECLINED),
        (429, Outcome.NOT_SENT),
        (500, Outcome.UNKNOWN),
        (503, Outcome.UNKNOWN),
        (999, Outcome.UNKNOWN),
    ],
)
def test_http_code(http_code: int, outcome: Outcome | None) -> None:
    """Only codes that rule out any effect are DECLINED or NOT_SENT."""
    assert outcome_of_http_code(http_code) is outcome


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (Failure.CONNECT, Outcome.NOT_SENT),
        (Failure.BREAKER_OPEN, Outcome.NOT_SENT),
        (Failure.READ, Outcome.UNKNOWN),
        (Failure.UNDECODABLE, Outcome.UNKNOWN),
    ],
)
def test_failure(failure: Failure, outcome: Outcome) -> None:
    """A request that left may have been heard."""
    assert outcome_of_failure(failure) is outcome


@pytest.mark.parametrize(
    ("now", "has_query", "step"),
    [
        (UNTIL - timedelta(microseconds=1), True, NextStep.REPLAY),
        (UNTIL - timedelta(microseconds=1), False, NextStep.REPLAY),
        (UNTIL, True, NextStep.ASK),
        (UNTIL, False, NextStep.WAIT),
    ],
)
def test_next_step(now: datetime, has_query: bool, step: NextStep) -> None:
    """The same bytes are sent again only while the provider knows their key."""
    assert next_step(now, UNTIL, has_query=has_query) is step


@pytest.mark.parametrize(
    ("asked_at", "consistent", "outcome"),
    [
        (UNTIL, True, Outcome.NOT_SENT),
        (UNTIL - timedelta(microseconds=1), True, Outcome.UNKNOWN),
        (UNTIL + timedelta(days=300), False, Outcome.UNKNOWN),
    ],
)
def test_not_found(asked_at: datetime, consistent: bool, outcome: Outcome) -> None:
    """Not being found proves nothing where a lookup may lag or a replay may be under way."""
    assert outcome_of_not_found(NotFound(asked_at, consistent), UNTIL) is outcome
