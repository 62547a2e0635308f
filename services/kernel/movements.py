"""Movements: the changes of a provider account's buckets, in one vocabulary.

A settlement report lists movements, the gateway's postings name theirs in the ledger
transaction's metadata (`movement_kind`, `movement_key`), and reconciliation joins the two on both.
"""

from enum import StrEnum


class Pot(StrEnum):
    """Where our money stands in relation to a provider account (`docs/understand/postings.md`)."""

    PROVIDER = "P"
    """At the provider: pending and available (A1 + A2)."""
    TRANSIT = "T"
    """Swept, on its way to our bank (A3)."""
    ROLLING_RESERVE = "R"
    """Kept back by the provider (A5)."""
    CLEARING = "C"
    """Asked for or taken, outcome open (L5, L6, A6)."""


class MovementKind(StrEnum):
    """What a movement is; + is more of our money at the provider, unless said otherwise."""

    CAPTURE = "capture"
    """A deposit's money came in (+)."""
    CAPTURE_FEE = "capture_fee"
    """What the provider charged for a deposit (-)."""
    CAPTURE_FAILURE = "capture_failure"
    """A captured deposit failed after all (-)."""
    REFUND = "refund"
    """A refund went out (-)."""
    REFUND_FEE = "refund_fee"
    """What the provider charged for a refund (-)."""
    REFUND_FAILURE = "refund_failure"
    """A refund that had gone out came back (+)."""
    DISPUTE = "dispute"
    """A dispute took the money (-)."""
    DISPUTE_FEE = "dispute_fee"
    """What the provider charged for a dispute (-), or gave back (+)."""
    DISPUTE_REVERSAL = "dispute_reversal"
    """A dispute gave money back (+)."""
    WITHDRAWAL = "withdrawal"
    """A withdrawal was paid to a player (-)."""
    WITHDRAWAL_FEE = "withdrawal_fee"
    """What the provider charged for a withdrawal (-)."""
    WITHDRAWAL_RETURN = "withdrawal_return"
    """A paid withdrawal came back (+)."""
    ROLLING_RESERVE = "rolling_reserve"
    """Kept back (-, and + in the rolling reserve)."""
    ROLLING_RESERVE_RELEASE = "rolling_reserve_release"
    """Given free (+, and - in the rolling reserve)."""
    ACCOUNT_FEE = "account_fee"
    """A fee that belongs to no object (-), or its correction (+)."""
    TOP_UP = "top_up"
    """We paid money in from our bank (+)."""
    SWEEP = "sweep"
    """Money left for our bank (-, and + in transit); the net of a batch, of either sign."""
    SWEEP_FAILURE = "sweep_failure"
    """A sweep came back (+, and - in transit)."""
    EXCHANGE = "exchange"
    """One side of an exchange between two currencies."""
    UNCLASSIFIED = "unclassified"
    """A line of a type that we do not know; never dropped."""


SIGN_OF: dict[MovementKind, int] = {
    MovementKind.CAPTURE: 1,
    MovementKind.CAPTURE_FAILURE: -1,
    MovementKind.REFUND: -1,
    MovementKind.REFUND_FAILURE: 1,
    MovementKind.DISPUTE: -1,
    MovementKind.DISPUTE_REVERSAL: 1,
    MovementKind.WITHDRAWAL: -1,
    MovementKind.WITHDRAWAL_RETURN: 1,
    MovementKind.ROLLING_RESERVE: -1,
    MovementKind.ROLLING_RESERVE_RELEASE: 1,
    MovementKind.TOP_UP: 1,
}
"""The sign of a movement's gross amount at the provider; the rest may have either."""

FEE_OF: dict[MovementKind, MovementKind] = {
    MovementKind.CAPTURE: MovementKind.CAPTURE_FEE,
    MovementKind.CAPTURE_FAILURE: MovementKind.CAPTURE_FEE,
    MovementKind.REFUND: MovementKind.REFUND_FEE,
    MovementKind.REFUND_FAILURE: MovementKind.REFUND_FEE,
    MovementKind.DISPUTE: MovementKind.DISPUTE_FEE,
    MovementKind.DISPUTE_REVERSAL: MovementKind.DISPUTE_FEE,
    MovementKind.WITHDRAWAL: MovementKind.WITHDRAWAL_FEE,
    MovementKind.WITHDRAWAL_RETURN: MovementKind.WITHDRAWAL_FEE,
}
"""The kind of the fee that a report line of some kind carries; the rest carry ACCOUNT_FEE."""
