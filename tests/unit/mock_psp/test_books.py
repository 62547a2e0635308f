"""Stories of single objects in the provider's books."""

from datetime import UTC, datetime, timedelta

import pytest

from services.kernel.errors import DomainError
from services.local.mock_psp.books import (
    Books,
    Bucket,
    EventType,
    FeeRate,
    Fees,
    IntentState,
    Origin,
    PaymentIntent,
    Reason,
    RefundState,
    RowType,
    TransferState,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def deposited(books: Books, amount_minor: int = 10_000, key: str = "k") -> PaymentIntent:
    intent = books.payment_intents.create(
        key, reference=f"d-{key}", amount_minor=amount_minor, currency="EUR", now=NOW
    ).value
    return books.payment_intents.confirm(intent.intent_id, NOW).value


def funded(fees: Fees | None = None, amount_minor: int = 10_000) -> Books:
    books = Books("casino", fees=fees)
    books.funds.top_up("float", "EUR", amount_minor, NOW)
    return books


def transferred(books: Books, amount_minor: int = 4_000) -> str:
    return books.transfers.create(
        "t",
        reference="w-1",
        amount_minor=amount_minor,
        currency="EUR",
        destination="iban_token",
        now=NOW,
    ).value.transfer_id


def reason_of(error: pytest.ExceptionInfo[DomainError]) -> str:
    return error.value.reason


def test_a_payment_is_pending_until_it_is_due() -> None:
    """Captured money, less its fee, is pending for the configured time and available after it."""
    books = Books("casino", fees=Fees(capture=FeeRate(150, 10)), available_after=timedelta(days=1))
    deposited(books)

    assert books.funds.make_available(NOW + timedelta(hours=23)).value == 0
    assert books.buckets("EUR")[Bucket.PENDING] == 10_000 - 160
    done = books.funds.make_available(NOW + timedelta(days=1))

    assert books.buckets("EUR")[Bucket.PENDING] == 0
    assert books.buckets("EUR")[Bucket.AVAILABLE] == 9_840
    assert [event.event_type for event in done.events] == [EventType.PAYMENT_INTENT_AVAILABLE]
    assert done.events[0].amount_minor == 9_840


def test_the_same_key_makes_one_object() -> None:
    """A repeated create answers with what stands now, tells nothing and books nothing."""
    books = Books("casino")
    first = deposited(books)

    again = books.payment_intents.create(
        "k", reference="d-k", amount_minor=10_000, currency="EUR", now=NOW
    )

    assert again.replayed
    assert again.value == first
    assert again.events == ()
    assert len(books.rows) == 1


def test_a_key_belongs_to_its_arguments() -> None:
    """The same key with another amount is refused and changes nothing."""
    books = Books("casino")
    deposited(books)

    with pytest.raises(DomainError) as error:
        books.payment_intents.create(
            "k", reference="d-k", amount_minor=9_999, currency="EUR", now=NOW
        )

    assert reason_of(error) == Reason.KEY_REUSED
    assert len(books.payment_intents.all()) == 1


def test_the_same_steps_give_the_same_ids() -> None:
    """Two books with one seed are equal row by row; another seed gives other ids."""
    one, two, other = Books("casino", seed=1), Books("casino", seed=1), Books("casino", seed=2)
    for books in (one, two, other):
        deposited(books)

    assert one.rows == two.rows
    assert one.events == two.events
    assert one.rows[0].row_id != other.rows[0].row_id


def test_a_declined_player_may_pay_with_the_next_card() -> None:
    """A payment that succeeds after a decline is told as such."""
    books = Books("casino")
    intent = books.payment_intents.create(
        "k", reference="d", amount_minor=500, currency="EUR", now=NOW
    ).value
    books.payment_intents.decline(intent.intent_id, "insufficient_funds", NOW)

    books.payment_intents.confirm(intent.intent_id, NOW)

    assert [event.event_type for event in books.events] == [
        EventType.PAYMENT_INTENT_DECLINED,
        EventType.PAYMENT_INTENT_SUCCEEDED,
    ]


def test_a_capture_by_hand_may_be_partial() -> None:
    """Only what is captured is booked, and never more than was authorised."""
    books = Books("casino")
    intent = books.payment_intents.create(
        "k", reference="d", amount_minor=500, currency="EUR", now=NOW, manual_capture=True
    ).value
    books.payment_intents.confirm(intent.intent_id, NOW)
    assert books.rows == ()

    with pytest.raises(DomainError) as error:
        books.payment_intents.capture(intent.intent_id, NOW, 501)
    assert reason_of(error) == Reason.AMOUNT_TOO_LARGE
    books.payment_intents.capture(intent.intent_id, NOW, 300)

    assert books.buckets("EUR")[Bucket.PENDING] == 300


@pytest.mark.parametrize("available", [False, True])
def test_a_failed_payment_leaves_by_the_side_where_it_lies(available: bool) -> None:
    """A capture that fails later, and a late fee, are taken where the payment's money is."""
    books = Books("casino")
    intent = deposited(books)
    if available:
        books.funds.make_available(NOW)

    books.payment_intents.charge_fee(intent.intent_id, 40, NOW)
    failed = books.payment_intents.fail_capture(intent.intent_id, "no_funds", NOW).value

    side = Bucket.AVAILABLE if available else Bucket.PENDING
    assert failed.state is IntentState.FAILED
    assert books.buckets("EUR")[side] == -40


def test_a_refund_moves_money_when_it_succeeds() -> None:
    """A pending refund moves nothing; one that fails before it succeeded never does."""
    books = Books("casino")
    intent = deposited(books)
    refund = books.refunds.create(
        "r", intent_id=intent.intent_id, amount_minor=10_000, reference="r-1", now=NOW
    ).value
    assert len(books.rows) == 1

    failed = books.refunds.fail(refund.refund_id, "account_closed", NOW).value

    assert failed.state is RefundState.FAILED
    assert len(books.rows) == 1
    assert books.refunds.refundable_minor(intent.intent_id) == 10_000


def test_a_refund_that_fails_after_success_comes_back() -> None:
    """The money of a refund that failed later is available again and can be refunded again."""
    books = Books("casino", fees=Fees(refund=FeeRate(0, 5)))
    intent = deposited(books)
    refund = books.refunds.create(
        "r", intent_id=intent.intent_id, amount_minor=4_000, reference="r-1", now=NOW
    ).value
    books.refunds.succeed(refund.refund_id, NOW)
    assert books.buckets("EUR")[Bucket.AVAILABLE] == -4_005

    failed = books.refunds.fail(refund.refund_id, "account_closed", NOW).value

    assert failed.state is RefundState.FAILED_AFTER_SUCCESS
    assert books.buckets("EUR")[Bucket.AVAILABLE] == -5
    assert books.refunds.refundable_minor(intent.intent_id) == 10_000


def test_refunds_together_stay_within_the_payment() -> None:
    """What pending and succeeded refunds take cannot be refunded once more."""
    books = Books("casino")
    intent = deposited(books)
    books.refunds.create(
        "r1", intent_id=intent.intent_id, amount_minor=6_000, reference="", now=NOW
    )

    with pytest.raises(DomainError) as error:
        books.refunds.create(
            "r2", intent_id=intent.intent_id, amount_minor=4_001, reference="", now=NOW
        )

    assert reason_of(error) == Reason.AMOUNT_TOO_LARGE


def test_a_refund_of_the_providers_says_so() -> None:
    """An event of a refund that the operator did not ask for names its origin."""
    books = Books("casino")
    intent = deposited(books)
    refund = books.refunds.create(
        "r",
        intent_id=intent.intent_id,
        amount_minor=100,
        reference="",
        now=NOW,
        origin=Origin.PROVIDER,
    ).value

    event = books.refunds.succeed(refund.refund_id, NOW).events[0]

    assert event.origin is Origin.PROVIDER
    assert event.parent_id == intent.intent_id


def test_an_inquiry_moves_no_money() -> None:
    """An inquiry may be closed without a row, or take the money as round one."""
    books = Books("casino")
    intent = deposited(books)
    closed = books.disputes.inquire(intent.intent_id, "unrecognised", NOW).value
    books.disputes.close_inquiry(closed.dispute_id, NOW)
    taken = books.disputes.inquire(intent.intent_id, "fraud", NOW).value
    assert len(books.rows) == 1

    done = books.disputes.withdraw_funds(taken.dispute_id, NOW)

    assert done.value.round_number == 1
    assert books.buckets("EUR")[Bucket.AVAILABLE] == -10_000


def test_a_dispute_won_in_part_is_lost_again() -> None:
    """A second round takes what the first gave back, under a key of its own."""
    books = Books("casino", fees=Fees(dispute=FeeRate(0, 1500)))
    intent = deposited(books)
    dispute = books.disputes.open(intent.intent_id, "fraud", NOW).value
    books.disputes.win(dispute.dispute_id, NOW, 7_000, fee_returned_minor=1500)
    assert books.buckets("EUR")[Bucket.AVAILABLE] == -10_000 - 1_500 + 7_000 + 1_500

    second = books.disputes.withdraw_funds(dispute.dispute_id, NOW)
    books.disputes.lose(dispute.dispute_id, NOW)

    assert second.events[0].amount_minor == 7_000
    assert second.events[0].number == 2
    assert books.buckets("EUR")[Bucket.AVAILABLE] == -10_000 - 1_500
    keys = [row.movement_key for row in books.rows if row.row_type is RowType.DISPUTE]
    assert len(set(keys)) == 2


def test_a_lost_dispute_may_be_reinstated() -> None:
    """Money that a lost dispute kept can still come back."""
    books = Books("casino")
    dispute = books.disputes.open(deposited(books).intent_id, "fraud", NOW).value
    books.disputes.lose(dispute.dispute_id, NOW)

    books.disputes.win(dispute.dispute_id, NOW)

    assert books.buckets("EUR")[Bucket.AVAILABLE] == 0


def test_a_transfer_needs_the_balance() -> None:
    """What accepted transfers will cost is not spent twice; a refused one leaves nothing."""
    books = funded(Fees(transfer=FeeRate(0, 100)))
    transferred(books, 9_000)

    with pytest.raises(DomainError) as error:
        books.transfers.create(
            "t2", reference="w", amount_minor=801, currency="EUR", destination="x", now=NOW
        )

    assert reason_of(error) == Reason.BALANCE_INSUFFICIENT
    assert books.transfers.spendable_minor("EUR") == 900
    assert len(books.transfers.all()) == 1


def test_a_failed_transfer_gives_its_promise_back() -> None:
    """A failed transfer costs its fee and nothing else."""
    books = funded(Fees(transfer_failure=FeeRate(0, 7)))
    transfer_id = transferred(books)

    books.transfers.fail(transfer_id, "account_closed", NOW)

    assert books.transfers.spendable_minor("EUR") == 10_000 - 7


def test_a_transfer_may_be_paid_after_it_failed() -> None:
    """The late success is told and moves the money."""
    books = funded()
    transfer_id = transferred(books)
    books.transfers.fail(transfer_id, "timeout", NOW)

    books.transfers.pay(transfer_id, NOW)

    assert books.buckets("EUR")[Bucket.AVAILABLE] == 6_000
    assert books.events[-1].event_type is EventType.TRANSFER_PAID


def test_returns_come_back_in_parts_up_to_the_whole() -> None:
    """Each return has a key of its own; the last part ends the transfer; no more can come."""
    books = funded()
    transfer_id = transferred(books)
    books.transfers.pay(transfer_id, NOW)

    part = books.transfers.give_back(transfer_id, "R02", NOW, 1_000)
    rest = books.transfers.give_back(transfer_id, "R02", NOW)

    assert part.value.state is TransferState.PAID
    assert rest.value.state is TransferState.RETURNED
    assert [part.events[0].number, rest.events[0].number] == [1, 2]
    assert part.events[0].movement_key != rest.events[0].movement_key
    assert books.buckets("EUR")[Bucket.AVAILABLE] == 10_000


def test_a_rolling_reserve_is_released_in_parts() -> None:
    """What is kept leaves the available balance and returns to it, never more than was kept."""
    books = funded()
    reserve = books.funds.keep_reserve("EUR", 1_000, NOW).value
    books.funds.release_reserve(reserve.reserve_id, NOW, 400)
    assert books.buckets("EUR")[Bucket.ROLLING_RESERVE] == 600

    with pytest.raises(DomainError) as error:
        books.funds.release_reserve(reserve.reserve_id, NOW, 601)

    assert reason_of(error) == Reason.AMOUNT_TOO_LARGE


def test_a_sweep_goes_to_the_bank_and_may_come_back() -> None:
    """A failed sweep, even one from the bank, is available again and swept anew."""
    books = funded()
    sweep = books.funds.sweep("EUR", NOW).value
    assert sweep is not None
    books.funds.land_sweep(sweep.sweep_id, NOW, bank_fee_minor=25)
    books.funds.fail_sweep(sweep.sweep_id, NOW)

    again = books.funds.sweep("EUR", NOW).value

    assert again is not None
    assert again.amount_minor == 10_000
    assert books.buckets("EUR") == {
        Bucket.PENDING: 0,
        Bucket.AVAILABLE: 0,
        Bucket.IN_TRANSIT: 10_000,
        Bucket.ROLLING_RESERVE: 0,
        Bucket.BANK: -10_000 - 25,
    }


def test_a_sweep_below_zero_collects() -> None:
    """A balance that the operator owes is swept with its sign; a balance of zero is not swept."""
    books = Books("casino")
    books.funds.charge_account_fee("EUR", 300, NOW)

    sweep = books.funds.sweep("EUR", NOW).value

    assert sweep is not None
    assert sweep.amount_minor == -300
    assert books.funds.sweep("EUR", NOW).value is None


def test_faults_change_what_is_booked_and_not_what_was_told() -> None:
    """A misbooked, a held back, a repeated and a stray payment differ from the events sent."""
    books = Books("casino")
    intent = books.payment_intents.create(
        "m", reference="m", amount_minor=1_000, currency="EUR", now=NOW
    ).value
    told = books.faults.misbook(intent.intent_id, -1, NOW).events[0]
    held, repeated = deposited(books, 2_000, "h"), deposited(books, 3_000, "r")

    books.faults.hold_back(held.intent_id)
    books.faults.book_again(repeated.intent_id, NOW)
    books.faults.book_stray(reference="nobody", amount_minor=50, currency="EUR", now=NOW)
    books.funds.make_available(NOW)

    assert told.amount_minor == 1_000
    assert books.buckets("EUR")[Bucket.PENDING] == 2_000
    assert books.buckets("EUR")[Bucket.AVAILABLE] == 999 + 6_000 + 50
    assert sum(one.event_type is EventType.PAYMENT_INTENT_SUCCEEDED for one in books.events) == 3


@pytest.mark.parametrize(
    ("amount_minor", "currency", "reason"),
    [
        (0, "EUR", Reason.AMOUNT_INVALID),
        (-1, "EUR", Reason.AMOUNT_INVALID),
        (2**63, "EUR", Reason.AMOUNT_INVALID),
        (1, "EURO", Reason.CURRENCY_UNKNOWN),
    ],
)
def test_an_impossible_amount_is_refused(amount_minor: int, currency: str, reason: Reason) -> None:
    """An amount is positive, fits 64 bits, and its currency is of the registry."""
    books = Books("casino")

    with pytest.raises(DomainError) as error:
        books.payment_intents.create(
            "k", reference="d", amount_minor=amount_minor, currency=currency, now=NOW
        )

    assert reason_of(error) == reason
    assert books.payment_intents.all() == ()


def test_a_wrong_state_changes_nothing() -> None:
    """Nothing can be done to an object whose state forbids it, and unknown ids are not found."""
    books = funded()
    intent = deposited(books)
    transfer_id = transferred(books)
    before = (books.rows, books.events)

    attempts = [
        lambda: books.payment_intents.confirm(intent.intent_id, NOW),
        lambda: books.payment_intents.cancel(intent.intent_id, NOW),
        lambda: books.payment_intents.decline(intent.intent_id, "late", NOW),
        lambda: books.transfers.give_back(transfer_id, "R02", NOW),
        lambda: books.disputes.get("dp_none"),
        lambda: books.refunds.succeed("re_none", NOW),
    ]

    for attempt in attempts:
        with pytest.raises(DomainError) as error:
            attempt()
        assert reason_of(error) in {Reason.STATE_WRONG, Reason.NOT_FOUND}
    assert (books.rows, books.events) == before
