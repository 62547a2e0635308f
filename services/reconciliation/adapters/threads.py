"""Work in threads: the event loop stays free, and a cancelled step stops its thread."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Generic, TypeVar

from services.kernel.invariant import present
from services.reconciliation.adapters.duckdb.engine import RunCancelledError
from services.reconciliation.domain.inputs import ScannedRange

_POLL_S = 0.2

Result = TypeVar("Result")
Item = TypeVar("Item")


async def in_thread(work: Callable[[threading.Event], Result]) -> Result:
    """Run `work` in a thread; if this is cancelled, stop the thread and wait for it to end.

    `work` stops when the event that it is given is set.
    """
    cancelled = threading.Event()
    thread = asyncio.ensure_future(asyncio.to_thread(work, cancelled))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        cancelled.set()
        # Nothing may work on the files of a step that has ended.
        await asyncio.wait([thread])
        if not thread.cancelled():
            thread.exception()
        raise


class Pulled(Generic[Item]):
    """An export of another service, pulled page by page from a thread.

    Args:
        exported: the pages; last, what was scanned.
        loop: the event loop in which they arrive.
        cancelled: stops the pulling once it is set.
    """

    def __init__(
        self,
        exported: AsyncIterator[Sequence[Item] | ScannedRange],
        loop: asyncio.AbstractEventLoop,
        cancelled: threading.Event,
    ) -> None:
        self._exported = exported
        self._loop = loop
        self._cancelled = cancelled
        self._scanned: ScannedRange | None = None

    @property
    def scanned(self) -> ScannedRange:
        """What was scanned; known once all items were pulled."""
        return present(self._scanned, "an export ends with what was scanned")

    def __iter__(self) -> Iterator[Item]:
        while True:
            page = self._next()
            if isinstance(page, ScannedRange):
                self._scanned = page
                return
            yield from page

    def _next(self) -> Sequence[Item] | ScannedRange:
        coming = asyncio.run_coroutine_threadsafe(self._pull(), self._loop)
        while True:
            try:
                return coming.result(timeout=_POLL_S)
            except TimeoutError:
                if coming.done():
                    raise
                if self._cancelled.is_set():
                    coming.cancel()
                    raise RunCancelledError from None

    async def _pull(self) -> Sequence[Item] | ScannedRange:
        return await anext(self._exported)
