"""The laws of the posting lane, on a book in memory."""

import asyncio
from contextvars import ContextVar
from dataclasses import replace

import pytest

from services.kernel.clock import from_micros
from services.ledger.application.known_accounts import KnownAccounts
from services.ledger.application.lane import Lane, LaneLimits
from services.ledger.application.lanes import LANES_MAX, Lanes
from services.ledger.domain.accounts import AccountKind, Policy
from services.ledger.domain.commands import NewAccount
from services.ledger.domain.decisions import Changed, Opened, Outcome, Posted, Refused
from services.ledger.domain.reasons import LedgerError, Reason
from tests.fakes.book_store import MemoryBookStore
from tests.fakes.lanes import LIMITS, lane_on
from tests.fakes.posts import NOW, changing, move, new_id, opening

BANK = NewAccount("bank", "EUR", AccountKind.ASSET, Policy())
PLAYER = NewAccount("player", "EUR", AccountKind.LIABILITY, Policy(min_available=0))
OTHERS = [NewAccount(f"p{number}", "EUR", AccountKind.LIABILITY, Policy()) for number in range(9)]


async def opened(
    known: KnownAccounts | None = None, limits: LaneLimits = LIMITS
) -> tuple[MemoryBookStore, Lane]:
    store = MemoryBookStore()
    lane = lane_on(store, known, limits)
    await lane.decide([opening("chart", BANK, PLAYER, *OTHERS)])
    return store, lane


def outcome(decision: Outcome) -> object:
    if isinstance(decision, Posted):
        return decision.sequence
    assert isinstance(decision, Refused)
    return decision.reason


async def begun(store: MemoryBookStore, lane: Lane, request_id: str) -> "asyncio.Task[object]":
    """Start a posting that the closed gate holds at its commit."""
    store.gate.clear()
    units = store.units
    task = asyncio.create_task(lane.decide([move(request_id, "bank", "p8", 1)]))
    while store.units == units:
        await asyncio.sleep(0)
    return task


async def test_what_waits_shares_one_commit() -> None:
    """A hundred callers behind a busy lane are one unit of work, decided in their order."""
    store, lane = await opened()
    first = await begun(store, lane, "first")
    rest = [
        asyncio.create_task(lane.decide([move(f"r{number}", "bank", "player", 1)]))
        for number in range(100)
    ]
    await asyncio.sleep(0)
    store.gate.set()
    await first

    decisions = [(await task)[0] for task in rest]
    assert [outcome(one) for one in decisions] == [*range(2, 102)]
    assert store.commits == 3


async def test_an_answer_comes_after_the_commit() -> None:
    """No caller is answered while the unit of work is not durable."""
    store, lane = await opened()
    task = await begun(store, lane, "early")
    for _ in range(50):
        await asyncio.sleep(0)

    assert not task.done()
    assert store.rows.transactions == []
    store.gate.set()
    await task
    assert len(store.rows.transactions) == 1


async def test_one_poisoned_request_fails_alone() -> None:
    """A request that the store refuses unforeseen fails; those that shared its unit are posted."""
    store, lane = await opened()
    store.poison = {"r2"}
    first = await begun(store, lane, "first")
    tasks = [lane.decide([move(f"r{number}", "bank", "player", 10)]) for number in (1, 2, 3)]
    waiting = asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)
    store.gate.set()
    await first

    one, two, three = await waiting
    assert isinstance(two, RuntimeError)
    assert not isinstance(one, BaseException)
    assert not isinstance(three, BaseException)
    assert (outcome(one[0]), outcome(three[0])) == (2, 3)
    assert [row.command.request_id for row in store.rows.transactions] == ["first", "r1", "r3"]
    assert store.legs[-1].posted == 20


async def test_a_poisoned_transaction_of_a_batch_fails_alone() -> None:
    """Inside a batch too, only the transaction that the store refuses is answered INTERNAL."""
    store, lane = await opened()
    store.poison = {"r2"}
    batch = [move(f"r{number}", "bank", "player", 10) for number in (1, 2, 3)]

    assert [outcome(one) for one in await lane.decide(batch)] == [1, Reason.INTERNAL, 2]
    store.poison = set()
    again = await lane.decide(batch)
    assert [outcome(one) for one in again] == [1, 3, 2]
    assert [one.replayed for one in again] == [True, False, True]


@pytest.mark.parametrize("step", ["lock", "write", "commit", "answer"])
async def test_a_lost_store_is_unavailable_to_all(step: str) -> None:
    """All who shared the lost unit may retry; the retry decides each exactly once."""
    store, lane = await opened()
    posts = [move(f"r{number}", "bank", "player", 10) for number in range(4)]
    units, store.lost_at = store.units, step
    errors = await asyncio.gather(*(lane.decide([post]) for post in posts), return_exceptions=True)

    assert [getattr(error, "reason", error) for error in errors] == [Reason.UNAVAILABLE] * 4
    assert store.units == units + 1
    store.lost_at = ""
    retried = [(await lane.decide([post]))[0] for post in posts]
    assert [outcome(one) for one in retried] == [1, 2, 3, 4]
    assert [one.replayed for one in retried] == [step == "answer"] * 4
    assert store.legs[-1].posted == 40


