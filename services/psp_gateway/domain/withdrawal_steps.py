"""What is to be done about a withdrawal next, and how long that may wait.

Asked after every change, and answered from its rows alone: whoever goes on with a withdrawal, after
a crash or a month later, goes on with the same step.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.kernel.invariant import invariant, present
from services.psp_gateway.domain.objects import Withdrawal, WithdrawalState
from services.psp_gateway.domain.outcomes import Outcome

S = WithdrawalState
_WITH_PROVIDER = frozenset({S.SUBMITTING, S.SUBMIT_UNKNOWN, S.SUBMITTED})
_AT_ONCE = timedelta(0)


class WaitingFor(StrEnum):
    """What a withdrawal waits for: the names of the contract's `WithdrawalWait`."""

    NOTHING = ""
    """Nothing: it goes on by itself, or has ended."""
    APPROVALS = "APPROVALS"
    """People's approvals."""
    FUNDING = "FUNDING"
    """Money: our balance at the provider is too low."""
    PROVIDER = "PROVIDER"
    """The provider's word."""
    EXCEPTION = "EXCEPTION"
    """A person who decides an exception."""


class Step(StrEnum):
    """What is to be done next."""

    RESERVE = "RESERVE"
    """Put the player's cash aside."""
    ASK_RULES = "ASK_RULES"
    """Ask the rules who must approve it."""
    EXPIRE = "EXPIRE"
    """End it, unless people decide before."""
    SUBMIT = "SUBMIT"
    """Ask the provider, for the first time or in a new attempt."""
    GIVE_UP = "GIVE_UP"
    """Give the money back: it failed for certain."""
    ASK_PROVIDER = "ASK_PROVIDER"
    """Ask what became of the attempt, unless a webhook tells before."""
    NOTHING = "NOTHING"
    """It has ended; what may still happen needs nobody to wait for it."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How far apart something is done: slower and slower, by how long it goes on."""

    first: timedelta
    slowest: timedelta

    def __post_init__(self) -> None:
        invariant(timedelta(0) < self.first <= self.slowest, "a rhythm slows down from its first")

    def pause(self, age: timedelta) -> timedelta:
        """Return the next pause of what has gone on for so long."""
        return min(max(self.first, age / 2), self.slowest)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalTimes:
    """How long a withdrawal may wait for what."""

    ask: Rhythm = Rhythm(timedelta(seconds=5), timedelta(hours=1))
    """Between two questions to the provider about an attempt."""
    again: Rhythm = Rhythm(timedelta(seconds=5), timedelta(hours=1))
    """Between two attempts that the provider does not take."""
    fund: Rhythm = Rhythm(timedelta(minutes=1), timedelta(hours=1))
    """Between two attempts while our balance there is too low."""
    give_up_after: timedelta = timedelta(days=1)
    """After so long without an attempt that the provider took, the player has his money again."""
    overdue_after: timedelta = timedelta(days=3)
    """After so long a person is told of an attempt that the provider took and does not end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """The attempts of a withdrawal, as far as the next step depends on them."""

    outcome: Outcome | None
    """What the call of the last one came to; None while that is not known."""
    begun_at: datetime
    """When the last one began."""
    first_begun_at: datetime
    """When the first one began."""
    replay_until: datetime
    """Until when the last one may be sent again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The next step, what may pass before it, and why that is so, in a sentence for people."""

    step: Step
    pause: timedelta
    why: str


def plan(
    withdrawal: Withdrawal,
    tries: Tries | None,
    waiting_for: WaitingFor,
    expires_at: datetime | None,
    times: WithdrawalTimes,
    now: datetime,
) -> Plan:
    """Return what is to be done about a withdrawal next.

    Args:
        withdrawal: its row.
        tries: its attempts; None before the first.
        waiting_for: what its row says that it waits for.
        expires_at: when the review ends; None outside a review.
        times: the pauses.
        now: the moment from which the pause counts.
    """
    match withdrawal.state:
        case S.REQUESTED:
            return Plan(Step.RESERVE, _AT_ONCE, "The money is to be reserved")
        case S.RESERVED:
            return Plan(Step.ASK_RULES, _AT_ONCE, "The rules are to be asked")
        case S.IN_REVIEW:
            given, needed = len(withdrawal.approvals), withdrawal.approvers_required
            left = max(_AT_ONCE, (expires_at or now) - now)
            return Plan(Step.EXPIRE, left, f"{given} of {needed} approvals are given")
        case S.APPROVED:
            return _after_approval(tries, waiting_for, times, now)
        case S.SUBMITTING | S.SUBMIT_UNKNOWN | S.SUBMITTED:
            tried = present(tries, "what is submitted has an attempt")
            # Without an answer, whoever called has died: the age says nothing about the provider.
            age = now - tried.begun_at if tried.outcome else _AT_ONCE
            pause = times.ask.pause(age)
            return Plan(Step.ASK_PROVIDER, pause, _why_with_provider(withdrawal.state, waiting_for))
    return Plan(Step.NOTHING, _AT_ONCE, "It has ended")


def needs_person(
    state: WithdrawalState, tries: Tries, times: WithdrawalTimes, now: datetime
) -> bool:
    """Return whether only a person can go on with an attempt about which asking told nothing.

    Age makes no failure of it: the provider is asked all the same, and its word counts.
    """
    if state is S.SUBMITTED:
        return now - tries.begun_at >= times.overdue_after
    return state in _WITH_PROVIDER and now >= tries.replay_until


def _after_approval(
    tries: Tries | None, waiting_for: WaitingFor, times: WithdrawalTimes, now: datetime
) -> Plan:
    if tries is None:
        return Plan(Step.SUBMIT, _AT_ONCE, "It is approved")
    if tries.outcome is not Outcome.NOT_SENT:
        return Plan(Step.GIVE_UP, _AT_ONCE, "The provider failed it for certain")
    going_on = tries.begun_at - tries.first_begun_at
    if waiting_for is WaitingFor.FUNDING:
        next_at = tries.begun_at + times.fund.pause(going_on)
        why = "Our balance at the provider is too low"
        return Plan(Step.SUBMIT, max(_AT_ONCE, next_at - now), why)
    if going_on >= times.give_up_after:
        return Plan(Step.GIVE_UP, _AT_ONCE, "The provider took no attempt in time")
    next_at = tries.begun_at + times.again.pause(going_on)
    return Plan(Step.SUBMIT, max(_AT_ONCE, next_at - now), "The provider did not take the attempt")


def _why_with_provider(state: WithdrawalState, waiting_for: WaitingFor) -> str:
    if waiting_for is WaitingFor.EXCEPTION:
        return "Nobody can say what became of it: a person must decide"
    return {
        S.SUBMITTING: "The provider is being asked",
        S.SUBMIT_UNKNOWN: "The provider's answer never came; it may pay or not",
        S.SUBMITTED: "The provider has it",
    }[state]
