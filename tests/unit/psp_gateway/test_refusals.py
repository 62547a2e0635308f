"""What each machine answers when the ledger finally refuses."""

from typing import Any

import pytest

from services.kernel.money import Money
from services.psp_gateway.domain import (
    deposit,
    dispute,
    facts,
    player,
    provider_account,
    refund,
    withdrawal,
)
from services.psp_gateway.domain.accounts import PlayerChart
from services.psp_gateway.domain.exceptions import ExceptionKind
from services.psp_gateway.domain.machine import RECOMPUTED_MAX, Decision, Refusal, Verdict
from services.psp_gateway.domain.objects import (
    DepositState,
    DisputeState,
    RefundState,
    ReviewReason,
    Source,
    WithdrawalState,
)
from services.psp_gateway.domain.postings import Posting
from tests.fakes.gateway_rows import (
    a_deposit,
    a_dispute,
    a_fact,
    a_refund,
    a_withdrawal,
    booked,
    situation,
)
from tests.fakes.provider_news import AT

ANNA = PlayerChart("anna", "EUR")
SHORT = Refusal("INSUFFICIENT_AVAILABLE", ANNA.cash.path)
FROZEN = Refusal("ACCOUNT_FROZEN", ANNA.cash.path)
CLOSED = Refusal("ACCOUNT_CLOSED", ANNA.cash.path)
CAPTURED = a_deposit(DepositState.CAPTURED)
S, R, D, W = DepositState, RefundState, DisputeState, WithdrawalState


def _last(decision: Decision[Any]) -> Posting:
    return decision.postings[-1]


def test_captured_goes_to_review() -> None:
    """Money that has arrived is bookable: what cash refuses waits in review, under number 2."""
    decided = deposit.decide(a_deposit(S.PROCESSING), a_fact(facts.DepositCaptured), situation())

    answer = deposit.refused(decided.row, _last(decided), CLOSED, situation())

    assert booked(answer) == ["A1 5000 / L4 5000"]
    assert _last(answer).request_id == "psp:d-1:captured:2"
    assert (answer.row.state, answer.row.source) == (S.REVIEW, Source.REVIEW)
    assert answer.row.review_minor == 5_000
    assert answer.row.review_reason is ReviewReason.ACCOUNT_REFUSED
    assert [raised.kind for raised in answer.exceptions] == [ExceptionKind.CREDIT_REFUSED]
    assert answer.events[0].refusal == "ACCOUNT_CLOSED"
    assert answer.events[0].effects == ()


def test_review_approved_goes_back_to_review() -> None:
    """A deposit whose player still cannot be credited stays in review, and can be decided again."""
    approved = deposit.decide(a_deposit(S.REVIEW), a_fact(facts.DepositReviewApproved), situation())

    answer = deposit.refused(approved.row, _last(approved), FROZEN, situation())

    assert answer.postings == ()
    assert (answer.row.state, answer.row.review_minor) == (S.REVIEW, 5_000)
    again = a_fact(facts.DepositReviewApproved, decision_id="x-2")
    assert booked(deposit.decide(answer.row, again, situation())) == ["L4 5000 / L1 5000"]


def test_capture_failed_takes_what_is_there() -> None:
    """When the player has spent it meanwhile, c is computed again and he owes the rest."""
    decided = deposit.decide(CAPTURED, a_fact(facts.DepositCaptureFailed), situation())

    answer = deposit.refused(decided.row, _last(decided), SHORT, situation(cash_minor=700))

    assert booked(answer) == ["L1 700, A7 4300 / A1 5000"]
    assert _last(answer).number == 2


def test_capture_failed_on_frozen_cash_is_owed_whole() -> None:
    """A frozen account gives nothing, whatever stands in it."""
    decided = deposit.decide(CAPTURED, a_fact(facts.DepositCaptureFailed), situation())

    answer = deposit.refused(decided.row, _last(decided), FROZEN, situation(cash_minor=700))

    assert booked(answer) == ["A7 5000 / A1 5000"]


