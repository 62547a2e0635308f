"""Money of the provider account itself: availability, rolling reserve, sweeps, top-ups, fees."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.kernel.invariant import invariant
from services.local.mock_psp.books.core import RowBook, checked_amount, checked_state
from services.local.mock_psp.books.model import (
    INTERNAL_ROW_TYPES,
    Bucket,
    Done,
    Event,
    EventType,
    Reason,
    RowType,
    refusal,
)
from services.local.mock_psp.books.payment_intents import PaymentIntent, PaymentIntents


class SweepState(StrEnum):
    """Where a sweep stands."""

    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was available, on its way to the bank; below zero the provider collects it there."""

    sweep_id: str
    currency: str
    amount_minor: int
    created_at: datetime
    state: SweepState = SweepState.IN_TRANSIT
    bank_fee_minor: int = 0
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReserveRelease:
    """A part of a rolling reserve that was given free, in the reserve's currency."""

    release_id: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class RollingReserve:
    """Money kept back, and what was given free of it. Amounts in minor units of `currency`."""

    reserve_id: str
    currency: str
    kept_minor: int
    created_at: datetime
    releases: tuple[ReserveRelease, ...] = ()

    @property
    def left_minor(self) -> int:
        """What is still kept back."""
        return self.kept_minor - sum(part.amount_minor for part in self.releases)


