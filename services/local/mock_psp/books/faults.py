"""What a provider gets wrong in its own books, so that its report differs from what it told.

The books stay sound: buckets, sweeps and reports follow from the wrong rows as from right ones.
"""

from dataclasses import replace
from datetime import datetime

from services.local.mock_psp.books.core import RowBook, checked_amount, checked_state
from services.local.mock_psp.books.model import Bucket, Done, RowType
from services.local.mock_psp.books.payment_intents import (
    OPEN_STATES,
    IntentState,
    PaymentIntent,
    PaymentIntents,
)


class Faults:
    """The mistakes that a provider can be made to make with a payment intent."""

    def __init__(self, rows: RowBook, intents: PaymentIntents) -> None:
        self._rows = rows
        self._intents = intents

    def misbook(self, intent_id: str, by_minor: int, now: datetime) -> Done[PaymentIntent]:
        """Capture a payment intent and tell its amount, but book `by_minor` more.

        Raises:
            DomainError: NOT_FOUND, STATE_WRONG, AMOUNT_INVALID.
        """
        intent = self._intents.get(intent_id)
        checked_state(intent_id, intent.state, OPEN_STATES, "be paid")
        checked_amount(intent.amount_minor + by_minor, intent.currency)
        return self._intents.take(intent, intent.amount_minor, now, misbooked_by_minor=by_minor)

    def hold_back(self, intent_id: str) -> PaymentIntent:
        """Forget to make a captured payment available: no report will list it.

        Raises:
            DomainError: NOT_FOUND, STATE_WRONG.
        """
        intent = self._intents.get(intent_id)
        checked_state(intent_id, intent.state, (IntentState.SUCCEEDED,), "be held back")
        return self._intents.put(replace(intent, held_back=True))

    def book_again(self, intent_id: str, now: datetime) -> PaymentIntent:
        """Book a captured payment a second time, under a new row id, and tell nobody.

        Raises:
            DomainError: NOT_FOUND, STATE_WRONG.
        """
        intent = self._intents.get(intent_id)
        checked_state(intent_id, intent.state, (IntentState.SUCCEEDED,), "be booked again")
        return self._intents.put(
            self._intents.book(
                intent, RowType.PAYMENT, intent.captured_minor, intent.fee_minor, now
            )
        )

    def book_stray(self, *, reference: str, amount_minor: int, currency: str, now: datetime) -> str:
        """Book a payment that nobody made, available at once, and tell nobody; return its key.

        Raises:
            DomainError: AMOUNT_INVALID, CURRENCY_UNKNOWN.
        """
        checked_amount(amount_minor, currency)
        stray_id = self._rows.next_id("pi")
        self._rows.book(
            RowType.PAYMENT,
            {Bucket.AVAILABLE: amount_minor},
            movement_key=stray_id,
            reference=reference,
            currency_code=currency,
            gross_minor=amount_minor,
            now=now,
        )
        return stray_id