def test_recomputing_ends() -> None:
    """A balance that keeps changing is left alone in the end, so that the money is booked."""
    decided = deposit.decide(CAPTURED, a_fact(facts.DepositCaptureFailed), situation())
    posting = _last(decided)

    for _ in range(RECOMPUTED_MAX):
        answer = deposit.refused(decided.row, posting, SHORT, situation(cash_minor=700))
        posting = _last(answer)

    assert booked(answer) == ["A7 5000 / A1 5000"]
    assert posting.number == RECOMPUTED_MAX + 1


def test_refund_asked_for_is_rejected() -> None:
    """A refund that the player's cash does not cover never goes out."""
    asked = refund.decide(a_refund(), CAPTURED, a_fact(facts.RefundAskedFor), situation())

    answer = refund.refused(asked.row, CAPTURED, _last(asked), SHORT, situation())

    assert answer.row.state is R.REJECTED
    assert answer.postings == ()
    taken_back = {(e.fact, e.effects[0].amount_minor) for e in (*asked.events, *answer.events)}
    assert taken_back == {("asked_for", -2_000), ("asked_for", 2_000)}


@pytest.mark.parametrize(
    ("state", "fact_type", "expected"),
    [
        (R.PENDING, facts.RefundFailed, "psp:f-1:failed:2"),
        (R.SUCCEEDED, facts.RefundFailedAfterSuccess, "psp:f-1:credited_back:2"),
    ],
)
def test_refund_that_came_back_waits_for_the_player(
    state: RefundState, fact_type: type[facts.RefundFact], expected: str
) -> None:
    """What cash refuses of a refund that failed waits in L9."""
    failed = refund.decide(a_refund(state), CAPTURED, a_fact(fact_type), situation())

    answer = refund.refused(failed.row, CAPTURED, _last(failed), CLOSED, situation())

    assert booked(answer) == ["L6 2000 / L9 2000"]
    assert _last(answer).request_id == expected


def test_refund_made_at_provider_takes_what_is_there() -> None:
    """A refund that has gone out is booked, whatever the player has left."""
    made = refund.decide(a_refund(), CAPTURED, a_fact(facts.RefundMadeAtProvider), situation())

    answer = refund.refused(made.row, CAPTURED, _last(made), SHORT, situation(cash_minor=600))

    assert booked(answer) == ["L1 600, A7 1400 / A2 2000"]


@pytest.mark.parametrize(
    ("refusal", "cash_minor", "expected"),
    [(SHORT, 800, ["L1 800 / L7 800"]), (SHORT, 0, []), (FROZEN, 800, [])],
)
def test_freeze_takes_what_there_is(refusal: Refusal, cash_minor: int, expected: list[str]) -> None:
    """A refused freeze is smaller or left out; the dispute knows what it holds."""
    opened = dispute.decide(a_dispute(), CAPTURED, a_fact(facts.DisputeFundsWithdrawn), situation())

    answer = dispute.refused(
        opened.row, CAPTURED, _last(opened), refusal, situation(cash_minor=cash_minor)
    )

    assert booked(answer) == expected
    assert answer.row.frozen_minor == (800 if expected else 0)


def test_end_of_freeze_waits_for_the_player() -> None:
    """What a won dispute gives back, and cash refuses, waits in L9."""
    won = dispute.decide(a_dispute(D.OPEN), CAPTURED, a_fact(facts.DisputeReinstated), situation())

    answer = dispute.refused(won.row, CAPTURED, _last(won), CLOSED, situation())

    assert booked(answer) == ["L7 3000 / L9 3000"]


def test_reinstated_after_lost_pays_no_more_than_is_owed() -> None:
    """When the player paid meanwhile, or his cash refuses, the rest is his all the same."""
    found = dispute.decide(
        a_dispute(D.LOST),
        CAPTURED,
        a_fact(facts.DisputeReinstated),
        situation(receivable_minor=2_000),
    )
    paid = Refusal("INSUFFICIENT_AVAILABLE", ANNA.receivable.path)

    closed = dispute.refused(found.row, CAPTURED, _last(found), CLOSED, situation())
    less = dispute.refused(
        closed.row, CAPTURED, _last(closed), paid, situation(receivable_minor=300)
    )

    assert booked(closed) == ["A2 5000 / A7 2000, L9 3000"]
    assert booked(less) == ["A2 5000 / A7 300, L9 4700"]
    assert _last(less).number == 3


