"""The order in which facts come decides nothing: stories told in every order."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from services.kernel.money import Money
from services.psp_gateway.application.records import IntentState
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.accounts import PlayerChart
from services.psp_gateway.domain.exceptions import ExceptionKind
from services.psp_gateway.domain.machine import Decision, Verdict
from services.psp_gateway.domain.objects import (
    Deposit,
    DepositState,
    Dispute,
    DisputeState,
    Refund,
    RefundState,
    Withdrawal,
    WithdrawalState,
)
from tests.fakes.gateway_checks import check_bookkeeping
from tests.fakes.gateway_rows import (
    NOW,
    a_deposit,
    a_fact,
    a_withdrawal,
    codes,
)
from tests.fakes.gateway_world import World, memory_world
from tests.fakes.troubles import Kind, Trouble

CAPTURED = a_fact(facts.DepositCaptured)
CASH = PlayerChart("anna", "EUR").cash.path
IN_PART = Money("EUR", 4_000)
EUR_20 = Money("EUR", 2_000)
EUR_10 = Money("EUR", 1_000)

STORIES: dict[str, list[facts.Fact]] = {
    "deposit that fails after it was captured": [
        CAPTURED,
        a_fact(facts.DepositDeclined),
        a_fact(facts.DepositFee),
        a_fact(facts.DepositAvailable),
        a_fact(facts.DepositCaptureFailed),
    ],
    "refund that fails after success, beside one made in the dashboard": [
        CAPTURED,
        a_fact(facts.RefundAskedFor),
        a_fact(facts.RefundSucceeded),
        a_fact(facts.RefundFailedAfterSuccess),
        a_fact(facts.RefundMadeAtProvider, object_id="f-2"),
    ],
    "dispute that is lost, found in part, and taken up again": [
        CAPTURED,
        a_fact(facts.DisputeFundsWithdrawn),
        a_fact(facts.DisputeLost),
        a_fact(facts.DisputeReinstated, amount=IN_PART),
        a_fact(facts.DisputeFundsWithdrawn, round_number=2, amount=IN_PART),
        a_fact(facts.DisputeFee),
    ],
    "withdrawal that is paid after it had failed, and returns in two parts": [
        a_fact(facts.WithdrawalFailed),
        a_fact(facts.WithdrawalPaid),
        a_fact(facts.WithdrawalReturned, amount=EUR_20),
        a_fact(facts.WithdrawalReturned, amount=EUR_20, row_id="row_2"),
        a_fact(facts.WithdrawalCost),
    ],
    "debt that two people write off": [
        a_fact(facts.ReceivableWrittenOff, amount=EUR_10),
        a_fact(facts.ReceivableWrittenOff, amount=EUR_10, decision_id="x-2"),
    ],
    "sweep that comes back from the bank": [
        a_fact(facts.SweepSent, row_id="sw_1"),
        a_fact(facts.SweepBanked, row_id="sw_1", bank_fee_minor=40),
        a_fact(facts.SweepFailed, row_id="sw_1"),
    ],
}


AFTER_COMMIT = Trouble(3)
"""The process dies when a fact is committed, before the ledger is asked for its posting."""

NewWorld = Callable[[], World]


@pytest.fixture
def new_world() -> Iterator[NewWorld]:
    """Makes a gateway with one of each object, whose player has some cash."""
    loop = asyncio.new_event_loop()

    def made() -> World:
        world = memory_world(NOW, loop)
        world.ledger.balances[CASH] = 6_000
        world.run(world.create(a_deposit(DepositState.PROCESSING)))
        world.run(world.create(a_withdrawal()))
        for fact_type in (
            facts.WithdrawalReserved,
            facts.WithdrawalAutoApproved,
            facts.WithdrawalSubmitStarted,
        ):
            world.decided(a_fact(fact_type))
        return world

    yield made
    loop.close()


def _brought(world: World, fact: facts.Fact) -> Decision[Any]:
    return world.decided(fact, deposit_id="d-1")


def _only(world: World, kind: type[Any]) -> Any:
    [row] = world.stored().of(kind)
    return row


def _balances(world: World) -> Counter[str]:
    return Counter({code: world.ledger.balances[path] for path, code in codes().items()})


def _tell(world: World, story: list[facts.Fact]) -> Counter[str]:
    """Bring the facts until none waits any more, twice each; return what the books then say."""
    waiting = list(story)
    for _ in story:
        waiting = [fact for fact in waiting if _brought(world, fact).verdict is Verdict.DEFERRED]
    assert not waiting
    for fact in story:
        assert _brought(world, fact).verdict is Verdict.IGNORED
    return _summed(_balances(world))


def _summed(by_code: Counter[str]) -> Counter[str]:
    """Return the balances with those of a player as one: which of his accounts is his affair."""
    owed = by_code["L1"] + by_code["L7"] + by_code["L9"] - by_code["A7"]
    # What is reserved is the player's too: a failed withdrawal may wait there for its next attempt.
    books = Counter({code: by_code[code] for code in by_code if code[0] in "AXIE" or code > "L3"})
    for code in ("A7", "L7", "L9"):
        del books[code]
    books["player"] = owed + by_code["L2"]
    return books


@pytest.mark.parametrize("name", STORIES)
def test_order_decides_nothing(name: str, new_world: NewWorld) -> None:
    """Invariant 4: in any order, each told twice, the same facts end in the same balances."""
    story = STORIES[name]
    expected = _tell(new_world(), story)

    for order in itertools.permutations(story):
        assert _tell(new_world(), list(order)) == expected


def _in_debt(new_world: NewWorld) -> World:
    """Return a world whose player owes something from before: a credit pays of it."""
    world = new_world()
    world.ledger.balances[PlayerChart("anna", "EUR").receivable.path] = 1_500
    return world


def _ended(world: World, story: list[facts.Fact]) -> Counter[str]:
    """Finish everything, bring what is not in yet, and return the balances."""
    for _ in story:
        world.finish()
        check_bookkeeping(world.stored(), world.ledger)
        for fact in story:
            _brought(world, fact)
    return _balances(world)


def _points(tell: Callable[[int], World]) -> Iterator[tuple[int, World]]:
    """Yield what came of trouble at each point, until there is none left."""
    for point in itertools.count(1):
        world = tell(point)
        if not world.troubles.came:
            return
        yield point, world


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", STORIES)
def test_trouble_decides_nothing(name: str, kind: Kind, new_world: NewWorld) -> None:
    """Wherever a process dies or loses the store or ledger, the story ends in the same books."""
    story = STORIES[name]
    expected = _ended(_in_debt(new_world), story)

    for at, fact in enumerate(story):

        def tell(point: int, at: int = at, fact: facts.Fact = fact) -> World:
            world = _in_debt(new_world)
            for before in story[:at]:
                _brought(world, before)
            work = world.bring(fact, deposit_id="d-1")
            world.attempted(work, trouble=Trouble(point, kind))
            return world

        for point, world in _points(tell):
            assert _ended(world, story) == expected, (fact, point)
        for point, world in _points(tell):
            # Nobody has finished it yet when the next facts come: they may take his cash first.
            for later in story[at + 1 :]:
                _brought(world, later)
                check_bookkeeping(world.stored(), world.ledger)
            assert _summed(_ended(world, story)) == _summed(expected), (fact, point)


@pytest.mark.parametrize("name", STORIES)
def test_trouble_of_the_janitor_decides_nothing(name: str, new_world: NewWorld) -> None:
    """A janitor that dies or loses the ledger leaves the rest to its next round, in order."""
    story = STORIES[name]
    expected = _ended(_in_debt(new_world), story)

    for at, kind in itertools.product(range(len(story)), Kind):

        def tell(point: int, at: int = at, kind: Kind = kind) -> World:
            world = _in_debt(new_world)
            for before in story[:at]:
                _brought(world, before)
            world.ledger.is_away = True
            _brought(world, story[at])
            world.ledger.is_away = False
            world.now += timedelta(minutes=1)
            round_ = world.janitor.finish_intents(world.tenant_id, 200)
            world.attempted(round_, trouble=Trouble(point, kind))
            return world

        for point, world in _points(tell):
            check_bookkeeping(world.stored(), world.ledger)
            assert _ended(world, story) == expected, (story[at], point)


@pytest.mark.parametrize("name", STORIES)
def test_two_at_once_are_one_after_the_other(name: str, new_world: NewWorld) -> None:
    """Two facts that race end as they would in one order or the other, and so does one twice."""
    story = STORIES[name]

    for at, later in itertools.combinations_with_replacement(range(len(story)), 2):
        one, other = story[at], story[later]
        ends = []
        for order in ((one, other), (other, one)):
            world = _in_debt(new_world)
            for fact in (*story[:at], *order):
                _brought(world, fact)
            ends.append(_ended(world, story))

        for turns in range(20):
            world = _in_debt(new_world)
            for fact in story[:at]:
                _brought(world, fact)
            both = [world.bring(fact, deposit_id="d-1") for fact in (one, other)]
            world.attempted(*both, turns=turns)
            assert _ended(world, story) in ends, (one, other, turns)


def test_credit_pays_what_is_owed(new_world: NewWorld) -> None:
    """What a player is credited with pays what he owes first."""
    world = _in_debt(new_world)

    _brought(world, CAPTURED)

    balances = _balances(world)
    assert (balances["A7"], balances["L1"]) == (0, 6_000 - 5_100 + 5_000 - 1_500)


def test_credit_pays_although_the_recovery_before_it_is_unfinished(new_world: NewWorld) -> None:
    """Wherever one credit's recovery was left, that of the next credit is not lost."""
    second = a_fact(facts.DepositCaptured, object_id="d-2", capture_key="pi_2")

    def tell(point: int) -> World:
        world = new_world()
        world.ledger.balances[PlayerChart("anna", "EUR").receivable.path] = 9_000
        row = a_deposit(DepositState.PROCESSING, deposit_id="d-2", reference="r-2")
        world.run(world.create(row))
        world.attempted(world.bring(CAPTURED), trouble=Trouble(point))
        return world

    for point, world in _points(tell):
        _brought(world, second)
        world.finish()
        _brought(world, CAPTURED)
        world.finish()
        assert _balances(world)["A7"] == 0, point


