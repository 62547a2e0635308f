"""Why the ledger refuses: each reason with its category, in the order of precedence."""

from dataclasses import dataclass
from enum import StrEnum

from services.kernel.errors import COMMON_REASONS, Category, DomainError


class Reason(StrEnum):
    """The reasons of `LedgerReason`, in its order: of several that apply, the first is answered."""

    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    QUEUE_FULL = "QUEUE_FULL"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    INVALID_REQUEST = "INVALID_REQUEST"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    UNBALANCED = "UNBALANCED"
    UNKNOWN_CURRENCY = "UNKNOWN_CURRENCY"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"  # noqa: S105 - the name of a reason.
    TENANT_NOT_FOUND = "TENANT_NOT_FOUND"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    ACCOUNT_NOT_FOUND = "ACCOUNT_NOT_FOUND"
    TRANSACTION_NOT_FOUND = "TRANSACTION_NOT_FOUND"
    SEQUENCE_NOT_REACHED = "SEQUENCE_NOT_REACHED"
    ACCOUNT_EXISTS_DIFFERENT = "ACCOUNT_EXISTS_DIFFERENT"
    ACCOUNT_NOT_EMPTY = "ACCOUNT_NOT_EMPTY"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    EFFECTIVE_TIME_OUT_OF_WINDOW = "EFFECTIVE_TIME_OUT_OF_WINDOW"
    ACCOUNT_CLOSED = "ACCOUNT_CLOSED"
    ACCOUNT_FROZEN = "ACCOUNT_FROZEN"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    INSUFFICIENT_AVAILABLE = "INSUFFICIENT_AVAILABLE"


@dataclass(frozen=True, slots=True)
class Rule:
    """What follows from a reason.

    Args:
        category: what kind of failure it is.
        remembered: whether a transaction refused for it is refused for ever under its request id.
    """

    category: Category
    remembered: bool = False


_OWN = {
    Reason.UNBALANCED: Rule(Category.SHAPE),
    Reason.ACCOUNT_NOT_FOUND: Rule(Category.NOT_FOUND),
    Reason.TRANSACTION_NOT_FOUND: Rule(Category.NOT_FOUND),
    Reason.SEQUENCE_NOT_REACHED: Rule(Category.RANGE),
    Reason.ACCOUNT_EXISTS_DIFFERENT: Rule(Category.CONFLICT),
    Reason.ACCOUNT_NOT_EMPTY: Rule(Category.STATE),
    Reason.CURRENCY_MISMATCH: Rule(Category.STATE, remembered=True),
    Reason.EFFECTIVE_TIME_OUT_OF_WINDOW: Rule(Category.STATE, remembered=True),
    Reason.ACCOUNT_CLOSED: Rule(Category.STATE, remembered=True),
    Reason.ACCOUNT_FROZEN: Rule(Category.STATE, remembered=True),
    Reason.OUT_OF_RANGE: Rule(Category.RANGE, remembered=True),
    Reason.INSUFFICIENT_AVAILABLE: Rule(Category.STATE, remembered=True),
}

RULES: dict[Reason, Rule] = {
    reason: Rule(COMMON_REASONS[reason]) if reason in COMMON_REASONS else _OWN[reason]
    for reason in Reason
}
"""What follows from each, in their order."""


class LedgerError(DomainError):
    """A refusal of the ledger."""

    def __init__(self, reason: Reason, message: str, **metadata: str) -> None:
        super().__init__(reason, RULES[reason].category, message, metadata)
