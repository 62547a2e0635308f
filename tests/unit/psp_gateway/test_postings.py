"""Every row of the postings table, written as the specification writes it."""

from datetime import timedelta
from typing import Any

import pytest

from services.kernel.invariant import InvariantError
from services.kernel.money import Money
from services.kernel.movements import MovementKind, Pot
from services.psp_gateway.domain import (
    deposit,
    dispute,
    facts,
    player,
    postings,
    provider_account,
    refund,
    withdrawal,
)
from services.psp_gateway.domain.accounts import PlayerChart, ProviderChart
from services.psp_gateway.domain.objects import (
    DepositState,
    DisputeState,
    RefundState,
    SettlementState,
    Source,
    SweepState,
    WithdrawalState,
)
from services.psp_gateway.domain.postings import Effect, Movement
from tests.fakes.gateway_rows import (
    EUR_50,
    NOW,
    a_deposit,
    a_dispute,
    a_fact,
    a_refund,
    a_sweep,
    a_withdrawal,
    booked,
    situation,
)
from tests.fakes.provider_news import AT

CAPTURED = a_deposit(DepositState.CAPTURED)
IN_REVIEW = a_deposit(DepositState.REVIEW)
AVAILABLE = a_deposit(DepositState.CAPTURED, settlement=SettlementState.AVAILABLE, pending_minor=0)
EUR_30 = Money("EUR", 3_000)
ANNA = PlayerChart("anna", "EUR")


def _deposit(row: Any, fact_type: Any, **more: Any) -> Any:
    known = {key: more.pop(key) for key in ("cash_minor",) if key in more}
    return deposit.decide(row, a_fact(fact_type, **more), situation(**known))


def _refund(row: Any, fact_type: Any, parent: Any = CAPTURED, **known: Any) -> Any:
    return refund.decide(row, parent, a_fact(fact_type), situation(**known))


def _dispute(row: Any, fact_type: Any, parent: Any = CAPTURED, **more: Any) -> Any:
    known = {k: more.pop(k) for k in ("cash_minor", "receivable_minor") if k in more}
    return dispute.decide(row, parent, a_fact(fact_type, **more), situation(**known))


def _withdrawal(state: Any, fact_type: Any, **more: Any) -> Any:
    known = {key: more.pop(key) for key in ("cash_minor",) if key in more}
    return withdrawal.decide(a_withdrawal(state), a_fact(fact_type, **more), situation(**known))


def _account(fact_type: Any, **more: Any) -> Any:
    return provider_account.decide(AT, a_fact(fact_type, **more), situation())


def _sweep(state: Any, fact_type: Any, amount: Money = EUR_50, **more: Any) -> Any:
    row = a_sweep(state, **({"amount": amount} if state else {}))
    more |= {"amount": amount} if fact_type is facts.SweepSent else {}
    return provider_account.decide_sweep(row, a_fact(fact_type, row_id="sw_1", **more), situation())


def _player(fact_type: Any, **known: Any) -> Any:
    return player.decide(ANNA, a_fact(fact_type), situation(**known))


S, R, D, W = DepositState, RefundState, DisputeState, WithdrawalState