def test_refusal_is_answered_with_what_is_there_now(new_world: NewWorld) -> None:
    """What the player spent after somebody looked is owed, and no more than that."""
    world = new_world()
    _brought(world, CAPTURED)

    def spends(_player_id: str) -> None:
        world.ledger.balances[CASH] = 3_000

    world.ledger.after_look = spends
    _brought(world, a_fact(facts.DepositCaptureFailed))

    balances = _balances(world)
    assert (balances["A1"], balances["L1"], balances["A7"]) == (0, 0, 2_000)


def test_posting_that_nobody_answers_for_holds_up_the_next(new_world: NewWorld) -> None:
    """A refusal that only a person can answer is told, and what builds on it is not asked for."""
    world = new_world()
    _brought(world, CAPTURED)
    [available] = [path for path, code in codes().items() if code == "A2"]
    world.ledger.closed.add(available)

    _brought(world, a_fact(facts.DisputeFundsWithdrawn))

    withdrawn, freeze = world.stored().intents[-2:]
    assert (withdrawn.state, freeze.state) == (IntentState.BLOCKED, IntentState.OPEN)
    assert freeze.intent.posting.request_id not in world.ledger.asked
    assert world.stored().exceptions == [ExceptionKind.POSTING_REFUSED]


def test_second_attempt_pays_as_well(new_world: NewWorld) -> None:
    """Two attempts that both paid are both booked, with one fee, and people are told."""
    world = new_world()
    second = a_fact(facts.WithdrawalSubmitStarted, attempt=2)
    story = [
        a_fact(facts.WithdrawalFailed),
        second,
        a_fact(facts.WithdrawalPaid),
        a_fact(facts.WithdrawalPaid, attempt=2, withdrawal_key="tr_2"),
    ]

    for fact in story:
        _brought(world, fact)

    balances = _balances(world)
    assert balances["A2"] == -10_000
    assert balances["I1"] == 100
    assert (balances["L2"], balances["L5"]) == (0, 0)
    assert balances["L1"] - balances["A7"] == 6_000 - 10_000 - 100
    row: Withdrawal = _only(world, Withdrawal)
    assert (row.state, row.paid_attempts) == (WithdrawalState.PAID, (1, 2))
    assert world.stored().exceptions == [ExceptionKind.PAID_AFTER_FAILED]