async def test_another_writer_makes_the_lane_forget() -> None:
    """A head hash that this lane did not write means that its accounts are out of date."""
    store, lane = await opened()
    await lane.decide([move("r1", "bank", "player", 10)])
    await lane_on(store).decide([move("r2", "player", "bank", 10)])

    [refused] = await lane.decide([move("r3", "player", "bank", 1)])
    assert outcome(refused) == Reason.INSUFFICIENT_AVAILABLE
    [posted] = await lane.decide([move("r4", "bank", "player", 5)])
    assert isinstance(posted, Posted)
    assert [(one.posted, one.version) for one in posted.balances] == [(5, 3), (5, 3)]


async def test_another_writers_change_of_an_account_is_seen() -> None:
    """The chain holds accounts too, so a limit that another replica set is known at once."""
    store, lane = await opened()
    await lane.decide([move("r1", "bank", "player", 10)])
    other = lane_on(store)
    change = changing("c1", "player", Policy(min_available=8), "min_available")
    assert isinstance((await other.decide([change]))[0], Changed)

    [refused] = await lane.decide([move("r2", "player", "bank", 3)])
    assert outcome(refused) == Reason.INSUFFICIENT_AVAILABLE


async def test_known_accounts_are_not_loaded_again() -> None:
    """While nobody else writes, an account is read once."""
    store, lane = await opened()
    store.loads.clear()
    for number in range(5):
        await lane.decide([move(f"r{number}", "bank", "player", 1)])

    assert store.loads == []


@pytest.mark.parametrize("step", ["write", "commit"])
async def test_a_failed_commit_makes_the_lane_forget(step: str) -> None:
    """After a failure the accounts are read again: what they were moved by never happened."""
    store, lane = await opened()
    await lane.decide([move("r1", "bank", "player", 10)])
    store.lost_at = step
    with pytest.raises(LedgerError):
        await lane.decide([move("r2", "bank", "player", 90)])
    store.lost_at = ""

    [refused] = await lane.decide([move("r3", "player", "bank", 50)])
    assert outcome(refused) == Reason.INSUFFICIENT_AVAILABLE
    assert refused.metadata["available_minor"] == "10"  # type: ignore[union-attr]  # It is refused.


async def test_a_worker_that_is_cancelled_makes_the_lane_forget() -> None:
    """Cancelled inside its commit, a unit is in doubt: what it moved is read again."""
    store, lane = await opened()
    await lane.decide([move("r1", "bank", "player", 10)])
    before = asyncio.all_tasks()
    caller = await begun(store, lane, "lost")
    for _ in range(50):
        await asyncio.sleep(0)
    [worker] = asyncio.all_tasks() - before - {caller}
    worker.cancel()
    await asyncio.wait([worker])
    caller.cancel()
    store.gate.set()

    assert (await lane.decide([move("r2", "player", "bank", 11)]))[0] == Refused(
        Reason.INSUFFICIENT_AVAILABLE,
        "player has 10 minor units available with a limit of 0, and 11 are asked of it",
        {"account_id": "player", "available_minor": "10", "limit_minor": "0", "asked_minor": "11"},
    )
    [posted] = await lane.decide([move("r3", "bank", "p8", 1)])
    assert isinstance(posted, Posted)
    assert [one.posted for one in posted.balances] == [11, 1]


async def test_a_refused_unit_makes_the_lane_forget() -> None:
    """The same holds where the store refused the unit for a reason that nobody foresaw."""
    store, lane = await opened()
    store.poison = {"r1"}
    with pytest.raises(RuntimeError):
        await lane.decide([move("r1", "bank", "player", 100)])

    [refused] = await lane.decide([move("r2", "player", "bank", 1)])
    assert outcome(refused) == Reason.INSUFFICIENT_AVAILABLE


async def test_a_replay_beside_another_body_has_its_balances() -> None:
    """One id in two items, with the stored body and another: a whole replay, and a refusal."""
    store, lane = await opened()
    [posted] = await lane.decide([move("r1", "bank", "player", 10)])
    for fresh in (lane, lane_on(store)):
        one, two = await fresh.decide([move("r1", "bank", "player", 10), move("r1", "p1", "p2", 7)])
        assert one == posted._replace(replayed=True)
        assert outcome(two) == Reason.REQUEST_ID_REUSED


