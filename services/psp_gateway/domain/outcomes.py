"""What an operation at a provider came to, and what may follow from it.

The one question behind every rule: may money have moved? Where the answer is not a certain no, the
operation is UNKNOWN, and age never makes a failure of it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """The five ends of an operation at a provider."""

    DONE = "DONE"
    """It is done, and the provider says so."""
    PENDING = "PENDING"
    """The provider has taken it; its end comes later."""
    DECLINED = "DECLINED"
    """The provider has refused it for certain; nothing happened."""
    NOT_SENT = "NOT_SENT"
    """The provider did not take it: safe to try again, or elsewhere."""
    UNKNOWN = "UNKNOWN"
    """It may have happened: only asked about from now on, or sent again with the same key."""


class Capability(StrEnum):
    """What a provider module can do; it declares which it has."""

    DEPOSITS = "DEPOSITS"
    WITHDRAWALS = "WITHDRAWALS"
    REFUNDS = "REFUNDS"
    DISPUTES = "DISPUTES"
    WEBHOOKS = "WEBHOOKS"
    SETTLEMENT_REPORTS = "SETTLEMENT_REPORTS"
    QUERY = "QUERY"
    """Ask for the state of an object."""
    BALANCES = "BALANCES"


class Failure(StrEnum):
    """How a call fails without an HTTP answer."""

    CONNECT = "CONNECT"
    """No connection was made: refused, no such name, TLS, a timeout while connecting."""
    BREAKER_OPEN = "BREAKER_OPEN"
    """Our own circuit breaker or concurrency limit kept the call back."""
    READ = "READ"
    """The request left, and no whole answer came: a read timeout, a reset."""
    UNDECODABLE = "UNDECODABLE"
    """An answer came that cannot be read."""


_NOT_SENT_CODES = frozenset({401, 403, 429})
_CONFLICT = 409


def outcome_of_failure(failure: Failure) -> Outcome:
    """Return what a call without a readable answer came to."""
    if failure in (Failure.CONNECT, Failure.BREAKER_OPEN):
        return Outcome.NOT_SENT
    return Outcome.UNKNOWN


def outcome_of_http_code(http_code: int) -> Outcome | None:
    """Return what an answer with this HTTP code came to; None if the body must be read (2xx).

    401, 403 and 429 are answered before anything is done. 409 means that the same key is being
    worked on, or was used otherwise: it may have happened. A redirect is not followed and tells
    nothing, as 5xx and codes that do not exist.
    """
    if 200 <= http_code < 300:  # noqa: PLR2004 - the classes of RFC 9110, section 15.
        return None
    if http_code in _NOT_SENT_CODES:
        return Outcome.NOT_SENT
    if 400 <= http_code < 500 and http_code != _CONFLICT:  # noqa: PLR2004 - likewise.
        return Outcome.DECLINED
    return Outcome.UNKNOWN


class NextStep(StrEnum):
    """What may be done about an attempt whose outcome is UNKNOWN."""

    REPLAY = "REPLAY"
    """Send the same bytes again under the same key."""
    ASK = "ASK"
    """Ask the provider for the state of the object."""
    WAIT = "WAIT"
    """Wait for a webhook, a report or a person."""


def next_step(now: datetime, replay_until: datetime, *, has_query: bool) -> NextStep:
    """Return what may be done about an UNKNOWN attempt at `now`.

    Until `replay_until` a replay is the surest question; after it the provider may have forgotten
    the key, and a replay could do it twice.
    """
    if now < replay_until:
        return NextStep.REPLAY
    return NextStep.ASK if has_query else NextStep.WAIT


@dataclass(frozen=True, slots=True)
class NotFound:
    """A provider says that it does not know an object.

    Args:
        asked_at: when it was asked.
        lookup_is_consistent: whether its lookup sees every finished write at once.
    """

    asked_at: datetime
    lookup_is_consistent: bool


def outcome_of_not_found(answer: NotFound, replay_until: datetime) -> Outcome:
    """Return what NOT_FOUND proves about an UNKNOWN attempt.

    It proves NOT_SENT only where the lookup is consistent and no replay can be under way any more.
    """
    if answer.lookup_is_consistent and answer.asked_at >= replay_until:
        return Outcome.NOT_SENT
    return Outcome.UNKNOWN
