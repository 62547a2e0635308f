"""Transfers to third parties: what the operator pays to players."""

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
    Reason,
    RowType,
    refusal,
)


class TransferState(StrEnum):
    """Where a transfer stands."""

    ACCEPTED = "accepted"
    PAID = "paid"
    FAILED = "failed"
    RETURNED = "returned"
    """All of it came back; a part leaves it paid."""


@dataclass(frozen=True, slots=True)
class TransferReturn:
    """Money of a paid transfer that came back; `amount_minor` in the transfer's currency."""

    return_id: str
    number: int
    amount_minor: int
    code: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer. Amounts in minor units of `currency`."""

    transfer_id: str
    reference: str
    amount_minor: int
    currency: str
    destination: str
    """The provider's token of the player's bank account or card."""
    created_at: datetime
    state: TransferState = TransferState.ACCEPTED
    code: str = ""
    """Why it failed."""
    fee_minor: int = 0
    returns: tuple[TransferReturn, ...] = ()

    @property
    def returned_minor(self) -> int:
        """How much has come back."""
        return sum(part.amount_minor for part in self.returns)


class Transfers:
    """Every transfer of one provider account.

    Each operation raises DomainError: NOT_FOUND, or STATE_WRONG where the state forbids it.
    """

    def __init__(self, rows: RowBook, fees: Fees) -> None:
        self._rows = rows
        self._fees = fees
        self._transfers: dict[str, Transfer] = {}
        self._promised: Counter[str] = Counter()

    def all(self) -> tuple[Transfer, ...]:
        """Every transfer, in the order of creation."""
        return tuple(self._transfers.values())

    def get(self, transfer_id: str) -> Transfer:
        """Return the transfer with this id."""
        transfer = self._transfers.get(transfer_id)
        if transfer is None:
            raise refusal(Reason.NOT_FOUND, f"There is no transfer {transfer_id}")
        return transfer

    def spendable_minor(self, currency_code: str) -> int:
        """Return what is available and not promised to an accepted transfer, in minor units."""
        available_minor = self._rows.buckets(currency_code)[Bucket.AVAILABLE]
        return available_minor - self._promised[currency_code]

    def create(
        self,
        key: str,
        *,
        reference: str,
        amount_minor: int,
        currency: str,
        destination: str,
        now: datetime,
    ) -> Done[Transfer]:
        """Accept a transfer; money moves when it is paid. The same key gives the same transfer.

        Raises:
            DomainError: AMOUNT_INVALID, CURRENCY_UNKNOWN, BALANCE_INSUFFICIENT, KEY_REUSED.
        """
        checked_amount(amount_minor, currency)
        arguments = (reference, amount_minor, currency, destination)
        known_id = self._rows.id_of_key("transfer", key, arguments)
        if known_id is not None:
            return Done(self._transfers[known_id], replayed=True)
        cost_minor = amount_minor + self._fees.transfer.of(amount_minor)
        if cost_minor > self.spendable_minor(currency):
            raise refusal(
                Reason.BALANCE_INSUFFICIENT, f"The available {currency} do not cover the transfer"
            )
        transfer = Transfer(
            transfer_id=self._rows.next_id("tr"),
            reference=reference,
            amount_minor=amount_minor,
            currency=currency,
            destination=destination,
            created_at=now,
        )
        self._rows.remember_key("transfer", key, arguments, transfer.transfer_id)
        self._promised[currency] += cost_minor
        self._transfers[transfer.transfer_id] = transfer
        return Done(transfer, (self._tell(transfer, EventType.TRANSFER_ACCEPTED, now),))

    def pay(self, transfer_id: str, now: datetime) -> Done[Transfer]:
        """Pay it, even after it was called failed."""
        transfer = self.get(transfer_id)
        allowed = (TransferState.ACCEPTED, TransferState.FAILED)
        checked_state(transfer_id, transfer.state, allowed, "be paid")
        self._release_promise(transfer)
        fee_minor = self._fees.transfer.of(transfer.amount_minor)
        self._book(transfer, RowType.TRANSFER, -transfer.amount_minor, fee_minor, now)
        transfer = replace(
            transfer,
            state=TransferState.PAID,
            code="",
            fee_minor=transfer.fee_minor + fee_minor,
        )
        self._transfers[transfer_id] = transfer
        event = self._tell(transfer, EventType.TRANSFER_PAID, now, fee_minor=fee_minor)
        return Done(transfer, (event,))

    def fail(self, transfer_id: str, code: str, now: datetime) -> Done[Transfer]:
        """Fail it before it was paid; the attempt may cost a fee all the same."""
        transfer = self.get(transfer_id)
        checked_state(transfer_id, transfer.state, (TransferState.ACCEPTED,), "fail")
        self._release_promise(transfer)
        fee_minor = self._fees.transfer_failure.of(transfer.amount_minor)
        fee_id = ""
        if fee_minor:
            fee_id = self._rows.next_id("fee")
            self._book(transfer, RowType.TRANSFER_FEE, -fee_minor, 0, now, fee_id)
        transfer = replace(transfer, state=TransferState.FAILED, code=code, fee_minor=fee_minor)
        self._transfers[transfer_id] = transfer
        event = self._tell(
            transfer, EventType.TRANSFER_FAILED, now, movement_key=fee_id, fee_minor=fee_minor
        )
        return Done(transfer, (event,))

    def give_back(
        self, transfer_id: str, code: str, now: datetime, amount_minor: int | None = None
    ) -> Done[Transfer]:
        """Return a paid transfer, or a part of it; together at most what was paid.

        Raises:
            DomainError: AMOUNT_INVALID, AMOUNT_TOO_LARGE, STATE_WRONG, NOT_FOUND.
        """
        transfer = self.get(transfer_id)
        checked_state(transfer_id, transfer.state, (TransferState.PAID,), "be returned")
        left_minor = transfer.amount_minor - transfer.returned_minor
        back = checked_amount(
            left_minor if amount_minor is None else amount_minor, transfer.currency
        )
        if back > left_minor:
            raise refusal(Reason.AMOUNT_TOO_LARGE, "More than was paid cannot come back")
        number = len(transfer.returns) + 1
        part = TransferReturn(f"{transfer_id}_b{number}", number, back, code)
        fee_minor = self._fees.transfer_return.of(back)
        self._book(transfer, RowType.TRANSFER_RETURN, back, fee_minor, now, part.return_id)
        transfer = replace(
            transfer,
            state=TransferState.RETURNED if back == left_minor else TransferState.PAID,
            fee_minor=transfer.fee_minor + fee_minor,
            returns=(*transfer.returns, part),
        )
        self._transfers[transfer_id] = transfer
        event = self._tell(
            transfer, EventType.TRANSFER_RETURNED, now, part=part, fee_minor=fee_minor
        )
        return Done(transfer, (event,))

    def _release_promise(self, transfer: Transfer) -> None:
        if transfer.state is TransferState.ACCEPTED:
            cost_minor = transfer.amount_minor + self._fees.transfer.of(transfer.amount_minor)
            self._promised[transfer.currency] -= cost_minor

    def _book(
        self,
        transfer: Transfer,
        row_type: RowType,
        gross_minor: int,
        fee_minor: int,
        now: datetime,
        movement_key: str = "",
    ) -> None:
        self._rows.book(
            row_type,
            {Bucket.AVAILABLE: gross_minor - fee_minor},
            movement_key=movement_key or transfer.transfer_id,
            object_id=transfer.transfer_id,
            reference=transfer.reference,
            currency_code=transfer.currency,
            gross_minor=gross_minor,
            fee_minor=fee_minor,
            now=now,
        )

    def _tell(
        self,
        transfer: Transfer,
        event_type: EventType,
        now: datetime,
        *,
        part: TransferReturn | None = None,
        movement_key: str = "",
        fee_minor: int = 0,
    ) -> Event:
        return self._rows.tell(
            event_type,
            object_id=transfer.transfer_id,
            movement_key=part.return_id if part else movement_key,
            reference=transfer.reference,
            currency_code=transfer.currency,
            amount_minor=part.amount_minor if part else transfer.amount_minor,
            fee_minor=fee_minor,
            number=part.number if part else 1,
            state=transfer.state,
            code=part.code if part else transfer.code,
            now=now,
        )
