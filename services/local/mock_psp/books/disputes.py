"""Disputes: a player's bank asks about a payment, or takes its money back, in rounds."""

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
    Reason,
    RowType,
    refusal,
)
from services.local.mock_psp.books.payment_intents import IntentState, PaymentIntents


class DisputeState(StrEnum):
    """Where a dispute stands."""

    INQUIRY = "inquiry"
    """Only a question: no money has moved."""
    OPEN = "open"
    WON = "won"
    LOST = "lost"
    CLOSED = "closed"
    """An inquiry that ended without taking money."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """One dispute and its current round. Amounts in minor units of `currency`."""

    dispute_id: str
    intent_id: str
    reference: str
    amount_minor: int
    """What the next or current round takes."""
    currency: str
    code: str
    created_at: datetime
    state: DisputeState
    round_number: int = 0
    """0 until money was taken."""
    round_id: str = ""
    fee_minor: int = 0
    """What the current round has cost."""
    reinstated_minor: int = 0
    """What the current round has given back."""


class Disputes:
    """Every dispute of one provider account.

    Each operation raises DomainError: NOT_FOUND, or STATE_WRONG where the state forbids it.
    """

    def __init__(self, rows: RowBook, fees: Fees, intents: PaymentIntents) -> None:
        self._rows = rows
        self._fees = fees
        self._intents = intents
        self._disputes: dict[str, Dispute] = {}

    def all(self) -> tuple[Dispute, ...]:
        """Every dispute, in the order of creation."""
        return tuple(self._disputes.values())

    def get(self, dispute_id: str) -> Dispute:
        """Return the dispute with this id."""
        dispute = self._disputes.get(dispute_id)
        if dispute is None:
            raise refusal(Reason.NOT_FOUND, f"There is no dispute {dispute_id}")
        return dispute

    def inquire(
        self, intent_id: str, code: str, now: datetime, amount_minor: int | None = None
    ) -> Done[Dispute]:
        """Ask about a payment; no money moves.

        Raises:
            DomainError: AMOUNT_INVALID, AMOUNT_TOO_LARGE, STATE_WRONG, NOT_FOUND.
        """
        dispute = self._make(intent_id, code, now, amount_minor)
        return Done(dispute, (self._tell(dispute, EventType.DISPUTE_INQUIRY_OPENED, now),))

    def open(
        self, intent_id: str, code: str, now: datetime, amount_minor: int | None = None
    ) -> Done[Dispute]:
        """Dispute a payment, wholly unless an amount is given, and take the money at once.

        Raises:
            DomainError: AMOUNT_INVALID, AMOUNT_TOO_LARGE, STATE_WRONG, NOT_FOUND.
        """
        return self.withdraw_funds(self._make(intent_id, code, now, amount_minor).dispute_id, now)

    def withdraw_funds(self, dispute_id: str, now: datetime) -> Done[Dispute]:
        """Begin the next round: take the money (what the last round gave back) and a fee."""
        dispute = self.get(dispute_id)
        checked_state(
            dispute_id, dispute.state, (DisputeState.INQUIRY, DisputeState.WON), "take money"
        )
        number = dispute.round_number + 1
        taken_minor = dispute.reinstated_minor or dispute.amount_minor
        dispute = replace(
            dispute,
            state=DisputeState.OPEN,
            amount_minor=taken_minor,
            round_number=number,
            round_id=f"{dispute_id}_r{number}",
            fee_minor=self._fees.dispute.of(taken_minor),
            reinstated_minor=0,
        )
        self._disputes[dispute_id] = dispute
        self._book(dispute, RowType.DISPUTE, -dispute.amount_minor, dispute.fee_minor, now)
        event = self._tell(
            dispute, EventType.DISPUTE_FUNDS_WITHDRAWN, now, fee_minor=dispute.fee_minor
        )
        return Done(dispute, (event,))

    def win(
        self,
        dispute_id: str,
        now: datetime,
        amount_minor: int | None = None,
        fee_returned_minor: int = 0,
    ) -> Done[Dispute]:
        """Give the money of the round back, wholly unless an amount is given; even after a loss.

        Raises:
            DomainError: AMOUNT_INVALID, AMOUNT_TOO_LARGE, STATE_WRONG, NOT_FOUND.
        """
        dispute = self.get(dispute_id)
        checked_state(dispute_id, dispute.state, (DisputeState.OPEN, DisputeState.LOST), "be won")
        back = dispute.amount_minor if amount_minor is None else amount_minor
        checked_amount(back, dispute.currency)
        if back > dispute.amount_minor or not 0 <= fee_returned_minor <= dispute.fee_minor:
            raise refusal(Reason.AMOUNT_TOO_LARGE, "A round gives back at most what it took")
        dispute = replace(
            dispute,
            state=DisputeState.WON,
            reinstated_minor=back,
            fee_minor=dispute.fee_minor - fee_returned_minor,
        )
        self._disputes[dispute_id] = dispute
        self._book(dispute, RowType.DISPUTE_REVERSAL, back, -fee_returned_minor, now)
        event = self._tell(
            dispute,
            EventType.DISPUTE_FUNDS_REINSTATED,
            now,
            amount_minor=back,
            fee_minor=-fee_returned_minor,
        )
        return Done(dispute, (event,))

    def lose(self, dispute_id: str, now: datetime) -> Done[Dispute]:
        """Decide for the player's bank: the money stays taken."""
        dispute = self.get(dispute_id)
        checked_state(dispute_id, dispute.state, (DisputeState.OPEN,), "be lost")
        dispute = replace(dispute, state=DisputeState.LOST)
        self._disputes[dispute_id] = dispute
        return Done(dispute, (self._tell(dispute, EventType.DISPUTE_LOST, now),))

    def close_inquiry(self, dispute_id: str, now: datetime) -> Done[Dispute]:
        """End an inquiry that took nothing."""
        dispute = self.get(dispute_id)
        checked_state(dispute_id, dispute.state, (DisputeState.INQUIRY,), "be closed")
        dispute = replace(dispute, state=DisputeState.CLOSED)
        self._disputes[dispute_id] = dispute
        return Done(dispute, (self._tell(dispute, EventType.DISPUTE_INQUIRY_CLOSED, now),))

    def _make(self, intent_id: str, code: str, now: datetime, amount_minor: int | None) -> Dispute:
        intent = self._intents.get(intent_id)
        checked_state(intent_id, intent.state, (IntentState.SUCCEEDED,), "be disputed")
        amount = intent.captured_minor if amount_minor is None else amount_minor
        checked_amount(amount, intent.currency)
        # A bank may dispute what was refunded meanwhile, but never more than was captured.
        if amount > intent.captured_minor:
            raise refusal(Reason.AMOUNT_TOO_LARGE, "More than was captured cannot be disputed")
        dispute = Dispute(
            dispute_id=self._rows.next_id("dp"),
            intent_id=intent_id,
            reference=intent.reference,
            amount_minor=amount,
            currency=intent.currency,
            code=code,
            created_at=now,
            state=DisputeState.INQUIRY,
        )
        self._disputes[dispute.dispute_id] = dispute
        return dispute

    def _book(
        self, dispute: Dispute, row_type: RowType, gross_minor: int, fee_minor: int, now: datetime
    ) -> None:
        self._rows.book(
            row_type,
            {Bucket.AVAILABLE: gross_minor - fee_minor},
            movement_key=dispute.round_id,
            object_id=dispute.dispute_id,
            parent_id=dispute.intent_id,
            reference=dispute.reference,
            currency_code=dispute.currency,
            gross_minor=gross_minor,
            fee_minor=fee_minor,
            now=now,
        )

    def _tell(
        self,
        dispute: Dispute,
        event_type: EventType,
        now: datetime,
        amount_minor: int | None = None,
        fee_minor: int = 0,
    ) -> Event:
        return self._rows.tell(
            event_type,
            object_id=dispute.dispute_id,
            movement_key=dispute.round_id,
            parent_id=dispute.intent_id,
            reference=dispute.reference,
            currency_code=dispute.currency,
            amount_minor=dispute.amount_minor if amount_minor is None else amount_minor,
            fee_minor=fee_minor,
            number=max(dispute.round_number, 1),
            state=dispute.state,
            code=dispute.code,
            now=now,
        )
