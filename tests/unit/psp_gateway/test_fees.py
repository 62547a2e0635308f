"""Fees: booked whatever their size, and told to people where they exceed what they are for."""

from typing import Any

import pytest

from services.kernel.money import Money
from services.psp_gateway.domain import deposit, dispute, facts, refund, withdrawal
from services.psp_gateway.domain.exceptions import ExceptionKind
from services.psp_gateway.domain.machine import Verdict
from services.psp_gateway.domain.objects import (
    DepositState,
    DisputeState,
    RefundState,
    WithdrawalState,
)
from tests.fakes.gateway_rows import (
    a_deposit,
    a_dispute,
    a_fact,
    a_refund,
    a_withdrawal,
    situation,
)

CAPTURED = a_deposit(DepositState.CAPTURED)
CASES: dict[str, tuple[Any, Any, int]] = {
    "deposit": (facts.DepositFee, lambda fact: deposit.decide(CAPTURED, fact, situation()), 5_000),
    "refund": (
        facts.RefundFee,
        lambda fact: refund.decide(a_refund(RefundState.SUCCEEDED), CAPTURED, fact, situation()),
        2_000,
    ),
    "dispute": (
        facts.DisputeFee,
        lambda fact: dispute.decide(a_dispute(DisputeState.OPEN), CAPTURED, fact, situation()),
        5_000,
    ),
    "withdrawal": (
        facts.WithdrawalCost,
        lambda fact: withdrawal.decide(a_withdrawal(WithdrawalState.PAID), fact, situation()),
        5_000,
    ),
}


@pytest.mark.parametrize("name", [name for name in CASES if name != "dispute"])
@pytest.mark.parametrize("sign", [1, -1], ids=["charged", "given back"])
@pytest.mark.parametrize("beyond", [0, 1], ids=["as large", "larger"])
def test_a_fee_larger_than_what_it_is_for_is_booked_and_told(
    name: str, sign: int, beyond: int
) -> None:
    """The provider's balance has moved by it, so the books follow; people hear of what is odd."""
    fact_type, decide, amount = CASES[name]
    fee = sign * (amount + beyond)

    decision = decide(a_fact(fact_type, fee=Money("EUR", fee)))

    assert decision.verdict is Verdict.APPLIED
    [posting] = decision.postings
    assert sum(abs(entry.amount_minor) for entry in posting.entries) == 2 * abs(fee)
    told = [raised.kind for raised in decision.exceptions]
    assert told == [ExceptionKind.FEE_EXCEEDS_AMOUNT] * beyond


def test_a_fee_of_a_dispute_may_exceed_it() -> None:
    """It is a fixed sum of the contract, so that small disputes cost more than they are of."""
    fact_type, decide, amount = CASES["dispute"]

    decision = decide(a_fact(fact_type, fee=Money("EUR", amount + 1)))

    assert decision.verdict is Verdict.APPLIED
    assert len(decision.postings) == 1
    assert not decision.exceptions


@pytest.mark.parametrize("name", CASES)
def test_a_fee_in_another_currency_is_for_people(name: str) -> None:
    """A fee that no account of the movement is in books nothing until somebody decides."""
    fact_type, decide, _ = CASES[name]

    decision = decide(a_fact(fact_type, fee=Money("USD", 70)))

    assert decision.verdict is Verdict.EXCEPTION
    assert not decision.postings
    assert [raised.kind for raised in decision.exceptions] == [ExceptionKind.AMOUNT_DIFFERS]
