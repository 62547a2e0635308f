"""What comes next for a withdrawal, from its rows alone."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.psp_gateway.domain.objects import Approval, Withdrawal, WithdrawalState
from services.psp_gateway.domain.outcomes import Outcome
from services.psp_gateway.domain.withdrawal_steps import (
    Plan,
    Rhythm,
    Step,
    Tries,
    WaitingFor,
    WithdrawalTimes,
    needs_person,
    plan,
)
from tests.fakes.gateway_rows import EUR_50, NOW
from tests.fakes.provider_news import AT

S = WithdrawalState
TIMES = WithdrawalTimes()
HOUR = timedelta(hours=1)


def withdrawal(state: S, **others: Any) -> Withdrawal:
    """A withdrawal in a state."""
    return Withdrawal(
        withdrawal_id="w-1",
        player_id="anna",
        amount=EUR_50,
        requested_by="anna",
        state=state,
        **others,
    )


def tries(
    outcome: Outcome | None, age: timedelta = timedelta(0), since: timedelta | None = None
) -> Tries:
    """The last attempt of that age, and the first of another."""
    return Tries(
        outcome=outcome,
        begun_at=NOW - age,
        first_begun_at=NOW - (age if since is None else since),
        replay_until=NOW - age + timedelta(hours=23),
    )


def planned(
    row: Withdrawal,
    of: Tries | None = None,
    waiting_for: WaitingFor = WaitingFor.NOTHING,
    expires_at: datetime | None = None,
) -> Plan:
    """The plan now."""
    return plan(row, of, waiting_for, expires_at, TIMES, NOW)


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (S.REQUESTED, Step.RESERVE),
        (S.RESERVED, Step.ASK_RULES),
        (S.APPROVED, Step.SUBMIT),
        (S.PAID, Step.NOTHING),
        (S.REJECTED, Step.NOTHING),
        (S.CANCELLED, Step.NOTHING),
        (S.EXPIRED, Step.NOTHING),
        (S.FAILED, Step.NOTHING),
        (S.RETURNED, Step.NOTHING),
    ],
)
def test_before_the_first_attempt_and_at_the_end_the_state_alone_says_what_is_next(
    state: S, step: Step
) -> None:
    """What waits for nobody is done at once."""
    found = planned(withdrawal(state))

    assert (found.step, found.pause) == (step, timedelta(0))


def test_people_have_until_the_review_expires() -> None:
    """A review is left alone until its time is over, and its page counts the approvals."""
    row = withdrawal(
        S.IN_REVIEW, approvers_required=2, approvals=(Approval(approver="bea", decision_id="d-1"),)
    )

    found = planned(row, expires_at=NOW + HOUR)

    assert (found.step, found.pause) == (Step.EXPIRE, HOUR)
    assert found.why == "1 of 2 approvals are given"


def test_a_review_whose_time_is_over_expires_now() -> None:
    """However late somebody looks, no pause is negative."""
    found = planned(withdrawal(S.IN_REVIEW, approvers_required=1), expires_at=NOW - HOUR)

    assert (found.step, found.pause) == (Step.EXPIRE, timedelta(0))


@pytest.mark.parametrize("outcome", [Outcome.DECLINED, Outcome.PENDING, Outcome.UNKNOWN, None])
def test_what_failed_for_certain_is_given_up(outcome: Outcome | None) -> None:
    """APPROVED again after an attempt that was sent means that it failed for certain."""
    found = planned(withdrawal(S.APPROVED, attempts=(AT,)), tries(outcome))

    assert (found.step, found.pause) == (Step.GIVE_UP, timedelta(0))


def test_what_was_not_sent_is_tried_again_after_a_pause() -> None:
    """The pause counts from when the last attempt began, whoever looks and when."""
    row = withdrawal(S.APPROVED, attempts=(AT,))

    at_once = planned(row, tries(Outcome.NOT_SENT))
    later = planned(row, tries(Outcome.NOT_SENT, timedelta(seconds=3)))
    much_later = planned(row, tries(Outcome.NOT_SENT, HOUR))

    assert (at_once.step, at_once.pause) == (Step.SUBMIT, timedelta(seconds=5))
    assert later.pause == timedelta(seconds=2)
    assert much_later.pause == timedelta(0)


def test_a_provider_that_never_takes_it_is_given_up_after_a_day() -> None:
    """Nothing was sent for certain, so the player can have his money again."""
    row = withdrawal(S.APPROVED, attempts=(AT, AT))

    found = planned(row, tries(Outcome.NOT_SENT, since=timedelta(days=1)))

    assert found.step is Step.GIVE_UP


def test_a_balance_that_is_too_low_is_never_the_players_failure() -> None:
    """While our balance is too low it is tried again, slower and slower, without an end."""
    row = withdrawal(S.APPROVED, attempts=(AT,) * 9)

    found = planned(row, tries(Outcome.NOT_SENT, since=timedelta(days=30)), WaitingFor.FUNDING)

    assert (found.step, found.pause) == (Step.SUBMIT, HOUR)


@pytest.mark.parametrize("state", [S.SUBMITTING, S.SUBMIT_UNKNOWN, S.SUBMITTED])
def test_an_attempt_is_asked_about_slower_and_slower(state: S) -> None:
    """A young attempt is asked about soon, an old one once an hour."""
    row = withdrawal(state, attempts=(AT,))

    pauses = [
        planned(row, tries(Outcome.UNKNOWN, age)).pause
        for age in (timedelta(0), timedelta(minutes=1), timedelta(days=3))
    ]

    assert pauses == [timedelta(seconds=5), timedelta(seconds=30), HOUR]


def test_an_attempt_that_a_crash_left_is_taken_up_soon() -> None:
    """Nobody has heard its answer: it is asked about after the shortest pause, however old."""
    row = withdrawal(S.SUBMITTING, attempts=(AT,))

    found = planned(row, tries(None, timedelta(days=1)))

    assert (found.step, found.pause) == (Step.ASK_PROVIDER, timedelta(seconds=5))


def test_only_a_person_can_decide_when_nobody_else_can_say() -> None:
    """An unknown outcome is a person's once it may not be sent again; a taken one when overdue."""
    replayable = tries(Outcome.UNKNOWN, timedelta(hours=22))
    forgotten = tries(Outcome.UNKNOWN, timedelta(hours=23))
    overdue = tries(Outcome.PENDING, timedelta(days=3))

    assert not needs_person(S.SUBMIT_UNKNOWN, replayable, TIMES, NOW)
    assert needs_person(S.SUBMIT_UNKNOWN, forgotten, TIMES, NOW)
    assert not needs_person(S.SUBMITTED, forgotten, TIMES, NOW)
    assert needs_person(S.SUBMITTED, overdue, TIMES, NOW)
    assert not needs_person(S.PAID, overdue, TIMES, NOW)


