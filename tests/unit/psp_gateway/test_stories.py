"""The order in which facts come decides nothing: stories told in every order."""

import itertools
from collections import Counter

import pytest

from services.kernel.money import Money
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.accounts import PlayerChart
from services.psp_gateway.domain.exceptions import ExceptionKind
from services.psp_gateway.domain.machine import Verdict
from services.psp_gateway.domain.objects import (
    DepositState,
    Dispute,
    DisputeState,
    Refund,
    RefundState,
    Withdrawal,
    WithdrawalState,
)
from tests.fakes.gateway_model import Crash, GatewayModel
from tests.fakes.gateway_rows import (
    NOW,
    a_deposit,
    a_dispute,
    a_fact,
    a_refund,
    a_withdrawal,
    codes,
)
from tests.fakes.ledger_model import LedgerModel
from tests.fakes.provider_news import AT

CAPTURED = a_fact(facts.DepositCaptured)
IN_PART = Money("EUR", 4_000)
EUR_20 = Money("EUR", 2_000)

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
    "sweep that comes back from the bank": [
        a_fact(facts.SweepSent, row_id="sw_1"),
        a_fact(facts.SweepBanked, row_id="sw_1", bank_fee_minor=40),
        a_fact(facts.SweepFailed, row_id="sw_1"),
    ],
}


def _world() -> GatewayModel:
    """Return a gateway with one of each object, whose player has some cash."""
    ledger = LedgerModel()
    ledger.balances[PlayerChart("anna", "EUR").cash.path] = 6_000
    gateway = GatewayModel(ledger=ledger, now=NOW, at=AT)
    gateway.rows = {
        "d-1": a_deposit(DepositState.PROCESSING),
        "f-1": a_refund(),
        "f-2": a_refund(refund_id="f-2"),
        "c-1": a_dispute(),
        "w-1": a_withdrawal(),
    }
    for fact_type in (
        facts.WithdrawalReserved,
        facts.WithdrawalAutoApproved,
        facts.WithdrawalSubmitStarted,
    ):
        gateway.bring(a_fact(fact_type))
    return gateway


def _tell(gateway: GatewayModel, story: list[facts.Fact]) -> Counter[str]:
    """Bring the facts until none waits any more, twice each; return what the books then say."""
    waiting = list(story)
    for _ in story:
        waiting = [
            fact
            for fact in waiting
            if (decision := gateway.bring(fact)) and decision.verdict is Verdict.DEFERRED
        ]
    assert not waiting
    for fact in story:
        again = gateway.bring(fact)
        assert again is not None
        assert again.verdict is Verdict.IGNORED
    by_code = {code: gateway.ledger.balances[path] for path, code in codes().items()}
    owed = by_code["L1"] + by_code["L7"] + by_code["L9"] - by_code["A7"]
    # What is reserved is the player's too: a failed withdrawal may wait there for its next attempt.
    books = Counter({code: by_code[code] for code in by_code if code[0] in "AXIE" or code > "L3"})
    for code in ("A7", "L7", "L9"):
        del books[code]
    books["player"] = owed + by_code["L2"]
    return books


@pytest.mark.parametrize("name", STORIES)
def test_order_decides_nothing(name: str) -> None:
    """Invariant 4: in any order, each told twice, the same facts end in the same balances."""
    story = STORIES[name]
    expected = _tell(_world(), story)

    for order in itertools.permutations(story):
        assert _tell(_world(), list(order)) == expected


def test_second_attempt_pays_as_well() -> None:
    """Two attempts that both paid are both booked, with one fee, and people are told."""
    gateway = _world()
    second = a_fact(facts.WithdrawalSubmitStarted, attempt=2)
    story = [
        a_fact(facts.WithdrawalFailed),
        second,
        a_fact(facts.WithdrawalPaid),
        a_fact(facts.WithdrawalPaid, attempt=2, withdrawal_key="tr_2"),
    ]

    for fact in story:
        gateway.bring(fact)

    balances = {code: gateway.ledger.balances[path] for path, code in codes().items()}
    assert balances["A2"] == -10_000
    assert balances["I1"] == 100
    assert (balances["L2"], balances["L5"]) == (0, 0)
    assert balances["L1"] - balances["A7"] == 6_000 - 10_000 - 100
    row: Withdrawal = gateway.rows["w-1"]
    assert (row.state, row.paid_attempts) == (WithdrawalState.PAID, (1, 2))
    assert [e.kind for e in gateway.exceptions] == [ExceptionKind.PAID_AFTER_FAILED]


def test_second_attempt_fails_after_the_first_paid() -> None:
    """What was put aside for an attempt that is not needed any more is the player's again."""
    gateway = _world()
    for fact in (
        a_fact(facts.WithdrawalFailed),
        a_fact(facts.WithdrawalSubmitStarted, attempt=2),
        a_fact(facts.WithdrawalPaid),
        a_fact(facts.WithdrawalFailed, attempt=2),
    ):
        gateway.bring(fact)

    balances = {code: gateway.ledger.balances[path] for path, code in codes().items()}
    assert gateway.rows["w-1"].state is WithdrawalState.PAID
    assert (balances["L2"], balances["L5"]) == (0, 0)
    assert balances["L1"] - balances["A7"] == 6_000 - 5_000 - 100