def test_second_attempt_fails_after_the_first_paid(new_world: NewWorld) -> None:
    """What was put aside for an attempt that is not needed any more is the player's again."""
    world = new_world()
    for fact in (
        a_fact(facts.WithdrawalFailed),
        a_fact(facts.WithdrawalSubmitStarted, attempt=2),
        a_fact(facts.WithdrawalPaid),
        a_fact(facts.WithdrawalFailed, attempt=2),
    ):
        _brought(world, fact)

    balances = _balances(world)
    assert _only(world, Withdrawal).state is WithdrawalState.PAID
    assert (balances["L2"], balances["L5"]) == (0, 0)
    assert balances["L1"] - balances["A7"] == 6_000 - 5_000 - 100


def test_returns_are_at_most_what_was_paid(new_world: NewWorld) -> None:
    """More than was paid does not come back: people look, and nothing is booked."""
    world = new_world()
    _brought(world, a_fact(facts.WithdrawalPaid))
    _brought(world, a_fact(facts.WithdrawalReturned, amount=IN_PART))

    decision = _brought(world, a_fact(facts.WithdrawalReturned, amount=EUR_20, row_id="row_2"))

    assert decision.why == ExceptionKind.RETURN_EXCEEDS_PAID
    assert not decision.postings


def test_return_waits_for_its_own_attempt(new_world: NewWorld) -> None:
    """A return of an attempt that is not known to have paid waits, whatever another one did."""
    world = new_world()
    for fact in (
        a_fact(facts.WithdrawalFailed),
        a_fact(facts.WithdrawalSubmitStarted, attempt=2),
        a_fact(facts.WithdrawalPaid, attempt=2),
    ):
        _brought(world, fact)

    decision = _brought(world, a_fact(facts.WithdrawalReturned, amount=EUR_20))

    assert decision.verdict is Verdict.DEFERRED