def test_withdrawal_without_cover_is_rejected() -> None:
    """A withdrawal that the player's cash does not cover ends before anything else."""
    reserved = withdrawal.decide(a_withdrawal(), a_fact(facts.WithdrawalReserved), situation())

    answer = withdrawal.refused(reserved.row, _last(reserved), SHORT, situation())

    assert answer.row.state is W.REJECTED
    assert answer.postings == ()
    assert answer.events[0].refusal == "INSUFFICIENT_AVAILABLE"


@pytest.mark.parametrize(
    ("state", "fact_type", "expected"),
    [
        (W.IN_REVIEW, facts.WithdrawalRejected, "L2 5100 / L9 5100"),
        (W.APPROVED, facts.WithdrawalGivenUp, "L2 5100 / L9 5100"),
        (W.PAID, facts.WithdrawalReturned, "A2 5000 / L9 5000"),
    ],
)
def test_money_that_comes_back_waits_for_the_player(
    state: WithdrawalState, fact_type: type[facts.WithdrawalFact], expected: str
) -> None:
    """What cash refuses of a withdrawal that came to nothing, or came back, waits in L9."""
    decided = withdrawal.decide(a_withdrawal(state), a_fact(fact_type), situation())

    answer = withdrawal.refused(decided.row, _last(decided), CLOSED, situation())

    assert booked(answer) == [expected]
    assert answer.row.state is decided.row.state


def test_paid_after_failed_takes_what_is_there() -> None:
    """A withdrawal that was paid after all is booked, whatever the player has left."""
    paid = withdrawal.decide(a_withdrawal(W.FAILED), a_fact(facts.WithdrawalPaid), situation())

    answer = withdrawal.refused(paid.row, _last(paid), SHORT, situation(cash_minor=50))

    assert booked(answer) == ["L1 50, A7 5050 / A2 5000, I1 100"]


def test_recovery_gives_up() -> None:
    """A debt that cannot be recovered now stays a debt."""
    fact = a_fact(facts.ReceivableRecovered)
    decided = player.decide(ANNA, fact, situation(receivable_minor=900))

    less = player.refused(
        ANNA, _last(decided), SHORT, situation(receivable_minor=900, cash_minor=300)
    )
    none = player.refused(ANNA, _last(decided), FROZEN, situation(receivable_minor=900))

    assert booked(less) == ["L1 300 / A7 300"]
    assert none.postings == ()


def test_unforeseen_refusal_is_for_people() -> None:
    """A refusal without an answer changes nothing, and its intent stays unfinished."""
    odd = Refusal("OUT_OF_RANGE", "asset/psp/mock/main/available/eur")
    decided = provider_account.decide(AT, a_fact(facts.ToppedUp), situation())
    paid = withdrawal.decide(a_withdrawal(W.SUBMITTED), a_fact(facts.WithdrawalPaid), situation())

    for answer in (
        provider_account.refused(AT, _last(decided), odd),
        withdrawal.refused(paid.row, _last(paid), odd, situation()),
        deposit.refused(CAPTURED, _last(paid), odd, situation()),
        refund.refused(a_refund(R.PENDING), CAPTURED, _last(paid), odd, situation()),
        dispute.refused(a_dispute(D.OPEN), CAPTURED, _last(paid), odd, situation()),
        player.refused(ANNA, _last(paid), odd, situation()),
    ):
        assert answer.verdict is Verdict.EXCEPTION
        assert [raised.kind for raised in answer.exceptions] == [ExceptionKind.POSTING_REFUSED]
        assert not answer.postings


def test_amount_in_review_follows_its_refusal() -> None:
    """A deposit of another amount keeps that amount in review."""
    thirty = a_fact(facts.DepositCaptured, amount=Money("EUR", 3_000))

    decided = deposit.decide(a_deposit(S.PROCESSING), thirty, situation())

    assert decided.row.review_reason is ReviewReason.AMOUNT_DIFFERS
    assert (decided.row.review_minor, decided.row.captured) == (3_000, Money("EUR", 3_000))