def test_returns_are_at_most_what_was_paid() -> None:
    """More than was paid does not come back: people look, and nothing is booked."""
    gateway = _world()
    gateway.bring(a_fact(facts.WithdrawalPaid))
    gateway.bring(a_fact(facts.WithdrawalReturned, amount=IN_PART))

    decision = gateway.bring(a_fact(facts.WithdrawalReturned, amount=EUR_20, row_id="row_2"))

    assert decision is not None
    assert decision.why == ExceptionKind.RETURN_EXCEEDS_PAID
    assert not decision.postings


def test_return_waits_for_its_own_attempt() -> None:
    """A return of an attempt that is not known to have paid waits, whatever another one did."""
    gateway = _world()
    for fact in (
        a_fact(facts.WithdrawalFailed),
        a_fact(facts.WithdrawalSubmitStarted, attempt=2),
        a_fact(facts.WithdrawalPaid, attempt=2),
    ):
        gateway.bring(fact)

    decision = gateway.bring(a_fact(facts.WithdrawalReturned, amount=EUR_20))

    assert decision is not None
    assert decision.verdict is Verdict.DEFERRED


def test_posting_that_crashed_holds_up_what_builds_on_it() -> None:
    """A failed capture waits until its capture stands in the ledger, and then finds the review."""
    gateway = _world()
    gateway.ledger.closed.add(PlayerChart("anna", "EUR").cash.path)
    failed = a_fact(facts.DepositCaptureFailed)
    gateway.bring(CAPTURED, Crash.AFTER_COMMIT)

    early = gateway.bring(failed)
    gateway.finish()
    gateway.bring(failed)

    assert early is not None
    assert early.verdict is Verdict.DEFERRED
    balances = {code: gateway.ledger.balances[path] for path, code in codes().items()}
    assert (balances["A1"], balances["L4"], balances["A7"]) == (0, 0, 0)
    assert gateway.rows["d-1"].state is DepositState.CAPTURE_FAILED


def test_paid_without_attempt_is_for_people() -> None:
    """A payment of an attempt that we never made is not booked by guess."""
    decision = _world().bring(a_fact(facts.WithdrawalPaid, attempt=2))

    assert decision is not None
    assert decision.why == ExceptionKind.PAID_WITHOUT_ATTEMPT


def test_capture_after_the_end_credits_and_tells() -> None:
    """A deposit that had ended is credited when its money comes, and people are told."""
    gateway = _world()
    gateway.bring(a_fact(facts.DepositExpired))

    gateway.bring(CAPTURED)

    assert gateway.rows["d-1"].state is DepositState.CAPTURED
    assert gateway.ledger.balances[PlayerChart("anna", "EUR").cash.path] == 6_000 - 5_100 + 5_000
    assert [e.kind for e in gateway.exceptions] == [ExceptionKind.CAPTURED_AFTER_END]


def test_another_capture_is_for_people() -> None:
    """A second capture under another id or amount is never credited, and never silent."""
    gateway = _world()
    gateway.bring(CAPTURED)

    for more in ({"capture_key": "pi_2"}, {"amount": EUR_20}):
        decision = gateway.bring(a_fact(facts.DepositCaptured, **more))
        assert decision is not None
        assert [e.kind for e in decision.exceptions] == [ExceptionKind.CAPTURE_CONTRADICTED]
        assert not decision.postings


def test_refund_of_a_refused_credit_comes_from_review() -> None:
    """What is in review is refunded from there, and goes back there when the refund fails."""
    gateway = _world()
    gateway.ledger.closed.add(PlayerChart("anna", "EUR").cash.path)
    gateway.bring(CAPTURED)
    gateway.bring(a_fact(facts.RefundAskedFor))
    row: Refund = gateway.rows["f-1"]
    assert (row.state, gateway.rows["d-1"].review_minor) == (RefundState.REQUESTED, 3_000)

    gateway.bring(a_fact(facts.RefundFailed))

    assert gateway.rows["d-1"].review_minor == 5_000


def test_dispute_of_an_unknown_capture_waits() -> None:
    """A dispute that is heard of before its deposit's capture waits, and is then applied."""
    gateway = _world()
    withdrawn = a_fact(facts.DisputeFundsWithdrawn)

    early = gateway.bring(withdrawn)
    gateway.bring(CAPTURED)
    gateway.bring(withdrawn)

    assert early is not None
    assert early.verdict is Verdict.DEFERRED
    row: Dispute = gateway.rows["c-1"]
    assert (row.state, row.frozen_minor) == (DisputeState.OPEN, 5_000)
