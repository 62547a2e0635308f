"""Who must approve a withdrawal: amount bands decide, and the requester is never an approver."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.kernel.invariant import invariant
from services.kernel.money import Money
from services.psp_gateway.domain.objects import Withdrawal, WithdrawalState
from services.psp_gateway.domain.reasons import Reason, refusal

APPROVERS_MAX = 2


@dataclass(frozen=True, slots=True)
class Band:
    """Withdrawals up to and with `amount_minor_max` need so many approvers, 0 to 2."""

    amount_minor_max: int
    approvers: int

    def __post_init__(self) -> None:
        invariant(0 <= self.approvers <= APPROVERS_MAX, "a band asks for 0 to 2 approvers")


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """The rules, as data. What no band covers, and any currency without bands, needs two people.

    Args:
        bands: by currency code, in rising order of amount, each asking for no fewer people than the
            one before.
        expires_after: how long people have; then the money is the player's again.
    """

    bands: Mapping[str, tuple[Band, ...]] = field(default_factory=dict)
    expires_after: timedelta = timedelta(days=3)

    def __post_init__(self) -> None:
        invariant(self.expires_after > timedelta(0), "people have some time to decide")
        for bands in self.bands.values():
            limits = [band.amount_minor_max for band in bands]
            people = [band.approvers for band in bands]
            invariant(limits == sorted(set(limits)), "bands rise")
            invariant(people == sorted(people), "a larger withdrawal never needs fewer people")

    def approvers_required(self, amount: Money) -> int:
        """Return how many people must approve a withdrawal of this amount: 0, 1 or 2."""
        for band in self.bands.get(amount.currency_code, ()):
            if amount.minor_units <= band.amount_minor_max:
                return band.approvers
        return APPROVERS_MAX

    def expires_at(self, review_required_at: datetime) -> datetime:
        """Return when a review that began then expires."""
        return review_required_at + self.expires_after


def check_approver(withdrawal: Withdrawal, approver: str) -> None:
    """Check that this person may approve the withdrawal now.

    Raises:
        DomainError: WITHDRAWAL_NOT_IN_REVIEW, APPROVER_IS_REQUESTER, ALREADY_APPROVED.
    """
    check_in_review(withdrawal)
    if approver == withdrawal.requested_by:
        message = "Whoever requested a withdrawal may not approve it"
        raise refusal(Reason.APPROVER_IS_REQUESTER, message)
    if any(approval.approver == approver for approval in withdrawal.approvals):
        raise refusal(Reason.ALREADY_APPROVED, f"{approver} has approved it before")


def check_in_review(withdrawal: Withdrawal) -> None:
    """Check that people decide about the withdrawal now.

    Raises:
        DomainError: WITHDRAWAL_NOT_IN_REVIEW.
    """
    if withdrawal.state is not WithdrawalState.IN_REVIEW:
        message = f"The withdrawal is {withdrawal.state}"
        raise refusal(Reason.WITHDRAWAL_NOT_IN_REVIEW, message, state=withdrawal.state)
