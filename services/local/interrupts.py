"""Ctrl-C and its kin: the first one stops the work in order, later ones are waited out."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedByUserError(Exception):
    """Somebody told the program to stop, and it has stopped in order."""


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work`; SIGINT, SIGTERM or SIGHUP cancels it once.

    What it does at its end is never interrupted: a second Ctrl-C would leave processes behind.

    Raises:
        InterruptedByUserError: it was cancelled so.
    """
    return asyncio.run(_cancelled_by_signals(work))


async def _cancelled_by_signals(work: Coroutine[Any, Any, Result]) -> Result:
    task = asyncio.ensure_future(work)
    told = False

    def stop() -> None:
        nonlocal told
        if not told:
            told = True
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if told:
            raise InterruptedByUserError from None
        raise


async def to_the_end(work: Callable[[], Result]) -> Result:
    """Run `work` in a thread; a cancel waits until it is done, so that nothing is half made."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            # Looked at, so that a failure is not reported as never retrieved.
            task.exception()
        raise
