"""Facts of a deposit."""

from dataclasses import dataclass

from services.kernel.money import Money
from services.psp_gateway.domain.facts.base import (
    AttemptFact,
    DecisionFact,
    Fact,
    FeeFact,
    ObjectType,
    RowFact,
)


class DepositFact(Fact):
    """A fact of a deposit."""

    object_type = ObjectType.DEPOSIT


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositSubmitStarted(AttemptFact, DepositFact):
    """We are about to ask the provider."""

    name = "submit_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositNotSent(AttemptFact, DepositFact):
    """The provider did not take the attempt, for certain."""

    name = "not_sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositOutcomeUnknown(AttemptFact, DepositFact):
    """The provider may have taken the attempt."""

    name = "outcome_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositActionRequired(DepositFact):
    """The player must act: a redirect, 3-D Secure."""

    name = "action_required"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositProcessing(DepositFact):
    """The provider is working on it."""

    name = "processing"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositAuthorised(DepositFact):
    """The player's bank keeps the money for us; nothing has been taken."""

    name = "authorised"
    amount: Money
    reference: str = ""
    """Our reference as the provider echoes it; empty if it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositCaptured(DepositFact):
    """The money was taken and is ours at the provider."""

    name = "captured"
    amount: Money
    capture_key: str
    """The provider's id of the capture: its movement key."""
    reference: str = ""
    """Our reference as the provider echoes it; empty if it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositDeclined(DepositFact):
    """The deposit was refused."""

    name = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositVoided(DepositFact):
    """The authorisation was given back before a capture."""

    name = "voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositExpired(DepositFact):
    """The provider gave up waiting, for the player or for a capture."""

    name = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositCancelled(DepositFact):
    """The provider has cancelled the deposit at somebody's wish."""

    name = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositCaptureFailed(DepositFact):
    """A captured deposit failed after all: the provider took the money back."""

    name = "capture_failed"
    looks_at_holdings = True
    amount: Money
    failure_key: str
    """The provider's id of the movement that took it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositFee(FeeFact, DepositFact):
    """What the provider charged for the deposit."""

    name = "fee"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositAvailable(DepositFact):
    """What is left of it after fees can be swept or paid out from now on."""

    name = "available"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositSwept(RowFact, DepositFact):
    """A sweep, which is the row, took it along."""

    name = "swept"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositBanked(RowFact, DepositFact):
    """The sweep, which is the row, stands on our bank statement."""

    name = "banked"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositSweepFailed(RowFact, DepositFact):
    """The sweep, which is the row, came back to the provider."""

    name = "sweep_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositReviewApproved(DecisionFact, DepositFact):
    """A person decided that the player gets the money."""

    name = "review_approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositReviewRejected(DecisionFact, DepositFact):
    """A person decided that the player does not get the money; a refund follows."""

    name = "review_rejected"
