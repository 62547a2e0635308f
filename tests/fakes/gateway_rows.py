"""Rows, facts and situations to begin a test with, and postings as the specification has them."""

from datetime import UTC, datetime
from typing import Any

from services.kernel.money import Money
from services.kernel.movements import MovementKind
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.accounts import HouseChart, PlayerChart, ProviderChart
from services.psp_gateway.domain.machine import Decision, Holdings, Situation
from services.psp_gateway.domain.objects import (
    Deposit,
    DepositState,
    Dispute,
    DisputeState,
    Refund,
    RefundState,
    Source,
    Sweep,
    SweepState,
    Withdrawal,
    WithdrawalState,
)
from services.psp_gateway.domain.postings import Direction, Posting
from tests.fakes.provider_news import AT, BANK

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EUR_50 = Money("EUR", 5_000)

_PROVIDER = ("pending available in_transit rolling_reserve disputes", "A1 A2 A3 A5 A6")
_PROVIDER_OWED = (
    "review withdrawal_clearing refund_clearing unidentified",
    "L4 L5 L6 L8",
)
_PLAYER = ("receivable cash withdrawal_reserved bonus dispute_freeze returned", "A7 L1 L2 L3 L7 L9")
_EXPENSE = (
    "psp_fees dispute_fees chargeback_loss withdrawal_costs fx bank_fees",
    "X1 X2 X3 X4 X5 X6",
)
_OTHER = ("withdrawal_fees conversion", "I1 E1")


def codes(currency_code: str = "EUR") -> dict[str, str]:
    """Return the specification's code of each account of the test's world, by path."""
    provider, house = ProviderChart(AT, currency_code), HouseChart(currency_code)
    player = PlayerChart("anna", currency_code)
    found = {house.bank(BANK).path: "A4"}
    for chart, (names, short) in (
        (provider, _PROVIDER),
        (provider, _PROVIDER_OWED),
        (player, _PLAYER),
        (house, _EXPENSE),
        (house, _OTHER),
    ):
        for name, code in zip(names.split(), short.split(), strict=True):
            found[getattr(chart, name).path] = code
    return found


def shown(posting: Posting) -> str:
    """Write a posting as the specification does, `A1 5000 / L1 5000`, naming other currencies."""
    sides: dict[Direction, list[str]] = {Direction.DEBIT: [], Direction.CREDIT: []}
    for entry in posting.entries:
        code = entry.account.currency_code
        suffix = "" if code == "EUR" else f" {code}"
        name = codes(code)[entry.account.path]
        sides[entry.direction].append(f"{name} {entry.amount_minor}{suffix}")
    return " / ".join(", ".join(sides[side]) for side in Direction)


def booked(decision: Decision[Any]) -> list[str]:
    """Write the postings of a decision."""
    return [shown(posting) for posting in decision.postings]


def situation(*, cash_minor: int = 100_000, receivable_minor: int = 0, **known: Any) -> Situation:
    """Return what is known when a fact is decided: by default nothing stands in the way."""
    holdings = Holdings(cash_minor=cash_minor, receivable_minor=receivable_minor)
    return Situation(**{"now": NOW, "holdings": holdings, **known})


def a_deposit(state: DepositState = DepositState.CREATED, **more: Any) -> Deposit:
    """Return a deposit of 50.00 in this state, with the money where the state says."""
    taken = state in (DepositState.CAPTURED, DepositState.REVIEW, DepositState.CAPTURE_FAILED)
    in_review = state is DepositState.REVIEW
    row = {
        "deposit_id": "d-1",
        "at": AT,
        "player_id": "anna",
        "asked": EUR_50,
        "reference": "r-1",
        "state": state,
        "captured": EUR_50 if taken else None,
        "capture_key": "pi_1" if taken else "",
        "source": (Source.REVIEW if in_review else Source.CASH) if taken else None,
        "review_minor": 5_000 if in_review else 0,
        "pending_minor": 5_000 if taken and state is not DepositState.CAPTURE_FAILED else 0,
    }
    return Deposit(**{**row, **more})


