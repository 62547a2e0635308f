"""Batch = sequence: however commands are put together, the rows are the same."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.application.known_accounts import KnownAccounts
from services.ledger.application.lane import Lane
from services.ledger.domain.accounts import AccountState, FrozenSide, Policy
from services.ledger.domain.commands import ChangeAccount, Post
from services.ledger.domain.decisions import Outcome
from tests.fakes.book_store import MemoryBookStore
from tests.fakes.lanes import lane_on
from tests.fakes.posts import CHART, changing, histories, opening


async def with_chart(cached_accounts_max: int = 99_999) -> tuple[MemoryBookStore, Lane]:
    store = MemoryBookStore()
    lane = lane_on(store, KnownAccounts(cached_accounts_max))
    await lane.decide([opening("chart", *CHART.values())])
    return store, lane


def rows(store: MemoryBookStore) -> object:
    """All that is stored; an event's account is told by its path, for its balances move on."""
    kept = store.rows
    return (
        store.head,
        kept.transactions,
        kept.refusals,
        [row._replace(account=row.account.account_id) for row in kept.account_events],  # type: ignore[arg-type]  # Compared only.
        kept.account_requests,
    )


async def one_by_one(history: Sequence[Post]) -> tuple[object, list[Outcome]]:
    store, lane = await with_chart()
    decisions = [decision for post in history for decision in await lane.decide([post])]
    return rows(store), decisions


async def in_splits(
    history: Sequence[Post], cuts: Sequence[int], *, together: bool, cached: int
) -> tuple[object, list[Outcome]]:
    """Post the history in batches that end at `cuts`, one after the other or all at once."""
    store, lane = await with_chart(cached)
    edges = sorted({0, len(history), *(cut % (len(history) + 1) for cut in cuts)})
    batches = [history[low:high] for low, high in pairwise(edges)]
    if together:
        answers = await asyncio.gather(*(lane.decide(batch) for batch in batches))
        assert store.commits <= 3
    else:
        answers = [await lane.decide(batch) for batch in batches]
    return rows(store), [decision for answer in answers for decision in answer]


@settings(max_examples=60)
@given(
    histories(),
    st.lists(st.integers(0, 40), max_size=6),
    st.booleans(),
    st.sampled_from([0, 3, 99]),
)
def test_batches_write_what_single_requests_write(
    history: Sequence[Post], cuts: Sequence[int], together: bool, cached: int
) -> None:
    """One batch, random splits, concurrent or not, with a small memory or none: the same rows."""

    async def story() -> None:
        expected = await one_by_one(history)
        assert await in_splits(history, cuts, together=together, cached=cached) == expected

    asyncio.run(story())


_policies = st.sampled_from(
    [
        Policy(min_available=0),
        Policy(min_available=-100),
        Policy(None, AccountState.FROZEN, FrozenSide.DEBIT),
        Policy(None, AccountState.FROZEN, FrozenSide.BOTH),
        Policy(None, AccountState.CLOSED),
    ]
)
_changes = st.builds(
    lambda number, path, policy: changing(
        f"c{number}", path, policy, "min_available", "state", "frozen_side"
    ),
    st.integers(1, 6),
    st.sampled_from(["bank", "till", "player", "nowhere"]),
    _policies,
)


@settings(max_examples=60)
@given(st.lists(st.one_of(_changes, histories(1).map(lambda one: one[0])), min_size=2, max_size=30))
def test_changes_of_accounts_keep_their_place(history: Sequence[Post | ChangeAccount]) -> None:
    """Postings and changes of accounts that share a commit are decided in their order."""

    async def story() -> None:
        store, lane = await with_chart()
        expected = [await lane.decide([item]) for item in history]
        shared_store, shared = await with_chart()
        answers = await asyncio.gather(*(shared.decide([item]) for item in history))

        assert answers == expected
        assert rows(shared_store) == rows(store)
        assert shared_store.commits <= 3

    asyncio.run(story())


@settings(max_examples=40)
@given(histories(20), st.integers(1, 5))
def test_a_restarted_lane_goes_on_where_the_other_ended(
    history: Sequence[Post], lives: int
) -> None:
    """Lanes that know nothing but the store write what one long-lived lane writes."""

    async def story() -> None:
        store, _ = await with_chart()
        for start in range(0, len(history), lives):
            await lane_on(store).decide(history[start : start + lives])

        assert rows(store) == (await one_by_one(history))[0]

    asyncio.run(story())
