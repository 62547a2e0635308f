"""Rows to the domain's objects, where several queries share them."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.kernel.money import Money
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.objects import (
    Approval,
    Deposit,
    DepositState,
    Dispute,
    DisputeState,
    Refund,
    RefundState,
    ReviewReason,
    SettlementState,
    Source,
    Sweep,
    SweepState,
    Withdrawal,
    WithdrawalState,
)

Row = Mapping[str, Any]


def money_of(row: Row, currency_column: str, amount_column: str) -> Money | None:
    """Read an amount that may not be there."""
    if row[amount_column] is None:
        return None
    return Money(row[currency_column], row[amount_column])


def place_of(row: Row) -> ProviderAccount:
    """Read the provider account."""
    return ProviderAccount(row["provider"], row["provider_account"])


def deposit_of(row: Row) -> Deposit:
    """Read a deposit."""
    return Deposit(
        deposit_id=str(row["deposit_id"]),
        at=place_of(row),
        player_id=row["player_id"],
        asked=Money(row["currency_code"], row["amount_minor"]),
        reference=row["reference"],
        state=DepositState(row["state"]),
        settlement=SettlementState(row["settlement_state"]),
        captured=money_of(row, "captured_currency_code", "captured_minor"),
        capture_key=row["capture_key"],
        source=Source(row["source"]) if row["source"] else None,
        review_minor=row["review_minor"],
        review_reason=ReviewReason(row["review_reason"]) if row["review_reason"] else None,
        pending_minor=row["pending_minor"],
    )


def refund_of(row: Row) -> Refund:
    """Read a refund."""
    return Refund(
        refund_id=str(row["refund_id"]),
        deposit_id=str(row["deposit_id"]),
        state=RefundState(row["state"]),
        amount=Money(row["currency_code"], row["amount_minor"]),
    )


def dispute_of(row: Row) -> Dispute:
    """Read a dispute."""
    return Dispute(
        dispute_id=str(row["dispute_id"]),
        deposit_id=str(row["deposit_id"]),
        state=DisputeState(row["state"]),
        round_number=row["round_number"],
        amount=money_of(row, "currency_code", "amount_minor"),
        frozen_minor=row["frozen_minor"],
    )


def withdrawal_of(row: Row, approvals: Sequence[Row], attempts: Sequence[Row]) -> Withdrawal:
    """Read a withdrawal with its approvals and the places of its attempts."""
    return Withdrawal(
        withdrawal_id=str(row["withdrawal_id"]),
        player_id=row["player_id"],
        amount=Money(row["currency_code"], row["amount_minor"]),
        requested_by=row["requested_by"],
        fee_minor=row["player_fee_minor"],
        state=WithdrawalState(row["state"]),
        approvers_required=row["approvals_required"] or 0,
        approvals=tuple(
            Approval(approver=one["decided_by"], decision_id=one["decision_id"])
            for one in approvals
        ),
        attempts=tuple(place_of(one) for one in attempts),
        paid_attempts=tuple(row["paid_attempts"]),
        returned_minor=row["returned_minor"],
    )


def sweep_of(row: Row) -> Sweep:
    """Read a sweep."""
    return Sweep(
        sweep_id=row["sweep_id"],
        at=place_of(row),
        state=SweepState(row["state"]),
        amount=Money(row["currency_code"], row["amount_minor"]),
        bank_account=row["bank_account"],
    )
