"""Facts of a withdrawal."""

from dataclasses import dataclass

from services.kernel.money import Money
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.facts.base import (
    AttemptFact,
    DecisionFact,
    Fact,
    FeeFact,
    ObjectType,
    RowFact,
)


class WithdrawalFact(Fact):
    """A fact of a withdrawal."""

    object_type = ObjectType.WITHDRAWAL


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalReserved(WithdrawalFact):
    """The player's cash is put aside for it."""

    name = "reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalReviewRequired(WithdrawalFact):
    """The rules ask for people."""

    name = "review_required"
    approvers: int
    """How many, at least 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalAutoApproved(WithdrawalFact):
    """The rules ask for nobody."""

    name = "auto_approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalApproved(DecisionFact, WithdrawalFact):
    """One person approved."""

    name = "approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRejected(DecisionFact, WithdrawalFact):
    """One person rejected, which is enough."""

    name = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalCancelled(WithdrawalFact):
    """It was taken back before we submitted it."""

    name = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalExpired(WithdrawalFact):
    """Nobody decided in time."""

    name = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalSubmitStarted(AttemptFact, WithdrawalFact):
    """We are about to ask the provider: from its posting on the outcome is open."""

    name = "submitted"
    at: ProviderAccount
    """Where this attempt pays from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalNotSent(AttemptFact, WithdrawalFact):
    """The provider did not take the attempt, for certain; also a provider balance too low."""

    name = "not_sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalOutcomeUnknown(AttemptFact, WithdrawalFact):
    """The provider may have taken the attempt."""

    name = "outcome_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalAccepted(AttemptFact, WithdrawalFact):
    """The provider has taken the attempt; the money has not arrived yet."""

    name = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalPaid(AttemptFact, WithdrawalFact):
    """The attempt paid the player."""

    name = "paid"
    looks_at_holdings = True
    amount: Money
    withdrawal_key: str
    """The provider's id of the withdrawal: its movement key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalFailed(AttemptFact, WithdrawalFact):
    """The attempt failed for certain, and no money had left."""

    name = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalGivenUp(WithdrawalFact):
    """After a failed attempt there will be no other."""

    name = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalReturned(RowFact, WithdrawalFact):
    """Money that had been paid came back, in full or in part; the row is this return."""

    name = "returned"
    attempt: int
    """The attempt that had paid it."""
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalCost(FeeFact, WithdrawalFact):
    """What the provider charged for an attempt, whatever its outcome."""

    name = "cost"
    attempt: int
