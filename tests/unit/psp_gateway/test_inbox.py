"""The life of an inbox event: never dropped, tried slower and slower, dead in the end."""

from datetime import UTC, datetime, timedelta

import pytest

from services.kernel.invariant import InvariantError
from services.psp_gateway.domain.inbox import (
    DEFERRED_SCHEDULE,
    LAST_ERROR_LENGTH_MAX,
    RETRY_SCHEDULE,
    InboxEventState,
    InboxProgress,
    RetrySchedule,
    after_decision,
    after_failure,
    is_due,
    redriven,
)
from services.psp_gateway.domain.machine import ALREADY_KNOWN, Verdict

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
S = InboxEventState


@pytest.mark.parametrize(
    ("verdict", "why", "state"),
    [
        (Verdict.APPLIED, "", S.APPLIED),
        (Verdict.IGNORED, ALREADY_KNOWN, S.APPLIED),
        (Verdict.IGNORED, "STALE", S.IGNORED),
        (Verdict.DEFERRED, "captured", S.DEFERRED),
        (Verdict.EXCEPTION, "AMOUNT_DIFFERS", S.DEAD),
    ],
)
def test_decision_decides(verdict: Verdict, why: str, state: InboxEventState) -> None:
    """What became of the fact is what becomes of the event."""
    progress = after_decision(InboxProgress(), verdict, why, NOW)

    assert (progress.state, progress.attempts, progress.last_error) == (state, 1, why)
    assert (progress.next_attempt_at is not None) == (state is S.DEFERRED)


def _fates(schedule: RetrySchedule, verdict: Verdict | None) -> list[InboxProgress]:
    progress, now, fates = InboxProgress(), NOW, []
    while progress.state is not S.DEAD:
        assert is_due(progress, now)
        if verdict:
            progress = after_decision(progress, verdict, "captured", now)
        else:
            progress = after_failure(progress, "no database", now)
        fates.append(progress)
        if progress.next_attempt_at:
            assert not is_due(progress, progress.next_attempt_at - timedelta(microseconds=1))
            now = progress.next_attempt_at
        assert len(fates) <= schedule.attempts_max
    return fates


@pytest.mark.parametrize(
    ("schedule", "verdict", "at_least"),
    [
        (DEFERRED_SCHEDULE, Verdict.DEFERRED, timedelta(days=2)),
        (RETRY_SCHEDULE, None, timedelta(hours=20)),
    ],
)
def test_event_dies_after_its_last_attempt(
    schedule: RetrySchedule, verdict: Verdict | None, at_least: timedelta
) -> None:
    """Pauses grow, all attempts are used, and the last one leaves an event for people."""
    fates = _fates(schedule, verdict)

    times = [fate.next_attempt_at for fate in fates[:-1]]
    pauses = [later - sooner for sooner, later in zip([NOW, *times], times, strict=False)]
    assert len(fates) == schedule.attempts_max
    assert pauses == sorted(pauses)
    assert times[-1] - NOW >= at_least
    assert fates[-1].next_attempt_at is None
    assert not is_due(fates[-1], NOW + timedelta(days=999))


def test_redriven_event_has_all_its_attempts() -> None:
    """A person sends a dead event round again; one that was applied is left alone."""
    dead = InboxProgress(state=S.DEAD, attempts=41, last_error="captured")
    applied = InboxProgress(state=S.APPLIED, attempts=1)

    assert redriven(dead) == InboxProgress()
    assert is_due(redriven(dead), NOW)
    assert redriven(applied) == applied


def test_ended_event_is_not_worked_on() -> None:
    """An event that has ended is not decided again by accident."""
    with pytest.raises(InvariantError):
        after_decision(InboxProgress(state=S.APPLIED), Verdict.APPLIED, "", NOW)
    with pytest.raises(InvariantError):
        after_failure(InboxProgress(state=S.DEAD), "no database", NOW)


def test_long_error_is_cut() -> None:
    """What is kept of an error is bounded."""
    progress = after_failure(InboxProgress(), "x" * 5_000, NOW)

    assert len(progress.last_error) == LAST_ERROR_LENGTH_MAX
