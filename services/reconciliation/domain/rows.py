"""Rows: one signed effect on one pot, from one of the sides of a run.

A row is the unit that is matched, carried and proved. Its amount is in minor units of one currency;
+ is more of our money in the pot, whichever side says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from services.kernel.movements import Pot


class Side(StrEnum):
    """Who says it."""

    SETTLEMENT = "S"
    """The provider's settlement report."""
    GATEWAY = "G"
    """The gateway's events."""
    LEDGER = "L"
    """The ledger's posted transactions."""
    BANK = "B"
    """The bank's booked lines."""


class Comparison(StrEnum):
    """What is compared with the ledger."""

    BOOKING = "booking"
    """I: what the gateway did."""
    PROVIDER = "provider"
    """II: what the provider settled."""
    TRANSIT = "transit"
    """III: what was swept and what the bank received."""


class MatchMethod(StrEnum):
    """How rows were closed, in the order in which it is tried."""

    EQUAL = "EQUAL"
    """One row a side, of the same amount."""
    EQUAL_SUMS = "EQUAL_SUMS"
    """All that is left of a key on both sides, of the same sum."""
    ROUND_TRIP = "ROUND_TRIP"
    """All that is left of a key, on one side alone, of the sum 0."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What one comparison looks at: the side that meets the ledger, and the pots."""

    outside: Side
    pots: tuple[Pot, ...]


SCOPES: Mapping[Comparison, Scope] = MappingProxyType(
    {
        Comparison.BOOKING: Scope(Side.GATEWAY, (Pot.PROVIDER, Pot.CLEARING)),
        Comparison.PROVIDER: Scope(Side.SETTLEMENT, (Pot.PROVIDER, Pot.ROLLING_RESERVE)),
    }
)
"""The comparisons that a run makes, in order. TRANSIT joins them when bank lines are read."""


class StagedRow(NamedTuple):
    """One row as it is staged; the columns of the staged files, in order. No field is ever None.

    A tuple, not a dataclass: a run stages millions and writes them as they are.
    """

    side: Side
    row_id: str
    """Unique in its side for ever: made of positions in a sequence or a file, never of content."""
    pot: Pot
    currency_code: str
    amount_minor: int
    object_id: str
    """The gateway's object, such as a deposit's id; empty if unknown."""
    fact: str
    """What happened to it; empty if unknown."""
    movement_key: str
    """The provider's id of what moved; empty if unknown."""
    movement_kind: str
    """A MovementKind; whatever the ledger's metadata says on side L, empty if it says nothing."""
    sweep_key: str
    """The provider's id of the sweep that the report line was part of; side S only."""
    occurred_us: int
    """When it happened, in microseconds since 1970-01-01T00:00:00Z: for people and ages only."""
    position: int
    """Where it stood: the sequence on L and G, the line number on S."""
    source_id: str
    """The source's own id: a transaction's, an event's, the provider's id of the line."""