class Funds:
    """What happens to the balance as a whole."""

    def __init__(self, rows: RowBook, intents: PaymentIntents, available_after: timedelta) -> None:
        self._rows = rows
        self._intents = intents
        self._available_after = available_after
        self._sweeps: dict[str, Sweep] = {}
        self._reserves: dict[str, RollingReserve] = {}

    def sweeps(self) -> tuple[Sweep, ...]:
        """Every sweep, in order."""
        return tuple(self._sweeps.values())

    def reserves(self) -> tuple[RollingReserve, ...]:
        """Every rolling reserve, in order."""
        return tuple(self._reserves.values())

    def make_available(self, now: datetime) -> Done[int]:
        """Move what is due from pending to available; the value is how many payments it was."""
        due = [intent for intent in self._intents.all() if self._is_due(intent, now)]
        events: list[Event] = []
        for intent in due:
            events += self._make_one_available(intent, now)
        return Done(len(due), tuple(events))

    def keep_reserve(self, currency: str, amount_minor: int, now: datetime) -> Done[RollingReserve]:
        """Keep a part of what is available back, even below zero.

        Raises:
            DomainError: AMOUNT_INVALID, CURRENCY_UNKNOWN.
        """
        checked_amount(amount_minor, currency)
        reserve = RollingReserve(self._rows.next_id("rr"), currency, amount_minor, now)
        self._reserves[reserve.reserve_id] = reserve
        event = self._move_reserve(reserve, reserve.reserve_id, amount_minor, now)
        return Done(reserve, (event,))

    def release_reserve(
        self, reserve_id: str, now: datetime, amount_minor: int | None = None
    ) -> Done[RollingReserve]:
        """Give a rolling reserve free, wholly unless an amount is given.

        Raises:
            DomainError: NOT_FOUND, AMOUNT_INVALID, AMOUNT_TOO_LARGE.
        """
        reserve = self._reserves.get(reserve_id)
        if reserve is None:
            raise refusal(Reason.NOT_FOUND, f"There is no rolling reserve {reserve_id}")
        free_minor = checked_amount(
            reserve.left_minor if amount_minor is None else amount_minor, reserve.currency
        )
        if free_minor > reserve.left_minor:
            raise refusal(Reason.AMOUNT_TOO_LARGE, "More than is kept cannot be released")
        part = ReserveRelease(f"{reserve_id}_l{len(reserve.releases) + 1}", free_minor)
        reserve = replace(reserve, releases=(*reserve.releases, part))
        self._reserves[reserve_id] = reserve
        event = self._move_reserve(reserve, part.release_id, -free_minor, now)
        return Done(reserve, (event,))

    def sweep(self, currency: str, now: datetime) -> Done[Sweep | None]:
        """Send all that is available to the bank, or collect there what is missing.

        It takes every available row that no sweep took before. A balance of zero makes no sweep:
        its rows wait for the next one.
        """
        taken = [
            row
            for row in self._rows.rows
            if row.currency == currency
            and row.available_at is not None
            and not row.sweep_id
            and row.row_type not in INTERNAL_ROW_TYPES
        ]
        amount_minor = sum(row.net_minor for row in taken)
        invariant(
            amount_minor == self._rows.buckets(currency)[Bucket.AVAILABLE],
            "what is available is the sum of the rows that no sweep took",
        )
        if not amount_minor:
            return Done(None)
        sweep = Sweep(self._rows.next_id("sw"), currency, amount_minor, now)
        self._sweeps[sweep.sweep_id] = sweep
        row = self._rows.book(
            RowType.SWEEP,
            {Bucket.AVAILABLE: -amount_minor, Bucket.IN_TRANSIT: amount_minor},
            movement_key=sweep.sweep_id,
            currency_code=currency,
            gross_minor=-amount_minor,
            now=now,
        )
        self._rows.mark_swept([*(one.row_id for one in taken), row.row_id], sweep.sweep_id)
        return Done(sweep, (self._tell_sweep(sweep, EventType.SWEEP_CREATED, now),))

    def land_sweep(self, sweep_id: str, now: datetime, bank_fee_minor: int = 0) -> Done[Sweep]:
        """Let a sweep reach the bank, less what the bank takes for it.

        Raises:
            DomainError: NOT_FOUND, STATE_WRONG, AMOUNT_INVALID.
        """
        sweep = self._sweep(sweep_id)
        checked_state(sweep_id, sweep.state, (SweepState.IN_TRANSIT,), "reach the bank")
        if bank_fee_minor < 0:
            raise refusal(Reason.AMOUNT_INVALID, "A bank's fee is not below zero")
        sweep = replace(sweep, state=SweepState.PAID, bank_fee_minor=bank_fee_minor, paid_at=now)
        self._sweeps[sweep_id] = sweep
        self._rows.book(
            RowType.SWEEP_ARRIVAL,
            {
                Bucket.IN_TRANSIT: -sweep.amount_minor,
                Bucket.BANK: sweep.amount_minor - bank_fee_minor,
            },
            movement_key=sweep_id,
            currency_code=sweep.currency,
            gross_minor=sweep.amount_minor,
            fee_minor=bank_fee_minor,
            now=now,
        )
        return Done(sweep, (self._tell_sweep(sweep, EventType.SWEEP_PAID, now),))

    def fail_sweep(self, sweep_id: str, now: datetime) -> Done[Sweep]:
        """Bring a sweep back, from its way or from the bank: the money is available again.

        Raises:
            DomainError: NOT_FOUND, STATE_WRONG.
        """
        sweep = self._sweep(sweep_id)
        allowed = (SweepState.IN_TRANSIT, SweepState.PAID)
        checked_state(sweep_id, sweep.state, allowed, "come back")
        left = Bucket.IN_TRANSIT if sweep.state is SweepState.IN_TRANSIT else Bucket.BANK
        sweep = replace(sweep, state=SweepState.FAILED)
        self._sweeps[sweep_id] = sweep
        self._rows.book(
            RowType.SWEEP_FAILURE,
            {left: -sweep.amount_minor, Bucket.AVAILABLE: sweep.amount_minor},
            movement_key=sweep_id,
            currency_code=sweep.currency,
            gross_minor=sweep.amount_minor,
            now=now,
        )
        return Done(sweep, (self._tell_sweep(sweep, EventType.SWEEP_FAILED, now),))

    def top_up(self, key: str, currency: str, amount_minor: int, now: datetime) -> Done[str]:
        """Take money from the operator's bank; the value is its id. The same key tops up once.

        Raises:
            DomainError: AMOUNT_INVALID, CURRENCY_UNKNOWN, KEY_REUSED.
        """
        checked_amount(amount_minor, currency)
        arguments = (currency, amount_minor)
        known_id = self._rows.id_of_key("top_up", key, arguments)
        if known_id is not None:
            return Done(known_id, replayed=True)
        top_up_id = self._rows.next_id("tu")
        self._rows.remember_key("top_up", key, arguments, top_up_id)
        self._rows.book(
            RowType.TOP_UP,
            {Bucket.BANK: -amount_minor, Bucket.AVAILABLE: amount_minor},
            movement_key=top_up_id,
            currency_code=currency,
            gross_minor=amount_minor,
            now=now,
        )
        event = self._rows.tell(
            EventType.TOP_UP_SUCCEEDED,
            object_id=top_up_id,
            currency_code=currency,
            amount_minor=amount_minor,
            now=now,
        )
        return Done(top_up_id, (event,))

    def charge_account_fee(self, currency: str, fee_minor: int, now: datetime) -> Done[str]:
        """Charge a fee that belongs to no object (below zero: give one back); return its id.

        Raises:
            DomainError: AMOUNT_INVALID, CURRENCY_UNKNOWN.
        """
        checked_amount(abs(fee_minor), currency)
        fee_id = self._rows.next_id("fee")
        self._rows.book(
            RowType.ACCOUNT_FEE,
            {Bucket.AVAILABLE: -fee_minor},
            movement_key=fee_id,
            currency_code=currency,
            gross_minor=-fee_minor,
            now=now,
        )
        event = self._rows.tell(
            EventType.ACCOUNT_FEE_CHARGED,
            object_id=fee_id,
            currency_code=currency,
            amount_minor=-fee_minor,
            fee_minor=fee_minor,
            now=now,
        )
        return Done(fee_id, (event,))

    def _is_due(self, intent: PaymentIntent, now: datetime) -> bool:
        return (
            bool(intent.pending_rows)
            and not intent.held_back
            and intent.captured_at is not None
            and intent.captured_at + self._available_after <= now
        )

    def _make_one_available(self, intent: PaymentIntent, now: datetime) -> list[Event]:
        amount_minor = sum(row.net_minor for row in self._rows.named(intent.pending_rows))
        self._rows.mark_available(intent.pending_rows, now)
        self._intents.put(replace(intent, pending_rows=()))
        if not amount_minor:
            return []
        self._rows.book(
            RowType.AVAILABLE,
            {Bucket.PENDING: -amount_minor, Bucket.AVAILABLE: amount_minor},
            movement_key=intent.intent_id,
            reference=intent.reference,
            currency_code=intent.currency,
            gross_minor=amount_minor,
            now=now,
        )
        event = self._rows.tell(
            EventType.PAYMENT_INTENT_AVAILABLE,
            object_id=intent.intent_id,
            reference=intent.reference,
            currency_code=intent.currency,
            amount_minor=amount_minor,
            state=intent.state,
            now=now,
        )
        return [event]

    def _move_reserve(
        self, reserve: RollingReserve, movement_key: str, kept_minor: int, now: datetime
    ) -> Event:
        kept = kept_minor > 0
        self._rows.book(
            RowType.RESERVE_KEPT if kept else RowType.RESERVE_RELEASED,
            {Bucket.AVAILABLE: -kept_minor, Bucket.ROLLING_RESERVE: kept_minor},
            movement_key=movement_key,
            object_id=reserve.reserve_id,
            currency_code=reserve.currency,
            gross_minor=-kept_minor,
            now=now,
        )
        return self._rows.tell(
            EventType.RESERVE_KEPT if kept else EventType.RESERVE_RELEASED,
            object_id=reserve.reserve_id,
            movement_key=movement_key,
            currency_code=reserve.currency,
            amount_minor=abs(kept_minor),
            now=now,
        )

    def _sweep(self, sweep_id: str) -> Sweep:
        sweep = self._sweeps.get(sweep_id)
        if sweep is None:
            raise refusal(Reason.NOT_FOUND, f"There is no sweep {sweep_id}")
        return sweep

    def _tell_sweep(self, sweep: Sweep, event_type: EventType, now: datetime) -> Event:
        return self._rows.tell(
            event_type,
            object_id=sweep.sweep_id,
            currency_code=sweep.currency,
            amount_minor=sweep.amount_minor,
            state=sweep.state,
            now=now,
        )
