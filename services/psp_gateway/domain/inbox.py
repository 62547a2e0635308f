"""The life of an inbox event: a verified, stored webhook item, from RECEIVED to its end.

No event is dropped. What cannot be applied yet is tried again, slower and slower; after its last
attempt an event is DEAD, which is an exception, and can be redriven.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.kernel.invariant import invariant
from services.psp_gateway.domain.machine import ALREADY_KNOWN, Verdict

LAST_ERROR_LENGTH_MAX = 512
"""What is kept of an error, in characters."""


class InboxEventState(StrEnum):
    """Where an inbox event stands."""

    RECEIVED = "RECEIVED"
    """Stored; nobody has looked at it."""
    APPLIED = "APPLIED"
    """Its fact is in, whoever brought it first."""
    IGNORED = "IGNORED"
    """It says nothing new, or nothing that concerns us."""
    DEFERRED = "DEFERRED"
    """It waits for something that must come first."""
    RETRY = "RETRY"
    """Applying it failed; it is tried again."""
    DEAD = "DEAD"
    """It needs a person."""


OPEN_STATES = frozenset({InboxEventState.RECEIVED, InboxEventState.DEFERRED, InboxEventState.RETRY})
"""What the janitor picks up when its time has come."""


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """How often, and how far apart. The last pause repeats until the attempts are used up."""

    pauses: tuple[timedelta, ...]
    attempts_max: int

    def pause_after(self, attempts: int) -> timedelta:
        """Return the pause after so many attempts, of which there was at least one."""
        return self.pauses[min(attempts, len(self.pauses)) - 1]


DEFERRED_SCHEDULE = RetrySchedule(
    pauses=(
        timedelta(seconds=2),
        timedelta(seconds=10),
        timedelta(minutes=1),
        timedelta(minutes=5),
        timedelta(minutes=30),
        timedelta(hours=2),
    ),
    # About three days: a settlement report, which brings what a lost webhook did not, comes daily.
    attempts_max=41,
)
"""For an event that came before its parent or predecessor: a race at first, then a lost webhook."""

RETRY_SCHEDULE = RetrySchedule(
    pauses=(
        timedelta(seconds=1),
        timedelta(seconds=5),
        timedelta(seconds=30),
        timedelta(minutes=2),
        timedelta(minutes=10),
        timedelta(hours=1),
    ),
    attempts_max=29,
)
"""For an event whose application failed, such as by a lost database: about a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxProgress:
    """What an inbox event's row says about its progress."""

    state: InboxEventState = InboxEventState.RECEIVED
    attempts: int = 0
    """How often it was tried since it was received or last redriven."""
    next_attempt_at: datetime | None = None
    """When the janitor may take it; None: at once while open, never otherwise."""
    last_error: str = ""
    """Why it is not applied; for people."""


def after_decision(
    progress: InboxProgress, verdict: Verdict, why: str, now: datetime
) -> InboxProgress:
    """Return the progress of an event whose fact has been decided.

    A fact that only a person can decide makes its event DEAD at once: the exception that was
    raised with it owns it, and redrives it.
    """
    _check_open(progress)
    attempts = progress.attempts + 1
    if verdict is Verdict.DEFERRED:
        return _again(InboxEventState.DEFERRED, attempts, why, now)
    state = {
        Verdict.APPLIED: InboxEventState.APPLIED,
        Verdict.IGNORED: InboxEventState.APPLIED
        if why == ALREADY_KNOWN
        else InboxEventState.IGNORED,
        Verdict.EXCEPTION: InboxEventState.DEAD,
    }[verdict]
    return InboxProgress(state=state, attempts=attempts, last_error=why[:LAST_ERROR_LENGTH_MAX])


def after_failure(progress: InboxProgress, error: str, now: datetime) -> InboxProgress:
    """Return the progress of an event whose application failed before it was decided."""
    _check_open(progress)
    return _again(InboxEventState.RETRY, progress.attempts + 1, error, now)


def after_unreadable(progress: InboxProgress, why: str) -> InboxProgress:
    """Return the progress of an event that says what cannot be: to try again would change nothing.

    It can be redriven once it can be read.
    """
    _check_open(progress)
    return InboxProgress(
        state=InboxEventState.DEAD,
        attempts=progress.attempts + 1,
        last_error=why[:LAST_ERROR_LENGTH_MAX],
    )


def redriven(progress: InboxProgress) -> InboxProgress:
    """Return the progress of an event that a person sends round again, with all its attempts.

    An APPLIED event is left as it is: its fact is known, and redriving it would change nothing.
    """
    if progress.state is InboxEventState.APPLIED:
        return progress
    return replace(
        progress, state=InboxEventState.RECEIVED, attempts=0, next_attempt_at=None, last_error=""
    )


def is_due(progress: InboxProgress, now: datetime) -> bool:
    """Return whether the janitor may take the event at `now`."""
    if progress.state not in OPEN_STATES:
        return False
    return progress.next_attempt_at is None or progress.next_attempt_at <= now


def _again(state: InboxEventState, attempts: int, why: str, now: datetime) -> InboxProgress:
    schedule = DEFERRED_SCHEDULE if state is InboxEventState.DEFERRED else RETRY_SCHEDULE
    last_error = why[:LAST_ERROR_LENGTH_MAX]
    if attempts >= schedule.attempts_max:
        return InboxProgress(state=InboxEventState.DEAD, attempts=attempts, last_error=last_error)
    return InboxProgress(
        state=state,
        attempts=attempts,
        next_attempt_at=now + schedule.pause_after(attempts),
        last_error=last_error,
    )


def _check_open(progress: InboxProgress) -> None:
    invariant(progress.state in OPEN_STATES, "only an open inbox event is worked on")