def test_a_page_says_why_an_attempt_is_open() -> None:
    """What is waited for beyond the state is said in the sentence for people."""
    row = withdrawal(S.SUBMIT_UNKNOWN, attempts=(AT,))

    waits = planned(row, tries(Outcome.UNKNOWN), WaitingFor.PROVIDER)
    stuck = planned(row, tries(Outcome.UNKNOWN), WaitingFor.EXCEPTION)

    assert waits.why == "The provider's answer never came; it may pay or not"
    assert stuck.why == "Nobody can say what became of it: a person must decide"


@given(
    first=st.timedeltas(timedelta(seconds=1), timedelta(hours=1)),
    more=st.timedeltas(timedelta(0), timedelta(hours=9)),
    ages=st.lists(st.timedeltas(timedelta(0), timedelta(days=90)), min_size=2).map(sorted),
)
def test_a_rhythm_only_slows_down_and_has_bounds(
    first: timedelta, more: timedelta, ages: list[timedelta]
) -> None:
    """An older thing is never done more often, and never outside the bounds."""
    rhythm = Rhythm(first, first + more)

    pauses = [rhythm.pause(age) for age in ages]

    assert pauses == sorted(pauses)
    assert all(rhythm.first <= pause <= rhythm.slowest for pause in pauses)
