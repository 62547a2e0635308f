"""Who must approve a withdrawal, and who may."""

from datetime import UTC, datetime, timedelta

import pytest

from services.kernel.errors import DomainError
from services.kernel.invariant import InvariantError
from services.kernel.money import Money
from services.psp_gateway.domain import facts, refund, withdrawal
from services.psp_gateway.domain.approval import ApprovalPolicy, Band, check_approver
from services.psp_gateway.domain.objects import Approval, DepositState, WithdrawalState
from tests.fakes.gateway_rows import a_deposit, a_fact, a_withdrawal, situation

POLICY = ApprovalPolicy(
    bands={"EUR": (Band(10_000, 0), Band(100_000, 1), Band(500_000, 2))},
    expires_after=timedelta(hours=48),
)
IN_REVIEW = a_withdrawal(WithdrawalState.IN_REVIEW, approvers_required=2)


@pytest.mark.parametrize(
    ("amount", "approvers"),
    [
        (Money("EUR", 1), 0),
        (Money("EUR", 10_000), 0),
        (Money("EUR", 10_001), 1),
        (Money("EUR", 100_000), 1),
        (Money("EUR", 100_001), 2),
        (Money("EUR", 10**15), 2),
        (Money("USD", 1), 2),
    ],
)
def test_bands_decide(amount: Money, approvers: int) -> None:
    """An amount needs what its band says; what no band covers needs two people."""
    assert POLICY.approvers_required(amount) == approvers


def test_review_expires() -> None:
    """A review ends a fixed time after it began."""
    began = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    assert POLICY.expires_at(began) == began + timedelta(hours=48)


@pytest.mark.parametrize(
    "bands",
    [
        (Band(100, 0), Band(100, 1)),
        (Band(200, 0), Band(100, 1)),
        (Band(100, 1), Band(200, 0)),
    ],
)
def test_unsound_bands_are_refused(bands: tuple[Band, ...]) -> None:
    """Bands that do not rise, or ask for fewer people above, are no policy."""
    with pytest.raises(InvariantError):
        ApprovalPolicy(bands={"EUR": bands})


def test_band_asks_for_at_most_two() -> None:
    """No band asks for three people, or for fewer than none."""
    for approvers in (-1, 3):
        with pytest.raises(InvariantError):
            Band(100, approvers)


@pytest.mark.parametrize(
    ("row", "approver", "reason"),
    [
        (a_withdrawal(WithdrawalState.APPROVED), "carla", "WITHDRAWAL_NOT_IN_REVIEW"),
        (IN_REVIEW, "anna", "APPROVER_IS_REQUESTER"),
        (
            a_withdrawal(
                WithdrawalState.IN_REVIEW,
                approvals=(Approval(approver="carla", decision_id="x-1"),),
            ),
            "carla",
            "ALREADY_APPROVED",
        ),
    ],
)
def test_approver_is_somebody_else(row: withdrawal.Withdrawal, approver: str, reason: str) -> None:
    """Nobody approves his own request, or twice, or what waits for nobody."""
    with pytest.raises(DomainError) as refused:
        check_approver(row, approver)

    assert refused.value.reason == reason


def test_two_approvals_are_two_peoples() -> None:
    """A withdrawal that needs two people is approved by the second, not by the first."""
    first = withdrawal.decide(
        IN_REVIEW, a_fact(facts.WithdrawalApproved, decided_by="carla"), situation()
    )
    check_approver(first.row, "dora")
    second = withdrawal.decide(
        first.row,
        a_fact(facts.WithdrawalApproved, decided_by="dora", decision_id="x-2"),
        situation(),
    )

    assert first.row.state is WithdrawalState.IN_REVIEW
    assert second.row.state is WithdrawalState.APPROVED
    assert not first.postings
    assert not second.postings


def test_requester_never_approves() -> None:
    """Even a fact that went round the check cannot make the requester an approver."""
    with pytest.raises(InvariantError):
        withdrawal.decide(
            IN_REVIEW, a_fact(facts.WithdrawalApproved, decided_by="anna"), situation()
        )


@pytest.mark.parametrize(
    ("deposit", "amount", "refunded_minor", "reason"),
    [
        (a_deposit(DepositState.AUTHORISED), Money("EUR", 1), 0, "DEPOSIT_NOT_REFUNDABLE"),
        (a_deposit(DepositState.CAPTURE_FAILED), Money("EUR", 1), 0, "DEPOSIT_NOT_REFUNDABLE"),
        (a_deposit(DepositState.CAPTURED), Money("USD", 1), 0, "CURRENCY_MISMATCH"),
        (a_deposit(DepositState.CAPTURED), Money("EUR", 3_001), 2_000, "REFUND_EXCEEDS_CAPTURED"),
        (
            a_deposit(DepositState.REVIEW, review_minor=10),
            Money("EUR", 11),
            0,
            "REFUND_EXCEEDS_CAPTURED",
        ),
    ],
)
def test_refund_request_is_checked(
    deposit: refund.Deposit, amount: Money, refunded_minor: int, reason: str
) -> None:
    """What was not captured, or has been refunded, cannot be refunded."""
    with pytest.raises(DomainError) as refused:
        refund.check_request(deposit, amount, refunded_minor)

    assert refused.value.reason == reason


def test_rest_can_be_refunded() -> None:
    """The last cent of a deposit can be refunded."""
    refund.check_request(a_deposit(DepositState.CAPTURED), Money("EUR", 3_000), 2_000)
