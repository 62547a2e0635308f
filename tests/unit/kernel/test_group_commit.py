"""The laws of group commit, without a database."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.group_commit import (
    DrainedError,
    GroupCommit,
    QueueFullError,
    WholeBatchError,
)


class Store:
    """Commits ints: remembers each batch, answers their doubles; 13 poisons its batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.committed: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.lost = False

    async def commit(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        await self.gate.wait()
        if self.lost:
            raise WholeBatchError
        if 13 in items:
            raise RuntimeError(f"poison among {len(items)}")
        self.committed.extend(items)
        return [item * 2 for item in items]


def queue(store: Store, weight_max: int = 100, queue_max: int = 1000) -> GroupCommit[int, int]:
    return GroupCommit(store.commit, weight_max=weight_max, queue_weight_max=queue_max)


async def test_a_lone_item_commits_at_once() -> None:
    """Under no load an item is a batch of its own, without any waiting."""
    store = Store()

    assert await queue(store).submit(4) == 8
    assert store.batches == [[4]]


async def test_what_waits_during_a_commit_shares_the_next() -> None:
    """While one batch commits the queue grows, and all of it is the next batch, in order."""
    store = Store()
    store.gate.clear()
    lane = queue(store)
    first = asyncio.create_task(lane.submit(1))
    while not store.batches:
        await asyncio.sleep(0)
    rest = [asyncio.create_task(lane.submit(number)) for number in range(2, 7)]
    await asyncio.sleep(0)
    store.gate.set()

    assert await asyncio.gather(first, *rest) == [2, 4, 6, 8, 10, 12]
    assert store.batches == [[1], [2, 3, 4, 5, 6]]


async def test_poison_fails_alone() -> None:
    """An item that the store refuses unforeseen fails, and its neighbours commit."""
    store = Store()
    lane = queue(store)
    outcomes = await asyncio.gather(
        *(lane.submit(number) for number in (11, 12, 13, 14)), return_exceptions=True
    )

    assert [outcomes[0], outcomes[1], outcomes[3]] == [22, 24, 28]
    assert isinstance(outcomes[2], RuntimeError)
    assert store.committed == [11, 12, 14]


async def test_a_lost_store_fails_all_without_a_retry() -> None:
    """A failure that concerns every item alike is not repeated item by item."""
    store = Store()
    store.lost = True
    lane = queue(store)
    outcomes = await asyncio.gather(
        *(lane.submit(number) for number in range(5)), return_exceptions=True
    )

    assert all(isinstance(outcome, WholeBatchError) for outcome in outcomes)
    assert len(store.batches) == 1


async def test_a_full_queue_refuses_at_once() -> None:
    """Past the bound a caller is refused immediately, and those who wait are not touched."""
    store = Store()
    store.gate.clear()
    lane = queue(store, queue_max=3)
    first = asyncio.create_task(lane.submit(0))
    while not store.batches:
        await asyncio.sleep(0)
    waiting = [asyncio.create_task(lane.submit(number)) for number in (1, 2, 3)]
    await asyncio.sleep(0)

    with pytest.raises(QueueFullError):
        await lane.submit(4)
    store.gate.set()
    assert await asyncio.gather(first, *waiting) == [0, 2, 4, 6]


async def test_a_caller_who_leaves_does_not_stop_his_commit() -> None:
    """Cancelling the waiter leaves the item in the queue, and it is committed."""
    store = Store()
    store.gate.clear()
    lane = queue(store)
    leaver = asyncio.create_task(lane.submit(5))
    while not store.batches:
        await asyncio.sleep(0)
    waiting = asyncio.create_task(lane.submit(6))
    await asyncio.sleep(0)
    leaver.cancel()
    waiting.cancel()
    store.gate.set()
    await lane.drain()

    assert store.committed == [5, 6]


async def test_drain_decides_all_and_refuses_more() -> None:
    """Draining empties the queue, then nothing is taken."""
    store = Store()
    lane = queue(store)
    tasks = [asyncio.create_task(lane.submit(number)) for number in range(4)]
    await asyncio.sleep(0)
    await lane.drain()

    assert [task.result() for task in tasks] == [0, 2, 4, 6]
    with pytest.raises(DrainedError):
        await lane.submit(1)


@given(
    items=st.lists(st.integers(0, 20), max_size=60),
    weight_max=st.integers(1, 12),
    yields=st.lists(st.integers(0, 3), min_size=60, max_size=60),
)
def test_every_item_is_decided_once_in_order(
    items: list[int], weight_max: int, yields: list[int]
) -> None:
    """Over any arrivals: one outcome each, commits in the order of submission, batches bounded."""

    async def story() -> None:
        store = Store()
        lane = GroupCommit(
            store.commit,
            weight_max=weight_max,
            queue_weight_max=10_000,
            weight=lambda item: max(1, item % 5),
        )
        tasks = []
        for item, pauses in zip(items, yields, strict=False):
            tasks.append(asyncio.create_task(lane.submit(item)))
            for _ in range(pauses):
                await asyncio.sleep(0)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)

        assert [item for item in items if item != 13] == store.committed
        for item, outcome in zip(items, outcomes, strict=True):
            assert isinstance(outcome, RuntimeError) if item == 13 else outcome == item * 2
        for batch in store.batches:
            assert len(batch) == 1 or sum(max(1, item % 5) for item in batch) <= weight_max
        assert lane.idle
        assert lane.waiting_weight == 0

    asyncio.run(story())
