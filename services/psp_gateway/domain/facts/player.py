"""Facts of what a player owes us."""

from dataclasses import dataclass

from services.kernel.money import Money
from services.psp_gateway.domain.facts.base import DecisionFact, Fact, ObjectType, RowFact


class PlayerFact(Fact):
    """A fact of what a player owes us."""

    object_type = ObjectType.PLAYER


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivableRecovered(RowFact, PlayerFact):
    """A credit, whose transaction is the row, pays what the player owes."""

    name = "recovered"
    looks_at_holdings = True
    currency_code: str
    credited_minor: int
    """What the credit brought: no more than this is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivableWrittenOff(DecisionFact, PlayerFact):
    """A person decided that what the player owes will not come."""

    name = "written_off"
    looks_at_holdings = True
    amount: Money