ROWS: dict[str, tuple[Any, list[str]]] = {
    # deposit
    "captured": (_deposit(a_deposit(S.PROCESSING), facts.DepositCaptured), ["A1 5000 / L1 5000"]),
    "captured in review": (
        _deposit(a_deposit(S.PROCESSING), facts.DepositCaptured, amount=EUR_30),
        ["A1 3000 / L4 3000"],
    ),
    "capture failed": (
        _deposit(CAPTURED, facts.DepositCaptureFailed),
        ["L1 5000 / A1 5000"],
    ),
    "capture failed, some of it spent": (
        _deposit(AVAILABLE, facts.DepositCaptureFailed, cash_minor=1_200),
        ["L1 1200, A7 3800 / A2 5000"],
    ),
    "capture failed, nothing left": (
        _deposit(AVAILABLE, facts.DepositCaptureFailed, cash_minor=0),
        ["A7 5000 / A2 5000"],
    ),
    "capture failed in review": (
        _deposit(IN_REVIEW, facts.DepositCaptureFailed, cash_minor=1_200),
        ["L4 5000 / A1 5000"],
    ),
    "fee": (_deposit(CAPTURED, facts.DepositFee), ["X1 70 / A1 70"]),
    "fee once available": (_deposit(AVAILABLE, facts.DepositFee), ["X1 70 / A2 70"]),
    "fee credited": (
        _deposit(AVAILABLE, facts.DepositFee, fee=Money("EUR", -70)),
        ["A2 70 / X1 70"],
    ),
    "available": (
        _deposit(a_deposit(S.CAPTURED, pending_minor=4_930), facts.DepositAvailable),
        ["A2 4930 / A1 4930"],
    ),
    "available, when only a fee is left": (
        _deposit(a_deposit(S.CAPTURE_FAILED, pending_minor=-70), facts.DepositAvailable),
        ["A1 70 / A2 70"],
    ),
    "review approved": (
        _deposit(IN_REVIEW, facts.DepositReviewApproved),
        ["L4 5000 / L1 5000"],
    ),
    # refund
    "refund asked for": (_refund(a_refund(), facts.RefundAskedFor), ["L1 2000 / L6 2000"]),
    "refund asked for in review": (
        _refund(a_refund(), facts.RefundAskedFor, IN_REVIEW),
        ["L4 2000 / L6 2000"],
    ),
    "refund succeeded": (
        _refund(a_refund(R.PENDING), facts.RefundSucceeded),
        ["L6 2000 / A2 2000"],
    ),
    "refund failed": (_refund(a_refund(R.PENDING), facts.RefundFailed), ["L6 2000 / L1 2000"]),
    "refund failed in review": (
        _refund(a_refund(R.PENDING), facts.RefundFailed, IN_REVIEW),
        ["L6 2000 / L4 2000"],
    ),
    "refund failed after success": (
        _refund(a_refund(R.SUCCEEDED), facts.RefundFailedAfterSuccess),
        ["A2 2000 / L6 2000", "L6 2000 / L1 2000"],
    ),
    "refund made at the provider": (
        _refund(a_refund(), facts.RefundMadeAtProvider, cash_minor=1_500),
        ["L1 1500, A7 500 / A2 2000"],
    ),
    "refund made at the provider, in review": (
        _refund(a_refund(), facts.RefundMadeAtProvider, IN_REVIEW, cash_minor=1_500),
        ["L4 2000 / A2 2000"],
    ),
    "refund succeeded after it had failed": (
        _refund(a_refund(R.FAILED), facts.RefundSucceeded, cash_minor=1_500),
        ["L1 1500, A7 500 / A2 2000"],
    ),
    "refund fee": (_refund(a_refund(R.SUCCEEDED), facts.RefundFee), ["X1 70 / A2 70"]),
    # dispute
    "funds withdrawn": (
        _dispute(a_dispute(), facts.DisputeFundsWithdrawn, cash_minor=3_000),
        ["A6 5000 / A2 5000", "L1 3000 / L7 3000"],
    ),
    "funds withdrawn, nothing to freeze": (
        _dispute(a_dispute(), facts.DisputeFundsWithdrawn, cash_minor=0),
        ["A6 5000 / A2 5000"],
    ),
    "funds withdrawn in review": (
        _dispute(a_dispute(), facts.DisputeFundsWithdrawn, IN_REVIEW, cash_minor=0),
        ["A6 5000 / A2 5000", "L4 5000 / L7 5000"],
    ),
    "dispute fee": (_dispute(a_dispute(D.OPEN), facts.DisputeFee), ["X2 70 / A2 70"]),
    "dispute fee returned": (
        _dispute(a_dispute(D.WON), facts.DisputeFee, fee=Money("EUR", -70)),
        ["A2 70 / X2 70"],
    ),
    "reinstated in full": (
        _dispute(a_dispute(D.OPEN), facts.DisputeReinstated),
        ["A2 5000 / A6 5000", "L7 3000 / L1 3000"],
    ),
    "reinstated in part, within the freeze": (
        _dispute(a_dispute(D.OPEN), facts.DisputeReinstated, amount=EUR_30),
        ["A2 3000, L7 2000 / A6 5000", "L7 1000 / L1 1000"],
    ),
    "reinstated in part, beyond the freeze": (
        _dispute(a_dispute(D.OPEN), facts.DisputeReinstated, amount=Money("EUR", 500)),
        ["A2 500, L7 3000, A7 1500 / A6 5000"],
    ),
    "lost": (_dispute(a_dispute(D.OPEN), facts.DisputeLost), ["L7 3000, A7 2000 / A6 5000"]),
    "reinstated after it was lost": (
        _dispute(a_dispute(D.LOST), facts.DisputeReinstated, receivable_minor=2_000),
        ["A2 5000 / A7 2000, L1 3000"],
    ),
    "reinstated after the player had paid": (
        _dispute(a_dispute(D.LOST), facts.DisputeReinstated, receivable_minor=400),
        ["A2 5000 / A7 400, L1 4600"],
    ),
    # player
    "receivable recovered": (
        _player(facts.ReceivableRecovered, receivable_minor=900),
        ["L1 900 / A7 900"],
    ),
    "receivable recovered from what a credit brought": (
        _player(facts.ReceivableRecovered, receivable_minor=9_000),
        ["L1 5000 / A7 5000"],
    ),
    "receivable written off": (
        _player(facts.ReceivableWrittenOff, receivable_minor=900),
        ["X3 900 / A7 900"],
    ),
    # withdrawal
    "reserved": (_withdrawal(W.REQUESTED, facts.WithdrawalReserved), ["L1 5100 / L2 5100"]),
    "released": (_withdrawal(W.IN_REVIEW, facts.WithdrawalRejected), ["L2 5100 / L1 5100"]),
    "given up": (_withdrawal(W.APPROVED, facts.WithdrawalGivenUp), ["L2 5100 / L1 5100"]),
    "submitted": (
        _withdrawal(W.APPROVED, facts.WithdrawalSubmitStarted, attempt=2),
        ["L2 5100 / L5 5100"],
    ),
    "not sent": (_withdrawal(W.SUBMITTING, facts.WithdrawalNotSent), ["L5 5100 / L2 5100"]),
    "failed": (_withdrawal(W.SUBMITTED, facts.WithdrawalFailed), ["L5 5100 / L2 5100"]),
    "paid": (_withdrawal(W.SUBMITTED, facts.WithdrawalPaid), ["L5 5100 / A2 5000, I1 100"]),
    "paid after it had failed": (
        _withdrawal(W.FAILED, facts.WithdrawalPaid, cash_minor=600),
        ["L1 600, A7 4500 / A2 5000, I1 100"],
    ),
    "paid after it had failed, still reserved": (
        _withdrawal(W.APPROVED, facts.WithdrawalPaid),
        ["L2 5100 / A2 5000, I1 100"],
    ),
    "returned": (
        _withdrawal(W.PAID, facts.WithdrawalReturned, amount=EUR_30),
        ["A2 3000 / L1 3000"],
    ),
    "what a withdrawal cost": (_withdrawal(W.FAILED, facts.WithdrawalCost), ["X4 70 / A2 70"]),
    # provider account
    "rolling reserve": (_account(facts.RollingReserveKept), ["A5 5000 / A2 5000"]),
    "rolling reserve released": (_account(facts.RollingReserveReleased), ["A2 5000 / A5 5000"]),
    "account fee": (_account(facts.AccountFee), ["X1 70 / A2 70"]),
    "topped up": (_account(facts.ToppedUp), ["A2 5000 / A4 5000"]),
    "sweep": (_sweep(None, facts.SweepSent), ["A3 5000 / A2 5000"]),
    "sweep the other way": (
        _sweep(None, facts.SweepSent, Money("EUR", -5_000)),
        ["A2 5000 / A3 5000"],
    ),
    "bank line": (
        _sweep(SweepState.IN_TRANSIT, facts.SweepBanked, bank_fee_minor=40),
        ["A4 4960, X6 40 / A3 5000"],
    ),
    "bank line the other way": (
        _sweep(SweepState.IN_TRANSIT, facts.SweepBanked, Money("EUR", -5_000), bank_fee_minor=40),
        ["X6 40, A3 5000 / A4 5040"],
    ),
    "sweep failed": (_sweep(SweepState.IN_TRANSIT, facts.SweepFailed), ["A2 5000 / A3 5000"]),
    "sweep failed after the bank line": (
        _sweep(SweepState.BANKED, facts.SweepFailed),
        ["A2 5000 / A4 5000"],
    ),
    "bank line after the sweep failed": (
        _sweep(SweepState.FAILED, facts.SweepBanked, bank_fee_minor=40),
        ["X6 40 / A4 40"],
    ),
    "exchange": (
        _account(facts.Exchanged),
        ["E1 5000, A2 5400 USD / A2 5000, E1 5400 USD"],
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_row_of_the_specification(name: str) -> None:
    """Each fact books what the postings table says, with zero legs left out."""
    decision, expected = ROWS[name]

    assert booked(decision) == expected


MOVEMENTS = {
    "captured": Movement(MovementKind.CAPTURE, "pi_1"),
    "capture failed": Movement(MovementKind.CAPTURE_FAILURE, "pi_1f"),
    "fee": Movement(MovementKind.CAPTURE_FEE, "mv_1"),
    "refund succeeded": Movement(MovementKind.REFUND, "re_1"),
    "refund failed after success": Movement(MovementKind.REFUND_FAILURE, "pi_1f"),
    "refund made at the provider": Movement(MovementKind.REFUND, "re_1"),
    "refund fee": Movement(MovementKind.REFUND_FEE, "mv_1"),
    "funds withdrawn": Movement(MovementKind.DISPUTE, "mv_1"),
    "dispute fee": Movement(MovementKind.DISPUTE_FEE, "mv_1"),
    "reinstated in full": Movement(MovementKind.DISPUTE_REVERSAL, "mv_1"),
    "reinstated after it was lost": Movement(MovementKind.DISPUTE_REVERSAL, "mv_1"),
    "paid": Movement(MovementKind.WITHDRAWAL, "tr_1"),
    "paid after it had failed": Movement(MovementKind.WITHDRAWAL, "tr_1"),
    "returned": Movement(MovementKind.WITHDRAWAL_RETURN, "row_1"),
    "what a withdrawal cost": Movement(MovementKind.WITHDRAWAL_FEE, "mv_1"),
    "rolling reserve": Movement(MovementKind.ROLLING_RESERVE, "mv_1"),
    "rolling reserve released": Movement(MovementKind.ROLLING_RESERVE_RELEASE, "mv_1"),
    "account fee": Movement(MovementKind.ACCOUNT_FEE, "mv_1"),
    "topped up": Movement(MovementKind.TOP_UP, "mv_1"),
    "sweep": Movement(MovementKind.SWEEP, "sw_1"),
    "bank line": Movement(MovementKind.SWEEP, "sw_1"),
    "sweep failed": Movement(MovementKind.SWEEP_FAILURE, "mv_1"),
    "exchange": Movement(MovementKind.EXCHANGE, "mv_1"),
    "available": None,
    "review approved": None,
    "refund asked for": None,
    "lost": None,
    "reserved": None,
    "submitted": None,
    "receivable recovered": None,
    "bank line after the sweep failed": None,
}


@pytest.mark.parametrize("name", MOVEMENTS)
def test_movement_of_a_row(name: str) -> None:
    """A posting that moves a provider's pot says by which movement; the others say none."""
    decision, _ = ROWS[name]

    assert decision.postings[0].movement == MOVEMENTS[name]
    assert all(later.movement is None for later in decision.postings[1:])


def test_request_complete() -> None:
    """A posting carries everything that the ledger, and reconciliation, need to know."""
    (posting,) = ROWS["captured"][0].postings

    assert posting.request_id == "psp:d-1:captured:1"
    assert posting.kind == "psp.deposit.captured"
    assert posting.effective_time == NOW
    assert posting.metadata == {
        "object": "d-1",
        "fact": "captured",
        "provider": "mock",
        "provider_account": "main",
        "movement_key": "pi_1",
        "movement_kind": "capture",
    }
    assert posting.effects == (Effect(Pot.PROVIDER, "EUR", 5_000),)


def test_effects_of_clearing() -> None:
    """What is asked for stands in the clearing pot with its sign, until its end takes it out."""
    (asked,) = ROWS["refund asked for"][0].postings
    (done,) = ROWS["refund succeeded"][0].postings
    (withdrawn, freeze) = ROWS["funds withdrawn"][0].postings

    assert asked.effects == (Effect(Pot.CLEARING, "EUR", -2_000),)
    assert set(done.effects) == {
        Effect(Pot.CLEARING, "EUR", 2_000),
        Effect(Pot.PROVIDER, "EUR", -2_000),
    }
    assert set(withdrawn.effects) == {
        Effect(Pot.CLEARING, "EUR", 5_000),
        Effect(Pot.PROVIDER, "EUR", -5_000),
    }
    assert freeze.effects == ()


def test_effective_time_never_in_the_future() -> None:
    """A provider whose clock is ahead does not make the ledger refuse the posting for ever."""
    fact = a_fact(facts.DepositCaptured, occurred_at=NOW + timedelta(hours=1))

    decision = deposit.decide(a_deposit(S.PROCESSING), fact, situation())

    assert decision.postings[0].effective_time == NOW


def test_occurrences_have_keys_of_their_own() -> None:
    """Facts that may come often are told apart by the provider's id, in the request id too."""
    keys = [
        a_fact(facts.WithdrawalReturned, row_id="re_7").key,
        a_fact(facts.WithdrawalPaid, attempt=2).key,
        a_fact(facts.DisputeLost, round_number=3).key,
    ]

    assert keys == ["returned.re_7", "paid.2", "lost.3"]


@pytest.mark.parametrize("row_id", ["x" * 300, "two words", "é"])
def test_any_row_id_fits_a_request_id(row_id: str) -> None:
    """Whatever a provider calls a row, its posting has a request id that the ledger takes."""
    fact = a_fact(facts.RollingReserveReleased, row_id=row_id)
    other = a_fact(facts.RollingReserveReleased, row_id=row_id + "y")

    assert fact.key != other.key
    assert fact.key.isascii()
    assert " " not in fact.key
    assert len(f"psp:{'p' * 16}/{'a' * 32}:{fact.key}:99") <= 128


def test_unsound_posting_is_a_bug() -> None:
    """A posting that does not balance, or names an account twice, cannot be made."""
    at = ProviderChart(AT, "EUR")
    fact = a_fact(facts.DepositReviewApproved)
    one_sided = postings.debit(ANNA.cash, 5)
    twice = one_sided + postings.credit(ANNA.cash, 5)
    unnamed = postings.captured(at, ANNA, 5, Source.CASH)

    for entries in (one_sided, twice, unnamed):
        with pytest.raises(InvariantError):
            postings.draft(fact, "x", entries, now=NOW, at=AT)


@pytest.mark.parametrize("amount_minor", [0, -1])
def test_amount_of_a_fact_is_above_zero(amount_minor: int) -> None:
    """No fact but a sweep can turn its posting round by a sign."""
    with pytest.raises(InvariantError):
        a_fact(facts.DepositCaptured, amount=Money("EUR", amount_minor))


def test_zero_books_nothing() -> None:
    """A fact that moves nothing has an event and no posting."""
    decision = _sweep(None, facts.SweepSent, Money("EUR", 0))

    assert decision.postings == ()
    assert [event.fact for event in decision.events] == ["sweep.sw_1"]


def test_amounts_of_other_currencies_are_for_people() -> None:
    """What is told in another currency than the object's is never booked by guess."""
    dollars = Money("USD", 100)

    assert not _deposit(CAPTURED, facts.DepositFee, fee=dollars).postings
    assert not _dispute(a_dispute(), facts.DisputeFundsWithdrawn, amount=dollars).postings
    assert not _withdrawal(W.SUBMITTED, facts.WithdrawalPaid, amount=dollars).postings
