"""The provider's own books of one provider account: pure, deterministic, driven step by step.

Money lies in five buckets a currency, and only rows change them: a bucket is always the sum of its
rows. Every operation takes the time and answers with what it made and with the events (webhooks)
that a provider would send for it, in the order in which they happened.

    books = Books("casino-main", seed=7)
    intent = books.payment_intents.create("k1", reference="d-1", amount_minor=5000,
                                          currency="EUR", now=now).value
    captured = books.payment_intents.confirm(intent.intent_id, now)
    captured.events[0].event_type  # payment_intent.succeeded
    books.buckets("EUR")[Bucket.PENDING]  # 5000 less the fee
"""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import blake2b

from services.local.mock_psp.books.core import RowBook
from services.local.mock_psp.books.disputes import Dispute, Disputes, DisputeState
from services.local.mock_psp.books.faults import Faults
from services.local.mock_psp.books.funds import Funds, ReserveRelease, RollingReserve, Sweep
from services.local.mock_psp.books.model import (
    Bucket,
    Done,
    Event,
    EventType,
    FeeRate,
    Fees,
    Origin,
    Reason,
    Row,
    RowType,
)
from services.local.mock_psp.books.payment_intents import IntentState, PaymentIntent, PaymentIntents
from services.local.mock_psp.books.refunds import Refund, Refunds, RefundState
from services.local.mock_psp.books.transfers import (
    Transfer,
    TransferReturn,
    Transfers,
    TransferState,
)

__all__ = [
    "Books",
    "Bucket",
    "Dispute",
    "DisputeState",
    "Done",
    "Event",
    "EventType",
    "FeeRate",
    "Fees",
    "IntentState",
    "Origin",
    "PaymentIntent",
    "Reason",
    "Refund",
    "RefundState",
    "ReserveRelease",
    "RollingReserve",
    "Row",
    "RowType",
    "Sweep",
    "Transfer",
    "TransferReturn",
    "TransferState",
]


class Books:
    """All that a provider knows of one provider account, in every currency.

    Args:
        provider_account: its name; part of every id that the books give.
        seed: ids are derived from it, so that the same steps give the same ids.
        fees: what the provider charges, by kind.
        available_after: how long captured money stays pending.
    """

    def __init__(
        self,
        provider_account: str,
        *,
        seed: int = 0,
        fees: Fees | None = None,
        available_after: timedelta = timedelta(0),
    ) -> None:
        self.provider_account = provider_account
        self.fees = fees or Fees()
        self._rows = RowBook(provider_account, seed)
        self.payment_intents = PaymentIntents(self._rows, self.fees)
        self.refunds = Refunds(self._rows, self.fees, self.payment_intents)
        self.disputes = Disputes(self._rows, self.fees, self.payment_intents)
        self.transfers = Transfers(self._rows, self.fees)
        self.funds = Funds(self._rows, self.payment_intents, available_after)
        self.faults = Faults(self._rows, self.payment_intents)

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every row, in the order in which it was booked."""
        return self._rows.rows

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event that an operation answered with, in order."""
        return tuple(self._rows.events)

    @property
    def currencies(self) -> tuple[str, ...]:
        """The codes of all currencies with a row, sorted."""
        return self._rows.currencies

    def buckets(self, currency_code: str) -> Mapping[Bucket, int]:
        """Return what lies in each bucket, in minor units of the currency."""
        return self._rows.buckets(currency_code)

    def digest(self) -> str:
        """Return a short text that differs where the money, or the number of ids given, does."""
        held = [(code, *self.buckets(code).values()) for code in self.currencies]
        return blake2b(f"{self._rows.ids}/{held}".encode(), digest_size=8).hexdigest()
