"""The classes of what is open, and how bad each is by default."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class BreakClass(StrEnum):
    """What an open group is. X is the outside side of its comparison, L the ledger."""

    AMOUNT_UNDER = "AMOUNT_UNDER"
    """Both sides know it, and X has less of our money than L."""
    AMOUNT_OVER = "AMOUNT_OVER"
    """Both sides know it, and X has more of our money than L."""
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    """X knows it in one currency, L in another."""
    DUPLICATE_IN_REPORT = "DUPLICATE_IN_REPORT"
    """The report lists again what was settled and closed."""
    DUPLICATE_IN_LEDGER = "DUPLICATE_IN_LEDGER"
    """The ledger booked again what was closed."""
    PENDING_BOOKING = "PENDING_BOOKING"
    """Settled, not in the ledger, and not late yet."""
    MISSING_IN_LEDGER = "MISSING_IN_LEDGER"
    """Settled and known to the gateway, and the ledger should have it by now."""
    MISSING_IN_GATEWAY = "MISSING_IN_GATEWAY"
    """Settled, and nobody here knows it."""
    PENDING_SETTLEMENT = "PENDING_SETTLEMENT"
    """In the ledger, not settled, and not late yet."""
    MISSING_IN_SETTLEMENT = "MISSING_IN_SETTLEMENT"
    """In the ledger, and the provider should have settled it by now."""
    IN_FLIGHT = "IN_FLIGHT"
    """The gateway and the ledger were read a moment apart; the next run must see both."""
    ORPHAN_LEDGER = "ORPHAN_LEDGER"
    """In the ledger, and the gateway knows nothing of it."""
    NOT_BOOKED = "NOT_BOOKED"
    """It happened at the gateway, and the ledger was never told."""
    UNKEYED = "UNKEYED"
    """A transaction or event that does not say what it belongs to: nothing can ever match it."""
    UNCLASSIFIED = "UNCLASSIFIED"
    """A report line of a type that we do not know."""
    PENDING_BANK = "PENDING_BANK"
    """Swept, not on a bank statement, and not late yet."""
    MISSING_IN_BANK = "MISSING_IN_BANK"
    """Swept, and the bank should have it by now."""
    BANK_UNIDENTIFIED = "BANK_UNIDENTIFIED"
    """On a bank statement, and no sweep explains it."""
    FEE_VARIANCE = "FEE_VARIANCE"
    """A fee differs from the contract."""
    FX_VARIANCE = "FX_VARIANCE"
    """An exchange differs from the rate."""


class Severity(StrEnum):
    """How bad it is. P1 to P4 are breaks; the rest are none."""

    P1 = "P1"
    """Somebody's money is wrong now."""
    P2 = "P2"
    """Money is missing or too much at the provider or the bank."""
    P3 = "P3"
    """A variance, or a provider's mistake that cost nothing yet."""
    P4 = "P4"
    """Housekeeping."""
    WARNING = "WARNING"
    """No break, but nobody may call the day reconciled without having seen it."""
    PENDING = "PENDING"
    """Only a matter of time, until its break date."""

    @property
    def is_break(self) -> bool:
        """Whether it is a break."""
        return self not in {Severity.WARNING, Severity.PENDING}


SEVERITY_OF: Mapping[BreakClass, Severity] = MappingProxyType(
    {
        BreakClass.AMOUNT_UNDER: Severity.P2,
        BreakClass.AMOUNT_OVER: Severity.P2,
        BreakClass.CURRENCY_MISMATCH: Severity.P2,
        BreakClass.DUPLICATE_IN_REPORT: Severity.P3,
        BreakClass.DUPLICATE_IN_LEDGER: Severity.P1,
        BreakClass.PENDING_BOOKING: Severity.PENDING,
        BreakClass.MISSING_IN_LEDGER: Severity.P1,
        BreakClass.MISSING_IN_GATEWAY: Severity.P1,
        BreakClass.PENDING_SETTLEMENT: Severity.PENDING,
        BreakClass.MISSING_IN_SETTLEMENT: Severity.P2,
        BreakClass.IN_FLIGHT: Severity.PENDING,
        BreakClass.ORPHAN_LEDGER: Severity.P1,
        BreakClass.NOT_BOOKED: Severity.P1,
        BreakClass.UNKEYED: Severity.P1,
        BreakClass.UNCLASSIFIED: Severity.WARNING,
        BreakClass.PENDING_BANK: Severity.PENDING,
        BreakClass.MISSING_IN_BANK: Severity.P2,
        BreakClass.BANK_UNIDENTIFIED: Severity.P2,
        BreakClass.FEE_VARIANCE: Severity.P3,
        BreakClass.FX_VARIANCE: Severity.P3,
    }
)
"""The default severity of each class."""
