"""Payment intents: what a player pays to the operator."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from services.local.mock_psp.books.core import RowBook, checked_amount, checked_state
from services.local.mock_psp.books.model import (
    Bucket,
    Done,
    EventType,
    Fees,
    Reason,
    RowType,
    refusal,
)


class IntentState(StrEnum):
    """Where a payment intent stands."""

    CREATED = "created"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    AUTHORISED = "authorised"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"
    """It had succeeded, and failed after all."""


OPEN_STATES = (IntentState.CREATED, IntentState.REQUIRES_ACTION, IntentState.PROCESSING)
"""Nobody has paid yet, and nobody has given up."""

# A player whom one card declined may pay with the next, even after the operator gave up.
_PAYABLE = (*OPEN_STATES, IntentState.DECLINED, IntentState.EXPIRED)


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """What a player was asked to pay, and what came of it. Amounts in minor units of `currency`."""

    intent_id: str
    reference: str
    amount_minor: int
    currency: str
    created_at: datetime
    manual_capture: bool = False
    state: IntentState = IntentState.CREATED
    code: str = ""
    """Why it was declined or failed."""
    captured_minor: int = 0
    fee_minor: int = 0
    captured_at: datetime | None = None
    pending_rows: tuple[str, ...] = ()
    """The rows whose money is not available yet."""
    held_back: bool = False
    """Its money stays pending whatever the time: a fault."""


class PaymentIntents:
    """Every payment intent of one provider account.

    Each operation raises DomainError: NOT_FOUND, or STATE_WRONG where the state forbids it.
    """

    def __init__(self, rows: RowBook, fees: Fees) -> None:
        self._rows = rows
        self._fees = fees
        self._intents: dict[str, PaymentIntent] = {}

    def all(self) -> tuple[PaymentIntent, ...]:
        """Every payment intent, in the order of creation."""
        return tuple(self._intents.values())

    def has(self, intent_id: str) -> bool:
        """Tell whether there is a payment intent with this id."""
        return intent_id in self._intents

    def get(self, intent_id: str) -> PaymentIntent:
        """Return the payment intent with this id."""
        intent = self._intents.get(intent_id)
        if intent is None:
            raise refusal(Reason.NOT_FOUND, f"There is no payment intent {intent_id}")
        return intent

    def put(self, intent: PaymentIntent) -> PaymentIntent:
        """Store a new version; for the books' own use."""
        self._intents[intent.intent_id] = intent
        return intent

    def create(
        self,
        key: str,
        *,
        reference: str,
        amount_minor: int,
        currency: str,
        now: datetime,
        manual_capture: bool = False,
    ) -> Done[PaymentIntent]:
        """Ask a player to pay; the same key gives the same payment intent.

        Raises:
            DomainError: AMOUNT_INVALID, CURRENCY_UNKNOWN, KEY_REUSED.
        """
        checked_amount(amount_minor, currency)
        arguments = (reference, amount_minor, currency, manual_capture)
        known_id = self._rows.id_of_key("payment_intent", key, arguments)
        if known_id is not None:
            return Done(self._intents[known_id], replayed=True)
        intent = PaymentIntent(
            intent_id=self._rows.next_id("pi"),
            reference=reference,
            amount_minor=amount_minor,
            currency=currency,
            created_at=now,
            manual_capture=manual_capture,
        )
        self._rows.remember_key("payment_intent", key, arguments, intent.intent_id)
        return Done(self.put(intent))

    def require_action(self, intent_id: str, now: datetime) -> Done[PaymentIntent]:
        """Send the player to a challenge (3-D Secure)."""
        intent = self.get(intent_id)
        checked_state(intent_id, intent.state, (IntentState.CREATED,), "require an action")
        return self._move(
            intent, IntentState.REQUIRES_ACTION, EventType.PAYMENT_INTENT_REQUIRES_ACTION, now
        )

    def begin_processing(self, intent_id: str, now: datetime) -> Done[PaymentIntent]:
        """Wait for somebody else: the outcome comes later."""
        intent = self.get(intent_id)
        allowed = (IntentState.CREATED, IntentState.REQUIRES_ACTION)
        checked_state(intent_id, intent.state, allowed, "be processed")
        return self._move(intent, IntentState.PROCESSING, EventType.PAYMENT_INTENT_PROCESSING, now)

    def decline(self, intent_id: str, code: str, now: datetime) -> Done[PaymentIntent]:
        """Refuse it for a reason such as `insufficient_funds`."""
        intent = self.get(intent_id)
        checked_state(intent_id, intent.state, OPEN_STATES, "be declined")
        return self._move(
            intent, IntentState.DECLINED, EventType.PAYMENT_INTENT_DECLINED, now, code
        )

    def confirm(self, intent_id: str, now: datetime) -> Done[PaymentIntent]:
        """Let the player pay: authorised if it is captured by hand, captured whole otherwise."""
        intent = self.get(intent_id)
        checked_state(intent_id, intent.state, _PAYABLE, "be paid")
        if intent.manual_capture:
            return self._move(
                intent, IntentState.AUTHORISED, EventType.PAYMENT_INTENT_AUTHORISED, now
            )
        return self.take(intent, intent.amount_minor, now)

    def capture(
        self, intent_id: str, now: datetime, amount_minor: int | None = None
    ) -> Done[PaymentIntent]:
        """Take an authorised amount, whole or in part, once.

        Raises:
            DomainError: AMOUNT_INVALID, AMOUNT_TOO_LARGE, STATE_WRONG, NOT_FOUND.
        """
        intent = self.get(intent_id)
        checked_state(intent_id, intent.state, (IntentState.AUTHORISED,), "be captured")
        taken = checked_amount(
            intent.amount_minor if amount_minor is None else amount_minor, intent.currency
        )
        if taken > intent.amount_minor:
            raise refusal(Reason.AMOUNT_TOO_LARGE, "More than was authorised cannot be captured")
        return self.take(intent, taken, now)

    def cancel(self, intent_id: str, now: datetime) -> Done[PaymentIntent]:
        """End it before any money was taken."""
        intent = self.get(intent_id)
        allowed = (*OPEN_STATES, IntentState.AUTHORISED)
        checked_state(intent_id, intent.state, allowed, "be cancelled")
        return self._move(intent, IntentState.CANCELLED, EventType.PAYMENT_INTENT_CANCELLED, now)

    def expire(self, intent_id: str, now: datetime) -> Done[PaymentIntent]:
        """End it because nobody paid, or captured, in time."""
        intent = self.get(intent_id)
        allowed = (*OPEN_STATES, IntentState.AUTHORISED)
        checked_state(intent_id, intent.state, allowed, "expire")
        return self._move(intent, IntentState.EXPIRED, EventType.PAYMENT_INTENT_EXPIRED, now)

    def fail_capture(self, intent_id: str, code: str, now: datetime) -> Done[PaymentIntent]:
        """Take back what was captured: the player's bank did not pay after all."""
        intent = self.get(intent_id)
        checked_state(intent_id, intent.state, (IntentState.SUCCEEDED,), "fail")
        intent = self.book(intent, RowType.PAYMENT_FAILURE, -intent.captured_minor, 0, now)
        intent = self.put(replace(intent, state=IntentState.FAILED, code=code))
        event = self._rows.tell(
            EventType.PAYMENT_INTENT_FAILED,
            object_id=intent_id,
            reference=intent.reference,
            currency_code=intent.currency,
            amount_minor=intent.captured_minor,
            state=intent.state,
            code=code,
            now=now,
        )
        return Done(intent, (event,))

    def charge_fee(self, intent_id: str, fee_minor: int, now: datetime) -> Done[PaymentIntent]:
        """Charge a fee that is known only later (below zero: give one back).

        It is taken from pending while the payment is pending, from available afterwards.
        """
        intent = self.get(intent_id)
        allowed = (IntentState.SUCCEEDED, IntentState.FAILED)
        checked_state(intent_id, intent.state, allowed, "be charged for")
        fee_id = self._rows.next_id("fee")
        intent = self.book(intent, RowType.PAYMENT_FEE, -fee_minor, 0, now, movement_key=fee_id)
        event = self._rows.tell(
            EventType.PAYMENT_INTENT_FEE_CHARGED,
            object_id=intent_id,
            movement_key=fee_id,
            reference=intent.reference,
            currency_code=intent.currency,
            amount_minor=0,
            fee_minor=fee_minor,
            state=intent.state,
            now=now,
        )
        return Done(self.put(intent), (event,))

    def take(
        self, intent: PaymentIntent, captured_minor: int, now: datetime, misbooked_by_minor: int = 0
    ) -> Done[PaymentIntent]:
        """Book a capture and tell it; for the books' own use, which may book another amount."""
        fee_minor = self._fees.capture.of(captured_minor)
        booked_minor = captured_minor + misbooked_by_minor
        intent = self.book(intent, RowType.PAYMENT, booked_minor, fee_minor, now)
        intent = self.put(
            replace(
                intent,
                state=IntentState.SUCCEEDED,
                code="",
                captured_minor=captured_minor,
                fee_minor=fee_minor,
                captured_at=now,
            )
        )
        event = self._rows.tell(
            EventType.PAYMENT_INTENT_SUCCEEDED,
            object_id=intent.intent_id,
            reference=intent.reference,
            currency_code=intent.currency,
            amount_minor=captured_minor,
            fee_minor=fee_minor,
            state=intent.state,
            now=now,
        )
        return Done(intent, (event,))

    def book(
        self,
        intent: PaymentIntent,
        row_type: RowType,
        gross_minor: int,
        fee_minor: int,
        now: datetime,
        movement_key: str = "",
    ) -> PaymentIntent:
        """Book a row on the side where the payment's money lies; for the books' own use.

        The version that it returns knows the row, and must be stored by the caller.
        """
        pending = row_type is RowType.PAYMENT or bool(intent.pending_rows)
        row = self._rows.book(
            row_type,
            {Bucket.PENDING if pending else Bucket.AVAILABLE: gross_minor - fee_minor},
            movement_key=movement_key or intent.intent_id,
            object_id=intent.intent_id,
            reference=intent.reference,
            currency_code=intent.currency,
            gross_minor=gross_minor,
            fee_minor=fee_minor,
            now=now,
        )
        if not pending:
            return intent
        return replace(intent, pending_rows=(*intent.pending_rows, row.row_id))

    def _move(
        self,
        intent: PaymentIntent,
        state: IntentState,
        event_type: EventType,
        now: datetime,
        code: str = "",
    ) -> Done[PaymentIntent]:
        intent = self.put(replace(intent, state=state, code=code))
        event = self._rows.tell(
            event_type,
            object_id=intent.intent_id,
            reference=intent.reference,
            currency_code=intent.currency,
            amount_minor=intent.amount_minor,
            state=state,
            code=code,
            now=now,
        )
        return Done(intent, (event,))