def test_posting_that_crashed_holds_up_what_builds_on_it(new_world: NewWorld) -> None:
    """A failed capture waits until its capture stands in the ledger, and then finds the review."""
    world = new_world()
    world.ledger.closed.add(CASH)
    failed = a_fact(facts.DepositCaptureFailed)
    world.attempted(world.bring(CAPTURED), trouble=AFTER_COMMIT)

    early = _brought(world, failed)
    world.finish()
    _brought(world, failed)

    assert early.verdict is Verdict.DEFERRED
    balances = _balances(world)
    assert (balances["A1"], balances["L4"], balances["A7"]) == (0, 0, 0)
    assert _only(world, Deposit).state is DepositState.CAPTURE_FAILED


def test_paid_without_attempt_is_for_people(new_world: NewWorld) -> None:
    """A payment of an attempt that we never made is not booked by guess."""
    decision = _brought(new_world(), a_fact(facts.WithdrawalPaid, attempt=2))

    assert decision.why == ExceptionKind.PAID_WITHOUT_ATTEMPT


def test_capture_after_the_end_credits_and_tells(new_world: NewWorld) -> None:
    """A deposit that had ended is credited when its money comes, and people are told."""
    world = new_world()
    _brought(world, a_fact(facts.DepositExpired))

    _brought(world, CAPTURED)

    assert _only(world, Deposit).state is DepositState.CAPTURED
    assert world.ledger.balances[CASH] == 6_000 - 5_100 + 5_000
    assert world.stored().exceptions == [ExceptionKind.CAPTURED_AFTER_END]


def test_another_capture_is_for_people(new_world: NewWorld) -> None:
    """A second capture under another id or amount is never credited, and never silent."""
    world = new_world()
    _brought(world, CAPTURED)

    for more in ({"capture_key": "pi_2"}, {"amount": EUR_20}):
        decision = _brought(world, a_fact(facts.DepositCaptured, **more))
        assert [e.kind for e in decision.exceptions] == [ExceptionKind.CAPTURE_CONTRADICTED]
        assert not decision.postings


def test_refund_of_a_refused_credit_comes_from_review(new_world: NewWorld) -> None:
    """What is in review is refunded from there, and goes back there when the refund fails."""
    world = new_world()
    world.ledger.closed.add(CASH)
    _brought(world, CAPTURED)
    _brought(world, a_fact(facts.RefundAskedFor))
    row: Refund = _only(world, Refund)
    assert (row.state, _only(world, Deposit).review_minor) == (RefundState.REQUESTED, 3_000)

    _brought(world, a_fact(facts.RefundFailed))

    assert _only(world, Deposit).review_minor == 5_000


def test_dispute_of_an_unknown_capture_waits(new_world: NewWorld) -> None:
    """A dispute that is heard of before its deposit's capture waits, and is then applied."""
    world = new_world()
    withdrawn = a_fact(facts.DisputeFundsWithdrawn)

    early = _brought(world, withdrawn)
    _brought(world, CAPTURED)
    _brought(world, withdrawn)

    assert early.verdict is Verdict.DEFERRED
    row: Dispute = _only(world, Dispute)
    assert (row.state, row.frozen_minor) == (DisputeState.OPEN, 5_000)