def a_refund(state: RefundState | None = None, **more: Any) -> Refund:
    """Return a refund of 20.00 in this state."""
    amount = Money("EUR", 2_000) if state else None
    return Refund(
        **{"refund_id": "f-1", "deposit_id": "d-1", "state": state, "amount": amount, **more}
    )


def a_dispute(state: DisputeState | None = None, **more: Any) -> Dispute:
    """Return a dispute of 50.00 in this state, of whose first round 30.00 could be frozen."""
    withdrawn = state in (DisputeState.OPEN, DisputeState.WON, DisputeState.LOST)
    row = {
        "dispute_id": "c-1",
        "deposit_id": "d-1",
        "state": state,
        "round_number": 1 if withdrawn else 0,
        "amount": EUR_50 if withdrawn else None,
        "frozen_minor": 3_000 if withdrawn else 0,
    }
    return Dispute(**{**row, **more})


def a_withdrawal(state: WithdrawalState = WithdrawalState.REQUESTED, **more: Any) -> Withdrawal:
    """Return a withdrawal of 50.00 for which the player pays 1.00, in this state."""
    before = (WithdrawalState.REQUESTED, WithdrawalState.RESERVED, WithdrawalState.IN_REVIEW)
    paid = state in (WithdrawalState.PAID, WithdrawalState.RETURNED)
    row = {
        "withdrawal_id": "w-1",
        "player_id": "anna",
        "amount": EUR_50,
        "fee_minor": 100,
        "requested_by": "anna",
        "state": state,
        "approvers_required": 1 if state is WithdrawalState.IN_REVIEW else 0,
        "attempts": () if state in before else (AT,),
        "paid_attempts": (1,) if paid else (),
    }
    return Withdrawal(**{**row, **more})


def a_sweep(state: SweepState | None = None, **more: Any) -> Sweep:
    """Return a sweep of 50.00 in this state."""
    row = {
        "sweep_id": "sw_1",
        "at": AT,
        "state": state,
        "amount": EUR_50 if state else None,
        "bank_account": BANK if state is SweepState.BANKED else "",
    }
    return Sweep(**{**row, **more})


_OBJECT_ID = {
    facts.ObjectType.DEPOSIT: "d-1",
    facts.ObjectType.REFUND: "f-1",
    facts.ObjectType.DISPUTE: "c-1",
    facts.ObjectType.WITHDRAWAL: "w-1",
    facts.ObjectType.PROVIDER_ACCOUNT: str(AT),
    facts.ObjectType.PLAYER: "anna",
}
_PLAUSIBLE = {
    "amount": EUR_50,
    "fee": Money("EUR", 70),
    "attempt": 1,
    "round_number": 1,
    "row_id": "row_1",
    "movement_kind": MovementKind.CAPTURE,
    "movement_key": "mv_1",
    "capture_key": "pi_1",
    "failure_key": "pi_1f",
    "refund_key": "re_1",
    "withdrawal_key": "tr_1",
    "decision_id": "x-1",
    "decided_by": "carla",
    "approvers": 1,
    "at": AT,
    "sold": EUR_50,
    "bought": Money("USD", 5_400),
    "bank_fee_minor": 0,
    "bank_account": BANK,
    "currency_code": "EUR",
    "credited_minor": 5_000,
}


def a_fact(fact_type: type[facts.Fact], **more: Any) -> Any:
    """Return a fact about the row of its kind above, with plausible values but for those given."""
    values: dict[str, Any] = {"object_id": _OBJECT_ID[fact_type.object_type], "occurred_at": NOW}
    for name in fact_type.__dataclass_fields__:
        if name in _PLAUSIBLE:
            values[name] = _PLAUSIBLE[name]
    if fact_type.object_type is facts.ObjectType.REFUND and "amount" in values:
        values["amount"] = Money("EUR", 2_000)
    return fact_type(**{**values, **more})
