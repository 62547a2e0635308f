"""Facts of a dispute."""

from dataclasses import dataclass

from services.kernel.money import Money
from services.psp_gateway.domain.facts.base import Fact, FeeFact, ObjectType


class DisputeFact(Fact):
    """A fact of a dispute."""

    object_type = ObjectType.DISPUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFact(DisputeFact):
    """A fact of one round of a dispute, numbered from 1."""

    round_number: int
    movement_key: str
    """The provider's id of the movement; empty for a fact that moves nothing at the provider."""

    @property
    def occurrence(self) -> str:
        return str(self.round_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeInquiryOpened(DisputeFact):
    """The player's bank asks; no money moves."""

    name = "inquiry_opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeInquiryClosed(DisputeFact):
    """The inquiry ended without money."""

    name = "inquiry_closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFundsWithdrawn(RoundFact):
    """The provider took the money for the player's bank."""

    name = "funds_withdrawn"
    looks_at_holdings = True
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeReinstated(RoundFact):
    """The provider gave money back, in full or in part: we won, or it was lost and was found."""

    name = "reinstated"
    looks_at_holdings = True
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeLost(RoundFact):
    """The money will not come back."""

    name = "lost"
    movement_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFee(FeeFact, DisputeFact):
    """What the provider charged (+) or gave back (-) for the dispute."""

    name = "fee"
