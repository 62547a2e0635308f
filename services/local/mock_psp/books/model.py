"""The words of the provider's books: buckets, rows, events, fees, refusals."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from services.kernel.errors import Category, DomainError

Value = TypeVar("Value")

_BASIS_POINTS = 10_000


class Bucket(StrEnum):
    """Where money of a provider account lies."""

    PENDING = "pending"
    """Captured, not yet available."""
    AVAILABLE = "available"
    """Free for refunds, transfers and sweeps; below zero when the provider is owed money."""
    IN_TRANSIT = "in_transit"
    """Swept, on its way to the operator's bank."""
    ROLLING_RESERVE = "rolling_reserve"
    """Kept back by the provider."""
    BANK = "bank"
    """What has reached the operator's bank, less what came from there."""


class RowType(StrEnum):
    """What a row is, in the provider's own words, as its settlement report writes them."""

    PAYMENT = "payment"
    PAYMENT_FAILURE = "payment_failure"
    PAYMENT_FEE = "payment_fee"
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"
    TRANSFER = "transfer"
    TRANSFER_RETURN = "transfer_return"
    TRANSFER_FEE = "transfer_fee"
    RESERVE_KEPT = "reserve_kept"
    RESERVE_RELEASED = "reserve_released"
    ACCOUNT_FEE = "account_fee"
    TOP_UP = "top_up"
    SWEEP = "sweep"
    SWEEP_FAILURE = "sweep_failure"
    AVAILABLE = "available"
    """Internal: money went from pending to available. In no report."""
    SWEEP_ARRIVAL = "sweep_arrival"
    """Internal: a sweep reached the bank, whose statement tells. In no report."""


INTERNAL_ROW_TYPES = frozenset({RowType.AVAILABLE, RowType.SWEEP_ARRIVAL})
"""Rows that move nothing into or out of what the provider owes, and so are in no report."""


@dataclass(frozen=True, slots=True)
class Row:
    """One change of the books. Amounts are signed minor units; + is more of the operator's money.

    `changes` says what it did to the buckets; `available_at` is None while its money is pending,
    and a report lists a row in the period in which it became available.
    """

    row_id: str
    row_type: RowType
    movement_key: str
    """The id of what moved: the payment intent, refund, dispute round, transfer, return, fee ..."""
    object_id: str
    """The object whose story goes on: the payment intent, refund, dispute, transfer ..."""
    parent_id: str
    """Of a refund or dispute its payment intent; empty otherwise."""
    reference: str
    """The operator's reference; empty if none."""
    currency: str
    gross_minor: int
    fee_minor: int
    changes: tuple[tuple[Bucket, int], ...]
    created_at: datetime
    available_at: datetime | None
    sweep_id: str = ""
    """The sweep that took it to the bank; of a sweep its own id; empty if none has."""

    @property
    def net_minor(self) -> int:
        """What changed in the provider's balance: the gross less the fee."""
        return self.gross_minor - self.fee_minor


class EventType(StrEnum):
    """What a webhook tells."""

    PAYMENT_INTENT_REQUIRES_ACTION = "payment_intent.requires_action"
    PAYMENT_INTENT_PROCESSING = "payment_intent.processing"
    PAYMENT_INTENT_AUTHORISED = "payment_intent.authorised"
    PAYMENT_INTENT_SUCCEEDED = "payment_intent.succeeded"
    PAYMENT_INTENT_DECLINED = "payment_intent.declined"
    PAYMENT_INTENT_CANCELLED = "payment_intent.cancelled"
    PAYMENT_INTENT_EXPIRED = "payment_intent.expired"
    PAYMENT_INTENT_FAILED = "payment_intent.failed"
    """It had succeeded, and failed after all."""
    PAYMENT_INTENT_FEE_CHARGED = "payment_intent.fee_charged"
    PAYMENT_INTENT_AVAILABLE = "payment_intent.available"
    REFUND_PENDING = "refund.pending"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_FAILED = "refund.failed"
    DISPUTE_INQUIRY_OPENED = "dispute.inquiry_opened"
    DISPUTE_INQUIRY_CLOSED = "dispute.inquiry_closed"
    DISPUTE_FUNDS_WITHDRAWN = "dispute.funds_withdrawn"
    DISPUTE_FUNDS_REINSTATED = "dispute.funds_reinstated"
    DISPUTE_LOST = "dispute.lost"
    TRANSFER_ACCEPTED = "transfer.accepted"
    TRANSFER_PAID = "transfer.paid"
    TRANSFER_FAILED = "transfer.failed"
    TRANSFER_RETURNED = "transfer.returned"
    RESERVE_KEPT = "reserve.kept"
    RESERVE_RELEASED = "reserve.released"
    SWEEP_CREATED = "sweep.created"
    SWEEP_PAID = "sweep.paid"
    SWEEP_FAILED = "sweep.failed"
    TOP_UP_SUCCEEDED = "top_up.succeeded"
    ACCOUNT_FEE_CHARGED = "account.fee_charged"


