"""Refunds: money of a payment intent that goes back to the player."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from services.local.mock_psp.books.core import RowBook, checked_amount, checked_state
from services.local.mock_psp.books.model import (
    Bucket,
    Done,
    Event,
    EventType,
    Fees,
    Origin,
    Reason,
    RowType,
    refusal,
)
from services.local.mock_psp.books.payment_intents import IntentState, PaymentIntents


class RefundState(StrEnum):
    """Where a refund stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    FAILED_AFTER_SUCCESS = "failed_after_success"


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund. Amounts in minor units of `currency`."""

    refund_id: str
    intent_id: str
    reference: str
    amount_minor: int
    currency: str
    created_at: datetime
    origin: Origin = Origin.OPERATOR
    state: RefundState = RefundState.PENDING
    code: str = ""
    """Why it failed."""
    fee_minor: int = 0


class Refunds:
    """Every refund of one provider account.

    Each operation raises DomainError: NOT_FOUND, or STATE_WRONG where the state forbids it.
    """

    def __init__(self, rows: RowBook, fees: Fees, intents: PaymentIntents) -> None:
        self._rows = rows
        self._fees = fees
        self._intents = intents
        self._refunds: dict[str, Refund] = {}
        self._taken_minor: Counter[str] = Counter()

    def all(self) -> tuple[Refund, ...]:
        """Every refund, in the order of creation."""
        return tuple(self._refunds.values())

    def get(self, refund_id: str) -> Refund:
        """Return the refund with this id."""
        refund = self._refunds.get(refund_id)
        if refund is None:
            raise refusal(Reason.NOT_FOUND, f"There is no refund {refund_id}")
        return refund

    def refundable_minor(self, intent_id: str) -> int:
        """Return how much of a payment intent can still be refunded."""
        return self._intents.get(intent_id).captured_minor - self._taken_minor[intent_id]

    def create(
        self,
        key: str,
        *,
        intent_id: str,
        amount_minor: int,
        reference: str,
        now: datetime,
        origin: Origin = Origin.OPERATOR,
    ) -> Done[Refund]:
        """Take a refund; money moves when it succeeds. The same key gives the same refund.

        Raises:
            DomainError: AMOUNT_INVALID, AMOUNT_TOO_LARGE, KEY_REUSED, STATE_WRONG, NOT_FOUND.
        """
        arguments = (intent_id, amount_minor, reference, origin)
        known_id = self._rows.id_of_key("refund", key, arguments)
        if known_id is not None:
            return Done(self._refunds[known_id], replayed=True)
        intent = self._intents.get(intent_id)
        checked_state(intent_id, intent.state, (IntentState.SUCCEEDED,), "be refunded")
        checked_amount(amount_minor, intent.currency)
        if amount_minor > self.refundable_minor(intent_id):
            raise refusal(Reason.AMOUNT_TOO_LARGE, "More than was captured cannot be refunded")
        refund = Refund(
            refund_id=self._rows.next_id("re"),
            intent_id=intent_id,
            reference=reference,
            amount_minor=amount_minor,
            currency=intent.currency,
            created_at=now,
            origin=origin,
        )
        self._rows.remember_key("refund", key, arguments, refund.refund_id)
        self._taken_minor[intent_id] += amount_minor
        self._refunds[refund.refund_id] = refund
        return Done(refund, (self._tell(refund, EventType.REFUND_PENDING, now),))

    def succeed(self, refund_id: str, now: datetime) -> Done[Refund]:
        """Pay it out of what is available, even below zero."""
        refund = self.get(refund_id)
        checked_state(refund_id, refund.state, (RefundState.PENDING,), "succeed")
        fee_minor = self._fees.refund.of(refund.amount_minor)
        self._book(refund, RowType.REFUND, -refund.amount_minor, fee_minor, now)
        refund = replace(refund, state=RefundState.SUCCEEDED, fee_minor=fee_minor)
        self._refunds[refund_id] = refund
        event = self._tell(refund, EventType.REFUND_SUCCEEDED, now, fee_minor)
        return Done(refund, (event,))

    def fail(self, refund_id: str, code: str, now: datetime) -> Done[Refund]:
        """Fail it: before it succeeded no money had moved, afterwards the money comes back."""
        refund = self.get(refund_id)
        allowed = (RefundState.PENDING, RefundState.SUCCEEDED)
        checked_state(refund_id, refund.state, allowed, "fail")
        self._taken_minor[refund.intent_id] -= refund.amount_minor
        state = RefundState.FAILED
        if refund.state is RefundState.SUCCEEDED:
            self._book(refund, RowType.REFUND_FAILURE, refund.amount_minor, 0, now)
            state = RefundState.FAILED_AFTER_SUCCESS
        refund = replace(refund, state=state, code=code)
        self._refunds[refund_id] = refund
        return Done(refund, (self._tell(refund, EventType.REFUND_FAILED, now),))

    def _book(
        self, refund: Refund, row_type: RowType, gross_minor: int, fee_minor: int, now: datetime
    ) -> None:
        self._rows.book(
            row_type,
            {Bucket.AVAILABLE: gross_minor - fee_minor},
            movement_key=refund.refund_id,
            parent_id=refund.intent_id,
            reference=refund.reference,
            currency_code=refund.currency,
            gross_minor=gross_minor,
            fee_minor=fee_minor,
            now=now,
        )

    def _tell(
        self, refund: Refund, event_type: EventType, now: datetime, fee_minor: int = 0
    ) -> Event:
        return self._rows.tell(
            event_type,
            object_id=refund.refund_id,
            parent_id=refund.intent_id,
            reference=refund.reference,
            currency_code=refund.currency,
            amount_minor=refund.amount_minor,
            fee_minor=fee_minor,
            state=refund.state,
            code=refund.code,
            origin=refund.origin,
            now=now,
        )
