"""Facts of a provider account that belong to no deposit, refund, dispute or withdrawal."""

from dataclasses import dataclass

from services.kernel.money import Money
from services.psp_gateway.domain.facts.base import Fact, FeeFact, ObjectType, RowFact


class ProviderAccountFact(Fact):
    """A fact of a provider account that belongs to no deposit, refund, dispute or withdrawal."""

    object_type = ObjectType.PROVIDER_ACCOUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingReserveKept(RowFact, ProviderAccountFact):
    """The provider keeps back a part of our money."""

    name = "rolling_reserve"
    amount: Money
    movement_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingReserveReleased(RowFact, ProviderAccountFact):
    """The provider gives free what it kept back."""

    name = "rolling_reserve_release"
    amount: Money
    movement_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFee(FeeFact, ProviderAccountFact):
    """A fee that belongs to nothing."""

    name = "fee"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToppedUp(RowFact, ProviderAccountFact):
    """We paid money in from our bank."""

    name = "top_up"
    amount: Money
    movement_key: str
    bank_account: str
    """The slug of the bank account that it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged(RowFact, ProviderAccountFact):
    """The provider changed money of one currency into another, at the rate that the two imply."""

    name = "exchange"
    sold: Money
    bought: Money
    movement_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSent(RowFact, ProviderAccountFact):
    """The net of a batch left for our bank; negative if the provider takes it from there."""

    name = "sweep"
    is_signed = True
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepBanked(RowFact, ProviderAccountFact):
    """The sweep stands on our bank statement, less what the bank kept."""

    name = "sweep_banked"
    bank_fee_minor: int
    bank_account: str
    """The slug of the bank account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFailed(RowFact, ProviderAccountFact):
    """The sweep came back to the provider."""

    name = "sweep_failed"
    movement_key: str
    """The provider's id of the movement that brought it back."""
