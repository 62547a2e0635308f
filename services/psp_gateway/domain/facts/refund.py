"""Facts of a refund."""

from dataclasses import dataclass

from services.kernel.money import Money
from services.psp_gateway.domain.facts.base import AttemptFact, Fact, FeeFact, ObjectType


class RefundFact(Fact):
    """A fact of a refund."""

    object_type = ObjectType.REFUND


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundAskedFor(RefundFact):
    """We were asked to refund; the money leaves the player's hands first."""

    name = "asked_for"
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundMadeAtProvider(RefundFact):
    """A refund that we did not ask for went out, such as one made in the provider's dashboard."""

    name = "made_at_provider"
    looks_at_holdings = True
    amount: Money
    refund_key: str
    """The provider's id of the refund: its movement key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSubmitStarted(AttemptFact, RefundFact):
    """We are about to ask the provider."""

    name = "submit_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundNotSent(AttemptFact, RefundFact):
    """The provider did not take the attempt, for certain; it will be tried again."""

    name = "not_sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundOutcomeUnknown(AttemptFact, RefundFact):
    """The provider may have taken the attempt."""

    name = "outcome_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundAccepted(RefundFact):
    """The provider has taken it; the money has not left yet."""

    name = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSucceeded(RefundFact):
    """The money left the provider account."""

    name = "succeeded"
    looks_at_holdings = True
    amount: Money
    refund_key: str
    """The provider's id of the refund: its movement key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFailed(RefundFact):
    """It failed, and no money had left."""

    name = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFailedAfterSuccess(RefundFact):
    """The money had left and came back."""

    name = "failed_after_success"
    amount: Money
    failure_key: str
    """The provider's id of the movement that brought it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFee(FeeFact, RefundFact):
    """What the provider charged for the refund."""

    name = "fee"
