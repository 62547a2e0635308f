"""Why reconciliation refuses a request: each reason of its contract with its category."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from services.kernel.errors import COMMON_REASONS, Category, DomainError


class Reason(StrEnum):
    """The reasons of `ReconciliationReason`, in its order, which is that of precedence."""

    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    QUEUE_FULL = "QUEUE_FULL"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    INVALID_REQUEST = "INVALID_REQUEST"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    UNKNOWN_CURRENCY = "UNKNOWN_CURRENCY"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"  # noqa: S105 - the name of a reason.
    TENANT_NOT_FOUND = "TENANT_NOT_FOUND"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    PROVIDER_ACCOUNT_NOT_FOUND = "PROVIDER_ACCOUNT_NOT_FOUND"
    RUN_NOT_FOUND = "RUN_NOT_FOUND"
    BUSINESS_DATE_NOT_OVER = "BUSINESS_DATE_NOT_OVER"
    BUSINESS_DATE_OUT_OF_ORDER = "BUSINESS_DATE_OUT_OF_ORDER"
    STATEMENT_NOT_READY = "STATEMENT_NOT_READY"


CATEGORIES: Mapping[Reason, Category] = MappingProxyType(
    {
        **{Reason(name): category for name, category in COMMON_REASONS.items()},
        Reason.PROVIDER_ACCOUNT_NOT_FOUND: Category.NOT_FOUND,
        Reason.RUN_NOT_FOUND: Category.NOT_FOUND,
        Reason.BUSINESS_DATE_NOT_OVER: Category.STATE,
        Reason.BUSINESS_DATE_OUT_OF_ORDER: Category.STATE,
        Reason.STATEMENT_NOT_READY: Category.STATE,
    }
)


class ReconciliationError(DomainError):
    """A refusal of reconciliation."""

    def __init__(self, reason: Reason, message: str, **metadata: str) -> None:
        super().__init__(reason, CATEGORIES[reason], message, metadata)
