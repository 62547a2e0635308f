"""Failures as people see them: the Temporal Web UI shows the outermost sentence, so it is ours."""

from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    TimeoutError,  # noqa: A004 - Temporal's own, which is meant here.
)


def root_of(error: FailureError) -> FailureError:
    """Return what a step failed with: what it raised, or the time that ran out before it did."""
    while isinstance(error, ActivityError | TimeoutError) and isinstance(error.cause, FailureError):
        error = error.cause
    return error


def told(error: FailureError, sentence: str) -> ApplicationError:
    """Return a failure that says `sentence` at the top, under the type of its root.

    Without it the UI says "Activity task failed", and why only to those who open the cause.
    """
    root = root_of(error)
    if isinstance(root, ApplicationError):
        return ApplicationError(sentence, *root.details, type=root.type, non_retryable=True)
    return ApplicationError(sentence, type=type(root).__name__, non_retryable=True)
