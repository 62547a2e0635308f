"""The rows and what follows from them: buckets, ids, keys, events."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b

from services.kernel.invariant import invariant
from services.kernel.money import INT64_MAX, UnknownCurrencyError, currency
from services.local.mock_psp.books.model import (
    Bucket,
    Event,
    EventType,
    Origin,
    Reason,
    Row,
    RowType,
    refusal,
)


class RowBook:
    """Rows of one provider account. It knows nothing of what they mean."""

    def __init__(self, provider_account: str, seed: int) -> None:
        self._id_salt = f"{seed}/{provider_account}/"
        self._ids = 0
        self._rows: list[Row] = []
        self._index: dict[str, int] = {}
        self._sums: Counter[tuple[str, Bucket]] = Counter()
        self._keys: dict[tuple[str, str], tuple[object, str]] = {}
        self.events: list[Event] = []

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every row, in the order in which it was booked."""
        return tuple(self._rows)

    @property
    def ids(self) -> int:
        """How many ids were given."""
        return self._ids

    @property
    def currencies(self) -> tuple[str, ...]:
        """The codes of all currencies with a row, sorted."""
        return tuple(sorted({code for code, _ in self._sums}))

    def buckets(self, currency_code: str) -> Mapping[Bucket, int]:
        """Return what lies in each bucket of the currency, in minor units."""
        return {bucket: self._sums[currency_code, bucket] for bucket in Bucket}

    def next_id(self, prefix: str) -> str:
        """Return the next id: it looks random, and the same steps from the same seed give it."""
        self._ids += 1
        digest = blake2b(f"{self._id_salt}{self._ids}".encode(), digest_size=8).hexdigest()
        return f"{prefix}_{digest}"

    def id_of_key(self, kind: str, key: str, arguments: object) -> str | None:
        """Return the id that was made for this key; None if the key is new.

        Raises:
            DomainError: KEY_REUSED, the key was used with other arguments.
        """
        known = self._keys.get((kind, key))
        if known is None:
            return None
        if known[0] != arguments:
            raise refusal(Reason.KEY_REUSED, f"The key {key} was used with another request")
        return known[1]

    def remember_key(self, kind: str, key: str, arguments: object, made_id: str) -> None:
        """Keep what was made for this key, for ever."""
        self._keys[kind, key] = (arguments, made_id)

    def book(
        self,
        row_type: RowType,
        changes: Mapping[Bucket, int],
        *,
        movement_key: str,
        currency_code: str,
        gross_minor: int,
        now: datetime,
        fee_minor: int = 0,
        object_id: str = "",
        parent_id: str = "",
        reference: str = "",
    ) -> Row:
        """Add a row and change the buckets; with a change of pending it is not available yet."""
        pending = Bucket.PENDING in changes and Bucket.AVAILABLE not in changes
        row = Row(
            row_id=self.next_id("row"),
            row_type=row_type,
            movement_key=movement_key,
            object_id=object_id or movement_key,
            parent_id=parent_id,
            reference=reference,
            currency=currency_code,
            gross_minor=gross_minor,
            fee_minor=fee_minor,
            changes=tuple(changes.items()),
            created_at=now,
            available_at=None if pending else now,
        )
        self._index[row.row_id] = len(self._rows)
        self._rows.append(row)
        for bucket, change_minor in row.changes:
            self._sums[currency_code, bucket] += change_minor
        return row

    def named(self, row_ids: Collection[str]) -> tuple[Row, ...]:
        """Return the rows with these ids."""
        return tuple(self._rows[self._index[row_id]] for row_id in row_ids)

    def mark_available(self, row_ids: Collection[str], now: datetime) -> None:
        """Say that the money of these rows, which was pending, is available."""
        for row_id in row_ids:
            at = self._index[row_id]
            invariant(self._rows[at].available_at is None, "a row becomes available once")
            self._rows[at] = replace(self._rows[at], available_at=now)

    def mark_swept(self, row_ids: Collection[str], sweep_id: str) -> None:
        """Say which sweep took these rows."""
        for row_id in row_ids:
            at = self._index[row_id]
            self._rows[at] = replace(self._rows[at], sweep_id=sweep_id)

    def tell(
        self,
        event_type: EventType,
        *,
        object_id: str,
        currency_code: str,
        amount_minor: int,
        now: datetime,
        movement_key: str = "",
        parent_id: str = "",
        reference: str = "",
        fee_minor: int = 0,
        number: int = 1,
        state: StrEnum | None = None,
        code: str = "",
        origin: Origin = Origin.OPERATOR,
    ) -> Event:
        """Make an event and keep it in the log."""
        event = Event(
            event_id=self.next_id("evt"),
            event_type=event_type,
            created_at=now,
            object_id=object_id,
            movement_key=movement_key or object_id,
            parent_id=parent_id,
            reference=reference,
            currency=currency_code,
            amount_minor=amount_minor,
            fee_minor=fee_minor,
            number=number,
            state=str(state or ""),
            code=code,
            origin=origin,
        )
        self.events.append(event)
        return event


def checked_amount(amount_minor: int, currency_code: str) -> int:
    """Return the amount if it is positive, fits int64, and its currency is known.

    Raises:
        DomainError: AMOUNT_INVALID or CURRENCY_UNKNOWN.
    """
    try:
        currency(currency_code)
    except UnknownCurrencyError as error:
        raise refusal(Reason.CURRENCY_UNKNOWN, str(error)) from error
    if not 0 < amount_minor <= INT64_MAX:
        raise refusal(Reason.AMOUNT_INVALID, "An amount is positive and fits 64 bits")
    return amount_minor


def checked_state(object_id: str, state: StrEnum, allowed: Collection[StrEnum], verb: str) -> None:
    """Let an operation go on only from one of the states that allow it.

    Raises:
        DomainError: STATE_WRONG.
    """
    if state not in allowed:
        raise refusal(Reason.STATE_WRONG, f"{object_id} is {state} and cannot {verb}")
