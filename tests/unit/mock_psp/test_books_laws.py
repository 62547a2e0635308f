"""The laws of the provider's books, whatever happens in them and in whatever order."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.kernel.errors import DomainError
from services.local.mock_psp.books import (
    Books,
    Bucket,
    EventType,
    FeeRate,
    Fees,
    IntentState,
    Origin,
    RefundState,
    RowType,
    TransferState,
)
from services.local.mock_psp.books.model import INTERNAL_ROW_TYPES

T = TypeVar("T")

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
FEES = Fees(
    capture=FeeRate(140, 10),
    refund=FeeRate(0, 5),
    dispute=FeeRate(0, 1500),
    transfer=FeeRate(20, 25),
    transfer_failure=FeeRate(0, 7),
    transfer_return=FeeRate(0, 3),
)
AMOUNTS = st.integers(1, 1_000)
PICKS = st.integers(0, 7)
CURRENCIES = st.sampled_from(["EUR", "EUR", "JPY"])


def picked(objects: Sequence[T], pick: int) -> Sequence[T]:
    """Return one of the objects, or none if there are none."""
    return (objects[pick % len(objects)],) if objects else ()


class Provider(RuleBasedStateMachine):
    """Any operation, at any time, on any object; `owed` follows the money by its own sums."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.books = Books("casino", seed=3, fees=FEES, available_after=timedelta(hours=2))
        self.owed = {"EUR": 0, "JPY": 0}
        self.keys = 0
        # A machine that begins with nothing spends its steps on creating; this one begins busy.
        self.books.funds.top_up("float", "EUR", 1_000_000, self.now)
        for amount in (300, 700, 1_000):
            self.create_intent(amount, "EUR", manual=False)
            self.pay_intent(len(self.books.payment_intents.all()) - 1, 1)
            self.create_transfer(amount, "EUR")
            self.create_refund(self.keys, amount // 2, Origin.OPERATOR)
        self.open_dispute(0, inquiry=True)
        self.open_dispute(1, inquiry=False)

    def key(self) -> str:
        self.keys += 1
        return f"k{self.keys}"

    @rule(seconds=st.integers(0, 7200))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(amount=AMOUNTS, currency=CURRENCIES, manual=st.booleans())
    def create_intent(self, amount: int, currency: str, manual: bool) -> None:
        made = self.books.payment_intents.create(
            self.key(),
            reference=f"d-{self.keys}",
            amount_minor=amount,
            currency=currency,
            now=self.now,
            manual_capture=manual,
        )
        assert not made.events

    @rule(pick=PICKS, verb=st.sampled_from(["act", "wait", "decline", "cancel", "expire"]))
    def move_intent(self, pick: int, verb: str) -> None:
        intents = self.books.payment_intents
        for intent in picked(intents.all(), pick):
            with suppress(DomainError):
                match verb:
                    case "act":
                        intents.require_action(intent.intent_id, self.now)
                    case "wait":
                        intents.begin_processing(intent.intent_id, self.now)
                    case "decline":
                        intents.decline(intent.intent_id, "do_not_honour", self.now)
                    case "cancel":
                        intents.cancel(intent.intent_id, self.now)
                    case _:
                        intents.expire(intent.intent_id, self.now)

    @rule(pick=PICKS, part=AMOUNTS)
    def pay_intent(self, pick: int, part: int) -> None:
        intents = self.books.payment_intents
        for intent in picked(intents.all(), pick):
            before = intent.state
            with suppress(DomainError):
                if before is IntentState.AUTHORISED:
                    done = intents.capture(intent.intent_id, self.now, part).value
                else:
                    done = intents.confirm(intent.intent_id, self.now).value
                if done.state is IntentState.SUCCEEDED:
                    fee = (done.captured_minor * 140 + 5000) // 10000 + 10
                    self.owed[done.currency] += done.captured_minor - fee

    @rule(pick=PICKS)
    def fail_intent(self, pick: int) -> None:
        for intent in picked(self.books.payment_intents.all(), pick):
            with suppress(DomainError):
                self.books.payment_intents.fail_capture(intent.intent_id, "no_funds", self.now)
                self.owed[intent.currency] -= intent.captured_minor

    @rule(pick=PICKS, fee=st.integers(-50, 50))
    def charge_late_fee(self, pick: int, fee: int) -> None:
        for intent in picked(self.books.payment_intents.all(), pick):
            with suppress(DomainError):
                self.books.payment_intents.charge_fee(intent.intent_id, fee, self.now)
                self.owed[intent.currency] -= fee

    @rule(pick=PICKS, amount=AMOUNTS, origin=st.sampled_from(Origin))
    def create_refund(self, pick: int, amount: int, origin: Origin) -> None:
        for intent in picked(self.books.payment_intents.all(), pick):
            with suppress(DomainError):
                self.books.refunds.create(
                    self.key(),
                    intent_id=intent.intent_id,
                    amount_minor=amount,
                    reference="",
                    now=self.now,
                    origin=origin,
                )

    @rule(pick=PICKS, succeed=st.booleans())
    def move_refund(self, pick: int, succeed: bool) -> None:
        refunds = self.books.refunds
        for refund in picked(refunds.all(), pick):
            with suppress(DomainError):
                if succeed:
                    refunds.succeed(refund.refund_id, self.now)
                    self.owed[refund.currency] -= refund.amount_minor + 5
                else:
                    refunds.fail(refund.refund_id, "account_closed", self.now)
                    if refund.state is RefundState.SUCCEEDED:
                        self.owed[refund.currency] += refund.amount_minor

    @rule(pick=PICKS, inquiry=st.booleans())
    def open_dispute(self, pick: int, inquiry: bool) -> None:
        for intent in picked(self.books.payment_intents.all(), pick):
            with suppress(DomainError):
                if inquiry:
                    self.books.disputes.inquire(intent.intent_id, "fraud", self.now)
                else:
                    self.books.disputes.open(intent.intent_id, "fraud", self.now)
                    self.owed[intent.currency] -= intent.captured_minor + 1500

    @rule(pick=PICKS, verb=st.sampled_from(["take", "win", "lose", "close"]), part=AMOUNTS)
    def move_dispute(self, pick: int, verb: str, part: int) -> None:
        disputes = self.books.disputes
        for dispute in picked(disputes.all(), pick):
            with suppress(DomainError):
                match verb:
                    case "take":
                        taken = disputes.withdraw_funds(dispute.dispute_id, self.now).value
                        self.owed[dispute.currency] -= taken.amount_minor + 1500
                    case "win":
                        back = min(part, dispute.amount_minor)
                        fee = min(100, dispute.fee_minor)
                        disputes.win(dispute.dispute_id, self.now, back, fee_returned_minor=fee)
                        self.owed[dispute.currency] += back + fee
                    case "lose":
                        disputes.lose(dispute.dispute_id, self.now)
                    case _:
                        disputes.close_inquiry(dispute.dispute_id, self.now)

    @rule(amount=AMOUNTS, currency=CURRENCIES)
    def create_transfer(self, amount: int, currency: str) -> None:
        with suppress(DomainError):
            self.books.transfers.create(
                self.key(),
                reference=f"w-{self.keys}",
                amount_minor=amount,
                currency=currency,
                destination="token",
                now=self.now,
            )

    @rule(pick=PICKS, verb=st.sampled_from(["pay", "fail", "back"]), part=AMOUNTS)
    def move_transfer(self, pick: int, verb: str, part: int) -> None:
        transfers = self.books.transfers
        for transfer in picked(transfers.all(), pick):
            with suppress(DomainError):
                match verb:
                    case "pay":
                        transfers.pay(transfer.transfer_id, self.now)
                        fee = (transfer.amount_minor * 20 + 5000) // 10000 + 25
                        self.owed[transfer.currency] -= transfer.amount_minor + fee
                    case "fail":
                        transfers.fail(transfer.transfer_id, "closed", self.now)
                        self.owed[transfer.currency] -= 7
                    case _:
                        transfers.give_back(transfer.transfer_id, "R02", self.now, part)
                        self.owed[transfer.currency] += part - 3

    @rule()
    def make_available(self) -> None:
        self.books.funds.make_available(self.now)

    @rule(amount=AMOUNTS, currency=CURRENCIES)
    def keep_reserve(self, amount: int, currency: str) -> None:
        self.books.funds.keep_reserve(currency, amount, self.now)

    @rule(pick=PICKS, part=AMOUNTS)
    def release_reserve(self, pick: int, part: int) -> None:
        for reserve in picked(self.books.funds.reserves(), pick):
            with suppress(DomainError):
                self.books.funds.release_reserve(reserve.reserve_id, self.now, part)

    @rule(currency=CURRENCIES)
    def sweep(self, currency: str) -> None:
        self.books.funds.sweep(currency, self.now)
        assert self.books.buckets(currency)[Bucket.AVAILABLE] == 0

    @rule(pick=PICKS, lands=st.booleans())
    def move_sweep(self, pick: int, lands: bool) -> None:
        for sweep in picked(self.books.funds.sweeps(), pick):
            with suppress(DomainError):
                if lands:
                    self.books.funds.land_sweep(sweep.sweep_id, self.now, bank_fee_minor=2)
                    self.owed[sweep.currency] -= 2
                else:
                    self.books.funds.fail_sweep(sweep.sweep_id, self.now)

    @rule(amount=AMOUNTS, currency=CURRENCIES)
    def top_up(self, amount: int, currency: str) -> None:
        self.books.funds.top_up(self.key(), currency, 100 * amount, self.now)

    @rule(fee=st.integers(-500, 500).filter(bool), currency=CURRENCIES)
    def charge_account_fee(self, fee: int, currency: str) -> None:
        self.books.funds.charge_account_fee(currency, fee, self.now)
        self.owed[currency] -= fee

    @invariant()
    def buckets_are_sums_of_rows(self) -> None:
        """Nothing but a row changes a bucket."""
        for currency in ("EUR", "JPY"):
            sums = dict.fromkeys(Bucket, 0)
            for row in self.books.rows:
                if row.currency == currency:
                    for bucket, change in row.changes:
                        sums[bucket] += change
            assert sums == self.books.buckets(currency)

    @invariant()
    def money_is_conserved(self) -> None:
        """All buckets together hold what players and the operator paid in, less what went out."""
        for currency, owed in self.owed.items():
            assert sum(self.books.buckets(currency).values()) == owed

    @invariant()
    def a_reported_row_changes_the_balance_by_its_net(self) -> None:
        """What a report would list of a row is what it did to pending and available together."""
        for row in self.books.rows:
            balance = sum(
                change
                for bucket, change in row.changes
                if bucket in (Bucket.PENDING, Bucket.AVAILABLE)
            )
            assert balance == (0 if row.row_type in INTERNAL_ROW_TYPES else row.net_minor)

    @invariant()
    def available_is_what_became_available(self) -> None:
        """Pending holds exactly the rows without a time of availability."""
        for currency in ("EUR", "JPY"):
            pending = sum(
                row.net_minor
                for row in self.books.rows
                if row.currency == currency and row.available_at is None
            )
            assert pending == self.books.buckets(currency)[Bucket.PENDING]

    @invariant()
    def every_sweep_ties(self) -> None:
        """The rows of a sweep, its own among them, sum to zero."""
        sums: dict[str, int] = {}
        for row in self.books.rows:
            if row.sweep_id:
                sums[row.sweep_id] = sums.get(row.sweep_id, 0) + row.net_minor
        assert set(sums.values()) <= {0}

    @invariant()
    def promises_are_what_is_accepted(self) -> None:
        """What cannot be spent is exactly the cost of the transfers that wait for their end."""
        for currency in ("EUR", "JPY"):
            promised = sum(
                one.amount_minor + FEES.transfer.of(one.amount_minor)
                for one in self.books.transfers.all()
                if one.currency == currency and one.state is TransferState.ACCEPTED
            )
            available = self.books.buckets(currency)[Bucket.AVAILABLE]
            assert self.books.transfers.spendable_minor(currency) == available - promised

    @invariant()
    def a_dispute_gives_back_at_most_what_it_took(self) -> None:
        """Each round took money once, and gave back nothing that it had not taken."""
        rows = self.books.rows
        taken = {
            row.movement_key: -row.gross_minor for row in rows if row.row_type is RowType.DISPUTE
        }
        for row in rows:
            if row.row_type is RowType.DISPUTE_REVERSAL:
                assert row.gross_minor <= taken[row.movement_key]
        assert len(taken) == sum(one.round_number for one in self.books.disputes.all())

    @invariant()
    def every_money_event_has_its_row(self) -> None:
        """A key of a succeeded, paid or returned event is the key of a row of that amount."""
        told = {
            EventType.PAYMENT_INTENT_SUCCEEDED: RowType.PAYMENT,
            EventType.REFUND_SUCCEEDED: RowType.REFUND,
            EventType.DISPUTE_FUNDS_WITHDRAWN: RowType.DISPUTE,
            EventType.TRANSFER_PAID: RowType.TRANSFER,
            EventType.TRANSFER_RETURNED: RowType.TRANSFER_RETURN,
        }
        rows = {(row.row_type, row.movement_key): row for row in self.books.rows}
        for event in self.books.events:
            if event.event_type in told:
                row = rows[told[event.event_type], event.movement_key]
                assert abs(row.gross_minor) == event.amount_minor
                assert row.fee_minor == event.fee_minor


TestProvider = Provider.TestCase
TestProvider.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)
