"""What all facts have in common.

A fact is told apart from all others of its object by its `key`: its name, and, where there may be
several of the name, the occurrence. The key is derived from what the provider says, so the same
news has the same key whoever brings it, and however often.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from services.kernel.invariant import invariant
from services.kernel.money import Money
from services.kernel.movements import MovementKind

# With the longest object and fact name a request id stays within the ledger's 128 characters.
_OCCURRENCE = re.compile(r"[!-~]{1,40}")


class ObjectType(StrEnum):
    """What a fact is about."""

    DEPOSIT = "deposit"
    REFUND = "refund"
    DISPUTE = "dispute"
    WITHDRAWAL = "withdrawal"
    PROVIDER_ACCOUNT = "provider_account"
    PLAYER = "player"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that has happened to an object."""

    object_type: ClassVar[ObjectType]
    name: ClassVar[str]
    is_signed: ClassVar[bool] = False
    """Whether the amount may be of either sign."""
    looks_at_holdings: ClassVar[bool] = False
    """Whether what the player has or owes now decides what it books: the ledger is asked first."""

    object_id: str
    """Our id of the object; `str()` of a provider account."""
    occurred_at: datetime
    """When it happened, as the provider says, in UTC; never used to order facts."""

    def __post_init__(self) -> None:
        # A provider module has a sign to read; one that slips through would turn a posting round.
        amount = getattr(self, "amount", None)
        if isinstance(amount, Money) and not self.is_signed:
            invariant(amount.minor_units > 0, f"the amount of {self.name} is above zero")

    @property
    def occurrence(self) -> str:
        """Which of several facts of this name it is; empty where there is only one."""
        return ""

    @property
    def key(self) -> str:
        """The fact's name and occurrence: unique, with its object, for ever."""
        occurrence = self.occurrence
        if not occurrence:
            return self.name
        # An id that would not fit a request id is replaced by its hash: money that has arrived
        # must be bookable, whatever a provider calls it.
        if not _OCCURRENCE.fullmatch(occurrence):
            occurrence = hashlib.sha256(occurrence.encode()).hexdigest()[:40]
        return f"{self.name}.{occurrence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFact(Fact):
    """A fact of one attempt at the provider, numbered from 1."""

    attempt: int

    @property
    def occurrence(self) -> str:
        return str(self.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFact(Fact):
    """A fact that may come often, each time under an id of the provider's own."""

    row_id: str
    """The provider's id of the row or event; where it has none, `{batch}:{position}`."""

    @property
    def occurrence(self) -> str:
        return self.row_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFact(Fact):
    """A decision by a person."""

    decision_id: str
    """Our id of the decision."""
    decided_by: str

    @property
    def occurrence(self) -> str:
        return self.decision_id


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeFact(Fact):
    """What a provider charged (+) or gave back (-) with a movement of the object.

    It is told apart by the movement that it came with, so that it is the same fact whether a
    webhook, a lookup or the settlement report brings it.
    """

    fee: Money
    movement_kind: MovementKind
    """What the movement is; of a fee that stands alone the fee's own kind."""
    movement_key: str
    """The provider's id of the movement: the join key with its report."""

    @property
    def occurrence(self) -> str:
        return f"{self.movement_kind}:{self.movement_key}"
