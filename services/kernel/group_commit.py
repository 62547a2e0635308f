"""Group commit: whatever arrives together shares one durable commit.

A durable commit is the dearest thing that a service does. So items wait in a bounded queue; one
worker takes what waits, commits it as one, gives each waiter its own outcome and takes the next.
There is no timer: under no load an item commits alone at once, under load batches grow by
themselves.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from services.kernel.invariant import invariant

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class QueueFullError(Exception):
    """More waits than the queue holds; nothing was done."""


class DrainedError(Exception):
    """The queue takes nothing more: it is being, or has been, drained. Nothing was done."""


class WholeBatchError(Exception):
    """Raised by a `commit` whose failure concerns every item alike, such as a lost database.

    Its items are then not tried again one by one; each waiter gets this error, as it was raised.
    """


class GroupCommit(Generic[Item, Outcome]):
    """A bounded queue in front of `commit`, and the worker that empties it.

    Laws: each item is decided exactly once; items are committed in the order of `submit`; nobody
    waits while the worker is idle; a caller who leaves does not stop the commit of his item.

    Args:
        commit: commits the items as one and returns their outcomes, in order. If it raises and
            there were several, each is tried again alone (so that one poisoned item cannot fail its
            neighbours), which `commit` must allow: it is idempotent.
        weight_max: how much weight one commit takes at most; a heavier item is committed alone.
        queue_weight_max: how much weight waits at most.
        weight: what an item weighs, at least 1.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]],
        *,
        weight_max: int,
        queue_weight_max: int,
        weight: Callable[[Item], int] = lambda _item: 1,
    ) -> None:
        self._commit = commit
        self._weight_max = weight_max
        self._queue_weight_max = queue_weight_max
        self._weight = weight
        self._waiting: deque[tuple[Item, int, asyncio.Future[Outcome]]] = deque()
        self._waiting_weight = 0
        self._draining = False
        self._worker: asyncio.Task[None] | None = None

    @property
    def waiting_weight(self) -> int:
        """How much weight waits for a commit to begin."""
        return self._waiting_weight

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being committed."""
        return self._worker is None

    async def submit(self, item: Item) -> Outcome:
        """Commit `item` with whatever else waits, and return its outcome.

        Raises:
            QueueFullError: too much waits already.
            DrainedError: `drain` was called.
            Exception: what `commit` raised for this item.
        """
        if self._draining:
            raise DrainedError
        weight = self._weight(item)
        if self._waiting and self._waiting_weight + weight > self._queue_weight_max:
            raise QueueFullError
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, weight, future))
        self._waiting_weight += weight
        if self._worker is None:
            # In a context of its own: the work is all callers', and what this one bound to his
            # (log fields, a deadline) must not speak for the others.
            self._worker = asyncio.create_task(
                self._work(), name="group-commit", context=contextvars.Context()
            )
        return await future

    async def drain(self) -> None:
        """Take nothing more, and return when all that was taken is decided."""
        self._draining = True
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        """Commit until nothing waits; then end, so that an idle queue costs nothing."""
        try:
            while self._waiting:
                batch = self._take()
                await self._settle([item for item, _ in batch], [future for _, future in batch])
        finally:
            # No await stands between the last look at the queue and this line, so an item is
            # either seen by the loop above or starts a new worker.
            self._worker = None

    def _take(self) -> list[tuple[Item, asyncio.Future[Outcome]]]:
        batch: list[tuple[Item, asyncio.Future[Outcome]]] = []
        room = self._weight_max
        while self._waiting and (not batch or self._waiting[0][1] <= room):
            item, weight, future = self._waiting.popleft()
            self._waiting_weight -= weight
            room -= weight
            batch.append((item, future))
        return batch

    async def _settle(
        self, items: Sequence[Item], futures: Sequence[asyncio.Future[Outcome]]
    ) -> None:
        """Commit the items, or each alone if they cannot be together, and tell each waiter."""
        try:
            outcomes = await self._commit(items)
            invariant(len(outcomes) == len(items), "commit gives one outcome an item")
        except Exception as error:  # noqa: BLE001 - whatever failed belongs to the waiters.
            if len(items) > 1 and not isinstance(error, WholeBatchError):
                for item, future in zip(items, futures, strict=True):
                    await self._settle([item], [future])
                return
            for future in futures:
                # A waiter who left (cancelled) has nobody to tell.
                if not future.done():
                    future.set_exception(error)
            return
        for outcome, future in zip(outcomes, futures, strict=True):
            if not future.done():
                future.set_result(outcome)
