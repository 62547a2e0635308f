"""Why the gateway refuses a request: each reason of its contract with its category."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from services.kernel.errors import COMMON_REASONS, Category, DomainError


class Reason(StrEnum):
    """The reasons of `PspGatewayReason`, in its order, which is that of precedence."""

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
    DEPOSIT_NOT_FOUND = "DEPOSIT_NOT_FOUND"
    REFUND_NOT_FOUND = "REFUND_NOT_FOUND"
    DISPUTE_NOT_FOUND = "DISPUTE_NOT_FOUND"
    WITHDRAWAL_NOT_FOUND = "WITHDRAWAL_NOT_FOUND"
    SETTLEMENT_REPORT_NOT_FOUND = "SETTLEMENT_REPORT_NOT_FOUND"
    SEQUENCE_NOT_REACHED = "SEQUENCE_NOT_REACHED"
    CAPABILITY_MISSING = "CAPABILITY_MISSING"
    PROVIDER_PAUSED = "PROVIDER_PAUSED"
    CURRENCY_NOT_SUPPORTED = "CURRENCY_NOT_SUPPORTED"
    AMOUNT_NOT_REPRESENTABLE = "AMOUNT_NOT_REPRESENTABLE"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    DEPOSIT_NOT_REFUNDABLE = "DEPOSIT_NOT_REFUNDABLE"
    REFUND_EXCEEDS_CAPTURED = "REFUND_EXCEEDS_CAPTURED"
    WITHDRAWAL_NOT_IN_REVIEW = "WITHDRAWAL_NOT_IN_REVIEW"
    WITHDRAWAL_NOT_CANCELLABLE = "WITHDRAWAL_NOT_CANCELLABLE"
    APPROVER_IS_REQUESTER = "APPROVER_IS_REQUESTER"
    ALREADY_APPROVED = "ALREADY_APPROVED"
    POSTINGS_PENDING = "POSTINGS_PENDING"
    SETTLEMENT_REPORT_NOT_AVAILABLE = "SETTLEMENT_REPORT_NOT_AVAILABLE"
    LEDGER_REFUSED = "LEDGER_REFUSED"


CATEGORIES: Mapping[Reason, Category] = MappingProxyType(
    {
        **{Reason(name): category for name, category in COMMON_REASONS.items()},
        Reason.PROVIDER_ACCOUNT_NOT_FOUND: Category.NOT_FOUND,
        Reason.DEPOSIT_NOT_FOUND: Category.NOT_FOUND,
        Reason.REFUND_NOT_FOUND: Category.NOT_FOUND,
        Reason.DISPUTE_NOT_FOUND: Category.NOT_FOUND,
        Reason.WITHDRAWAL_NOT_FOUND: Category.NOT_FOUND,
        Reason.SETTLEMENT_REPORT_NOT_FOUND: Category.NOT_FOUND,
        Reason.SEQUENCE_NOT_REACHED: Category.RANGE,
        Reason.CAPABILITY_MISSING: Category.STATE,
        Reason.PROVIDER_PAUSED: Category.STATE,
        Reason.CURRENCY_NOT_SUPPORTED: Category.STATE,
        Reason.AMOUNT_NOT_REPRESENTABLE: Category.STATE,
        Reason.OUT_OF_RANGE: Category.RANGE,
        Reason.CURRENCY_MISMATCH: Category.STATE,
        Reason.DEPOSIT_NOT_REFUNDABLE: Category.STATE,
        Reason.REFUND_EXCEEDS_CAPTURED: Category.STATE,
        Reason.WITHDRAWAL_NOT_IN_REVIEW: Category.STATE,
        Reason.WITHDRAWAL_NOT_CANCELLABLE: Category.STATE,
        Reason.APPROVER_IS_REQUESTER: Category.STATE,
        Reason.ALREADY_APPROVED: Category.STATE,
        Reason.POSTINGS_PENDING: Category.RETRY_WHOLE,
        Reason.SETTLEMENT_REPORT_NOT_AVAILABLE: Category.STATE,
        Reason.LEDGER_REFUSED: Category.STATE,
    }
)
"""What kind of failure each reason is."""


def refusal(reason: Reason, message: str, **metadata: str) -> DomainError:
    """Return the error for `reason`, with its category; the metadata's keys are part of the API."""
    return DomainError(reason, CATEGORIES[reason], message, metadata)
