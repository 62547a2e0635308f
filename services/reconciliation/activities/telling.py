"""What surrounds an activity: it beats while it works, and fails so that Temporal understands."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from services.kernel.errors import Category, DomainError
from services.reconciliation.application.ports import (
    BadInputError,
    ClaimLostError,
    NotYetError,
)
from services.reconciliation.workflows.steps import BAD_INPUT, CLAIM_LOST, NOT_YET

_BEAT_S = 2.0
_MAY_PASS = {
    Category.UNAVAILABLE,
    Category.DEADLINE,
    Category.LIMIT,
    Category.RETRY_WHOLE,
    Category.INTERNAL,
}


@contextmanager
def told() -> Iterator[None]:
    """Turn failures into Temporal's: what asking again cannot change is not retried."""
    try:
        yield
    except NotYetError as error:
        raise ApplicationError(
            str(error), type=NOT_YET, category=ApplicationErrorCategory.BENIGN
        ) from error
    except ClaimLostError as error:
        raise ApplicationError(
            "The run has ended, or another execution does its work",
            type=CLAIM_LOST,
            non_retryable=True,
        ) from error
    except BadInputError as error:
        raise ApplicationError(str(error), type=BAD_INPUT, non_retryable=True) from error
    except DomainError as error:
        raise ApplicationError(
            error.message,
            error.metadata,
            type=error.reason,
            non_retryable=error.category not in _MAY_PASS,
        ) from error


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Beat while the block works; heavy work is in threads, so a beat says that all is well.

    Cancellation reaches an activity with the answer to a beat.
    """

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(_BEAT_S)

    beats = asyncio.create_task(beat(), name="heartbeat")
    try:
        with told():
            yield
    finally:
        beats.cancel()