async def test_an_account_opened_in_the_same_commit_can_be_used() -> None:
    """An opening and a posting to it that share a commit are decided in their order."""
    store, lane = await opened()
    first = await begun(store, lane, "first")
    new = NewAccount("new", "EUR", AccountKind.LIABILITY, Policy())
    waiting = asyncio.gather(
        lane.decide([move("r1", "bank", "new", 5)]),
        lane.decide([opening("o1", new)]),
        lane.decide([move("r2", "bank", "new", 5)]),
    )
    await asyncio.sleep(0)
    store.gate.set()
    await first

    before, answer, after = await waiting
    assert outcome(before[0]) == Reason.ACCOUNT_NOT_FOUND
    assert answer == [Opened([False])]
    assert outcome(after[0]) == 2
    assert store.commits == 3


async def test_a_full_queue_refuses_and_harms_nobody() -> None:
    """Past the bound a caller gets QUEUE_FULL at once; those who wait are answered."""
    store, lane = await opened(limits=replace(LIMITS, queue_max=3))
    first = await begun(store, lane, "first")
    waiting = asyncio.create_task(
        lane.decide([move(f"r{number}", "bank", "player", 1) for number in range(3)])
    )
    await asyncio.sleep(0)

    with pytest.raises(LedgerError) as full:
        await lane.decide([move("r9", "bank", "player", 1)])
    assert full.value.reason == Reason.QUEUE_FULL
    store.gate.set()
    await first
    assert [outcome(one) for one in await waiting] == [2, 3, 4]
    assert [outcome(one) for one in await lane.decide([move("r9", "bank", "player", 1)])] == [5]


async def test_a_drained_lane_has_decided_all_and_takes_no_more() -> None:
    """Draining answers what was taken; what comes later is asked to retry elsewhere."""
    store, lane = await opened()
    first = await begun(store, lane, "first")
    waiting = asyncio.create_task(lane.decide([move("r1", "bank", "player", 1)]))
    await asyncio.sleep(0)
    store.gate.set()
    await lane.drain()

    assert first.done()
    assert [outcome(one) for one in waiting.result()] == [2]
    with pytest.raises(LedgerError) as late:
        await lane.decide([move("r2", "bank", "player", 1)])
    assert late.value.reason == Reason.UNAVAILABLE


async def test_a_caller_who_leaves_finds_his_answer_later() -> None:
    """A cancelled caller's transaction is decided all the same, and his retry is a replay."""
    store, lane = await opened()
    task = await begun(store, lane, "gone")
    task.cancel()
    store.gate.set()
    await lane.drain()

    [again] = await lane_on(store).decide([move("gone", "bank", "p8", 1)])
    assert again.replayed
    assert outcome(again) == 1


async def test_memory_is_bounded_and_keeps_the_latest() -> None:
    """Past the bound the accounts used longest ago go, also within one large batch."""
    known = KnownAccounts(2)
    store, lane = await opened(known)
    await lane.decide([move(f"r{n}", f"p{n}", f"p{n + 1}", 1) for n in range(6)])
    await lane.decide([move("r7", "p0", "p1", 1)])
    store.loads.clear()
    await lane.decide([move("r8", "p0", "p1", 1)])
    assert store.loads == []
    await lane.decide([move("r9", "p0", "p2", 1)])

    assert store.loads == [["p2"]]
    assert known.count == 2


async def test_an_unknown_tenant_is_told_to_all() -> None:
    """Without a head row every item is TENANT_NOT_FOUND, and nothing is written."""
    store = MemoryBookStore(head=None)
    lane = lane_on(store)
    answers = await asyncio.gather(
        lane.decide([move("r1", "bank", "player", 1)]),
        lane.decide([opening("o1", BANK)]),
        lane.decide([changing("c1", "bank", Policy())]),
        return_exceptions=True,
    )

    assert [getattr(one, "reason", one) for one in answers] == [Reason.TENANT_NOT_FOUND] * 3
    assert store.commits == 0


async def test_the_lanes_work_is_nobodys_request() -> None:
    """A lane's logs do not carry the request that happened to wake it."""
    asking: ContextVar[str] = ContextVar("asking", default="")
    seen = []

    class Watching(MemoryBookStore):
        def reached(self, step: str) -> None:
            super().reached(step)
            seen.append(asking.get())

    store = Watching()
    asking.set("somebody's request")
    await lane_on(store).decide([opening("chart", BANK)])

    assert set(seen) == {""}


async def test_idle_lanes_are_let_go() -> None:
    """Past the bound the idle lane used longest ago goes; a busy one stays, however long ago."""
    store = MemoryBookStore()
    lanes = Lanes(store, lambda: from_micros(NOW), new_id, LIMITS, cached_accounts_max=99)
    busy = lanes.of("acme")
    await busy.decide([opening("chart", BANK, *OTHERS)])
    held = await begun(store, busy, "held")
    kept = lanes.of("kept")
    for number in range(LANES_MAX - 2):
        lanes.of(f"t{number}")
    assert lanes.of("kept") is kept

    lanes.of("one-more")
    assert lanes.of("kept") is kept
    assert lanes._lanes["acme"] is busy
    assert "t0" not in lanes._lanes
    assert len(lanes._lanes) == LANES_MAX
    store.gate.set()
    await held
