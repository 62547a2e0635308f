"""The rows that facts change: the gateway's four objects, and a provider account's sweeps."""

from dataclasses import dataclass
from enum import StrEnum

from services.kernel.money import Money
from services.psp_gateway.domain.accounts import PlayerChart, ProviderAccount, ProviderChart


class DepositState(StrEnum):
    """Where a deposit stands; settlement is another axis."""

    CREATED = "CREATED"
    """Stored; the provider does not know it."""
    SUBMITTING = "SUBMITTING"
    """The provider is being asked."""
    SUBMIT_UNKNOWN = "SUBMIT_UNKNOWN"
    """The provider may know it."""
    REQUIRES_ACTION = "REQUIRES_ACTION"
    """The player must act."""
    PROCESSING = "PROCESSING"
    """The provider is working on it."""
    AUTHORISED = "AUTHORISED"
    """Kept for us by the player's bank; not taken."""
    CAPTURED = "CAPTURED"
    """Taken, and credited to the player."""
    REVIEW = "REVIEW"
    """Taken, not credited: a person decides."""
    CAPTURE_FAILED = "CAPTURE_FAILED"
    """Taken, and taken back by the provider."""
    DECLINED = "DECLINED"
    """Refused."""
    NOT_SENT = "NOT_SENT"
    """The provider did not take it."""
    VOIDED = "VOIDED"
    """Its authorisation was given back."""
    EXPIRED = "EXPIRED"
    """Nobody acted in time."""
    CANCELLED = "CANCELLED"
    """Taken back before a capture."""


class ReviewReason(StrEnum):
    """Why captured money was not credited."""

    AMOUNT_DIFFERS = "AMOUNT_DIFFERS"
    """Another amount was captured than was asked for."""
    CURRENCY_DIFFERS = "CURRENCY_DIFFERS"
    """Another currency was captured than was asked for."""
    REFERENCE_DIFFERS = "REFERENCE_DIFFERS"
    """The provider answered with another reference than ours."""
    ACCOUNT_REFUSED = "ACCOUNT_REFUSED"
    """The player's cash account did not take it."""


class SettlementState(StrEnum):
    """How far a captured deposit's money has come."""

    UNSETTLED = "UNSETTLED"
    """Not available yet."""
    AVAILABLE = "AVAILABLE"
    """Available at the provider."""
    SWEPT = "SWEPT"
    """On its way to our bank."""
    BANKED = "BANKED"
    """On our bank statement."""


class RefundState(StrEnum):
    """Where a refund stands."""

    REQUESTED = "REQUESTED"
    """Asked for; the provider does not know it."""
    SUBMITTING = "SUBMITTING"
    """The provider is being asked."""
    SUBMIT_UNKNOWN = "SUBMIT_UNKNOWN"
    """The provider may know it."""
    PENDING = "PENDING"
    """The provider has taken it; the money has not left."""
    SUCCEEDED = "SUCCEEDED"
    """The money has left."""
    FAILED = "FAILED"
    """It failed, and no money had left."""
    FAILED_AFTER_SUCCESS = "FAILED_AFTER_SUCCESS"
    """The money had left and came back."""
    REJECTED = "REJECTED"
    """The ledger refused it: the player does not have the money any more."""


class DisputeState(StrEnum):
    """Where a dispute stands."""

    INQUIRY = "INQUIRY"
    """The bank asks; no money has moved."""
    OPEN = "OPEN"
    """The money is withdrawn; the round is not decided."""
    WON = "WON"
    """Money was reinstated."""
    LOST = "LOST"
    """The money will not come back."""
    CLOSED = "CLOSED"
    """An inquiry that ended without money."""