class Origin(StrEnum):
    """Who asked for something."""

    OPERATOR = "operator"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Event:
    """One occurrence, as the provider tells it: everything needed to book it.

    `amount_minor` and `fee_minor` are in `currency`; the amount is what moved, without a sign
    (available, sweep and account fee: signed as the row); the fee is what was charged with it.
    """

    event_id: str
    event_type: EventType
    created_at: datetime
    object_id: str
    """The object whose story goes on; its prefix says what it is."""
    movement_key: str
    """The key of the row, as the report has it; the object's id where no money moved."""
    parent_id: str
    """Of a refund or dispute its payment intent; empty otherwise."""
    reference: str
    currency: str
    amount_minor: int
    fee_minor: int = 0
    number: int = 1
    """Which round of a dispute, or return of a transfer."""
    state: str = ""
    """The object's state after it."""
    code: str = ""
    """Why it was declined, failed, disputed or returned."""
    origin: Origin = Origin.OPERATOR


@dataclass(frozen=True, slots=True)
class Done(Generic[Value]):
    """What an operation made, and the events that it would send, in order."""

    value: Value
    events: tuple[Event, ...] = ()
    replayed: bool = False
    """The key was known: this is what stands now, and nothing happened."""


@dataclass(frozen=True, slots=True)
class FeeRate:
    """A share of the amount, rounded half up, plus a fixed part, both in the amount's currency."""

    basis_points: int = 0
    fixed_minor: int = 0

    def of(self, amount_minor: int) -> int:
        """Return the fee for this amount, in minor units."""
        share = (amount_minor * self.basis_points + _BASIS_POINTS // 2) // _BASIS_POINTS
        return share + self.fixed_minor


@dataclass(frozen=True, slots=True)
class Fees:
    """What the provider charges for each kind of thing; nothing unless said."""

    capture: FeeRate = FeeRate()
    refund: FeeRate = FeeRate()
    dispute: FeeRate = FeeRate()
    transfer: FeeRate = FeeRate()
    transfer_failure: FeeRate = FeeRate()
    transfer_return: FeeRate = FeeRate()


class Reason(StrEnum):
    """Why the provider refuses."""

    NOT_FOUND = "NOT_FOUND"
    STATE_WRONG = "STATE_WRONG"
    AMOUNT_INVALID = "AMOUNT_INVALID"
    AMOUNT_TOO_LARGE = "AMOUNT_TOO_LARGE"
    CURRENCY_UNKNOWN = "CURRENCY_UNKNOWN"
    BALANCE_INSUFFICIENT = "BALANCE_INSUFFICIENT"
    KEY_REUSED = "KEY_REUSED"


_CATEGORY = {
    Reason.NOT_FOUND: Category.NOT_FOUND,
    Reason.STATE_WRONG: Category.STATE,
    Reason.AMOUNT_INVALID: Category.SHAPE,
    Reason.AMOUNT_TOO_LARGE: Category.STATE,
    Reason.CURRENCY_UNKNOWN: Category.SHAPE,
    Reason.BALANCE_INSUFFICIENT: Category.STATE,
    Reason.KEY_REUSED: Category.CONFLICT,
}


def refusal(reason: Reason, message: str) -> DomainError:
    """Return the error for an expected failure, with the category of its reason."""
    return DomainError(reason, _CATEGORY[reason], message)