class WithdrawalState(StrEnum):
    """Where a withdrawal stands."""

    REQUESTED = "REQUESTED"
    """Stored; nothing is put aside."""
    RESERVED = "RESERVED"
    """The money is put aside."""
    IN_REVIEW = "IN_REVIEW"
    """People decide."""
    APPROVED = "APPROVED"
    """To be submitted, for the first time or again."""
    SUBMITTING = "SUBMITTING"
    """The provider is being asked."""
    SUBMIT_UNKNOWN = "SUBMIT_UNKNOWN"
    """The provider may know it."""
    SUBMITTED = "SUBMITTED"
    """The provider has taken it."""
    PAID = "PAID"
    """The money left the provider account for the player."""
    REJECTED = "REJECTED"
    """A person, or the ledger, refused it."""
    CANCELLED = "CANCELLED"
    """Taken back before it was submitted."""
    EXPIRED = "EXPIRED"
    """Nobody decided in time."""
    FAILED = "FAILED"
    """Every attempt failed for certain."""
    RETURNED = "RETURNED"
    """Paid, and brought back, in full or in part."""


class SweepState(StrEnum):
    """Where a sweep stands."""

    IN_TRANSIT = "IN_TRANSIT"
    """It left the provider."""
    BANKED = "BANKED"
    """It stands on our bank statement."""
    FAILED = "FAILED"
    """It came back to the provider."""


class Source(StrEnum):
    """Where a captured deposit's money was put; from there it is taken, and there it goes back."""

    CASH = "CASH"
    """L1: the player has it."""
    REVIEW = "REVIEW"
    """L4: it waits for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """A deposit. Amounts of captured money are in the currency of `captured`."""

    deposit_id: str
    at: ProviderAccount
    player_id: str
    asked: Money
    reference: str
    """Our reference, which the provider sees."""
    state: DepositState = DepositState.CREATED
    settlement: SettlementState = SettlementState.UNSETTLED
    captured: Money | None = None
    """What was really taken."""
    capture_key: str = ""
    """The provider's id of the capture."""
    source: Source | None = None
    """Where the captured money was put; None until there is some."""
    review_minor: int = 0
    """What L4 holds of it."""
    review_reason: ReviewReason | None = None
    """Why it is in review; None in every other state."""
    pending_minor: int = 0
    """What A1 holds of it; below 0 when a fee is left of a capture that failed."""

    def charts(self) -> tuple[ProviderChart, PlayerChart]:
        """Return the accounts of its provider account and its player, in its money's currency."""
        currency_code = (self.captured or self.asked).currency_code
        return ProviderChart(self.at, currency_code), PlayerChart(self.player_id, currency_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A refund of a deposit, in full or in part."""

    refund_id: str
    deposit_id: str
    state: RefundState | None = None
    """None until its first fact."""
    amount: Money | None = None
    """What was asked for, or went out; None until its first fact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A dispute of a deposit."""

    dispute_id: str
    deposit_id: str
    state: DisputeState | None = None
    """None until its first fact."""
    round_number: int = 0
    """The last round whose money was withdrawn; 0 if there is none."""
    amount: Money | None = None
    """What was withdrawn in that round."""
    frozen_minor: int = 0
    """What is, or until it was lost was, frozen for that round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's approval of a withdrawal."""

    approver: str
    decision_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A withdrawal of `amount`, for which the player pays `fee_minor` beside it."""

    withdrawal_id: str
    player_id: str
    amount: Money
    requested_by: str
    fee_minor: int = 0
    state: WithdrawalState = WithdrawalState.REQUESTED
    approvers_required: int = 0
    approvals: tuple[Approval, ...] = ()
    attempts: tuple[ProviderAccount, ...] = ()
    """Where each attempt pays from; the last is the current one."""
    paid_attempts: tuple[int, ...] = ()
    """The attempts that paid: one, or more by a misfortune."""
    returned_minor: int = 0

    @property
    def attempt(self) -> int:
        """The number of the current attempt, 0 before the first."""
        return len(self.attempts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A sweep of a provider account."""

    sweep_id: str
    """The provider's id."""
    at: ProviderAccount
    state: SweepState | None = None
    """None until its first fact."""
    amount: Money | None = None
    bank_account: str = ""
    """Where it was banked; empty until then."""
