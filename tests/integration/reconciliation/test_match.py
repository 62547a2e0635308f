"""The matcher on worlds made by hand: classes, order of matching, carrying, lifecycle."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from services.kernel.movements import MovementKind, Pot
from services.reconciliation.domain.breaks import BreakKey, break_id
from services.reconciliation.domain.rows import Comparison
from services.reconciliation.domain.verdict import Verdict
from tests.fakes.recon_days import MONDAY, POTS, Days, Done, account, line, movement

K = MovementKind


@pytest.fixture
def days(tmp_path: Path) -> Days:
    """Days that begin with nothing."""
    return Days(tmp_path)


def methods(done: Done, comparison: str = "provider") -> Counter[str]:
    """How many rows were closed by each method."""
    return Counter(row["method"] for row in done.rows(f"{comparison}/closed.parquet"))


def test_a_day_on_which_all_agree_is_reconciled(days: Days) -> None:
    """The same capture and fee on all sides leave nothing open."""
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    days.books.both("dep/1", "fee", movement(-30, "ch1", K.CAPTURE_FEE))
    done = days.run(days.report(1, line(1, K.CAPTURE, "ch1", 1000, fee=30)))
    assert done.statement.verdict is Verdict.RECONCILED
    assert methods(done) == {"EQUAL": 4}
    assert methods(done, "booking") == {"EQUAL": 2}


def test_a_capture_that_is_not_settled_waits_and_then_is_missing(days: Days) -> None:
    """Only in the ledger: pending for three business days, then MISSING_IN_SETTLEMENT."""
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    classes = [days.run(days.report(n)).open_classes()["ch1"] for n in (1, 2, 3, 4)]
    assert classes == ["PENDING_SETTLEMENT"] * 3 + ["MISSING_IN_SETTLEMENT"]


def test_a_settled_line_that_is_not_booked_is_pending_then_missing_in_the_ledger(
    days: Days,
) -> None:
    """Only in the report, and known to the gateway: pending for a day, then MISSING_IN_LEDGER."""
    days.books.happen("dep/1", "captured", movement(1000, "ch1"))
    first = days.run(days.report(1, line(1, K.CAPTURE, "ch1", 1000)))
    assert first.open_classes() == {"ch1": "PENDING_BOOKING"}
    second = days.run(days.report(2))
    assert second.open_classes() == {"ch1": "MISSING_IN_LEDGER"}


def test_a_settled_line_that_nobody_knows_is_missing_in_the_gateway(days: Days) -> None:
    """Only in the report, and unknown to the gateway: pending, then MISSING_IN_GATEWAY."""
    days.run(days.report(1, line(1, K.CAPTURE, "ch1", 1000)))
    assert days.run(days.report(2)).open_classes() == {"ch1": "MISSING_IN_GATEWAY"}


def test_the_gateway_knows_a_movement_of_an_earlier_day(days: Days) -> None:
    """What the gateway told days ago still counts as known."""
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    days.run(days.report(1, line(1, K.CAPTURE, "ch1", 1000)))
    days.books.happen("ref/1", "succeeded", movement(-400, "re1", K.REFUND))
    days.run(days.report(2))
    days.run(days.report(3, line(1, K.REFUND, "re1", -400)))
    assert days.run(days.report(4)).open_classes() == {"re1": "MISSING_IN_LEDGER"}


def test_what_only_reports_bring_is_never_missing_in_the_gateway(days: Days) -> None:
    """A fee that was not booked is MISSING_IN_LEDGER though no event names it."""
    days.run(days.report(1, line(1, K.ACCOUNT_FEE, "", -25)))
    assert days.run(days.report(2)).open_classes() == {"txn__1": "MISSING_IN_LEDGER"}


@pytest.mark.parametrize(
    ("settled", "expected"), [(1001, "AMOUNT_OVER"), (999, "AMOUNT_UNDER"), (-5, "AMOUNT_UNDER")]
)
def test_a_different_amount_is_a_break_at_once(days: Days, settled: int, expected: str) -> None:
    """Both sides know the key with different sums: over or under, as X has more or less."""
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    done = days.run(days.report(1, line(1, K.CAPTURE, "ch1", settled)))
    assert done.open_classes() == {"ch1": expected}
    assert done.statement.verdict is Verdict.BREAKS


def test_one_key_in_two_currencies_is_a_mismatch(days: Days) -> None:
    """X in dollars and L in euros are two groups, both CURRENCY_MISMATCH."""
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    done = days.run(days.report(1, line(1, K.CAPTURE, "ch1", 1000, currency="USD")))
    breaks = done.rows("provider/breaks.parquet")
    assert [(row["currency_code"], row["class"]) for row in breaks] == [
        ("EUR", "CURRENCY_MISMATCH"),
        ("USD", "CURRENCY_MISMATCH"),
    ]


def test_an_exchange_that_is_not_booked_is_no_mismatch(days: Days) -> None:
    """Two currencies of one side only are the two sides of an exchange, each of them pending."""
    sold = line(1, K.EXCHANGE, "ex1", -1000, currency="USD")
    done = days.run(days.report(1, sold, line(2, K.EXCHANGE, "ex1", 920)))
    assert [row["class"] for row in done.rows("provider/breaks.parquet")] == ["PENDING_BOOKING"] * 2


def test_a_line_that_comes_again_is_a_duplicate(days: Days) -> None:
    """The same key in a later report, and twice in one report, is DUPLICATE_IN_REPORT at once."""
    for number in (1, 2):
        days.books.both(f"dep/{number}", "captured", movement(1000, f"ch{number}"))
    days.run(days.report(1, line(1, K.CAPTURE, "ch1", 1000)))
    again = [line(1, K.CAPTURE, "ch1", 1000)]
    twice = [line(2, K.CAPTURE, "ch2", 1000), line(3, K.CAPTURE, "ch2", 1000)]
    done = days.run(days.report(2, *again, *twice))
    assert done.open_classes() == {"ch1": "DUPLICATE_IN_REPORT", "ch2": "DUPLICATE_IN_REPORT"}


def test_a_second_booking_is_a_duplicate_in_both_comparisons(days: Days) -> None:
    """The ledger booking a closed key again is DUPLICATE_IN_LEDGER in I and in II."""
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    days.run(days.report(1, line(1, K.CAPTURE, "ch1", 1000)))
    days.books.book("dep/1", "captured", movement(1000, "ch1"))
    done = days.run(days.report(2))
    assert done.open_classes() == {"ch1": "DUPLICATE_IN_LEDGER"}
    assert done.open_classes("booking") == {"dep/1": "DUPLICATE_IN_LEDGER"}


def test_a_key_is_forgotten_after_thirteen_months(days: Days) -> None:
    """Without the run that closed it in its history, a key that comes again is only pending."""
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    days.run(days.report(1, line(1, K.CAPTURE, "ch1", 1000)))
    first = days.done.pop()
    later = days.attempt(days.report(2, line(1, K.CAPTURE, "ch1", 1000)), day=date(2027, 6, 1))
    assert later.open_classes()["ch1"] != "DUPLICATE_IN_REPORT"
    assert first.statement.verdict is Verdict.RECONCILED


def test_a_fact_that_only_the_gateway_has_is_in_flight_then_not_booked(days: Days) -> None:
    """In I the very next run must see the ledger's side, weekend or not."""
    days.books.happen("dep/1", "captured", movement(1000, "ch1"))
    saturday = MONDAY + timedelta(days=5)
    assert days.run(days.report(1), day=saturday).open_classes("booking") == {"dep/1": "IN_FLIGHT"}
    sunday = days.run(days.report(2), day=saturday + timedelta(days=1))
    assert sunday.open_classes("booking") == {"dep/1": "NOT_BOOKED"}


def test_a_posting_that_the_gateway_does_not_know_is_an_orphan(days: Days) -> None:
    """Only in the ledger: IN_FLIGHT, then ORPHAN_LEDGER."""
    days.books.book("dep/1", "captured", movement(1000, "ch1"))
    assert days.run(days.report(1)).open_classes("booking") == {"dep/1": "IN_FLIGHT"}
    assert days.run(days.report(2)).open_classes("booking") == {"dep/1": "ORPHAN_LEDGER"}


def test_clearing_is_compared_in_booking_only(days: Days) -> None:
    """A withdrawal's effect on clearing closes in I and is not looked at in II."""
    paid = (
        movement(-500, "tr1", K.WITHDRAWAL),
        movement(500, "tr1", K.WITHDRAWAL, pot=Pot.CLEARING),
    )
    days.books.both("wd/1", "paid", *paid)
    done = days.run(days.report(1, line(1, K.WITHDRAWAL, "tr1", -500)))
    assert methods(done, "booking") == {"EQUAL": 4}
    assert methods(done) == {"EQUAL": 2}
    assert done.statement.exclusions["provider L OTHER_POT"] == 1


def test_a_transaction_without_a_key_is_a_break_at_once(days: Days) -> None:
    """UNKEYED in II without a movement key, in I without object and fact; each one by itself."""
    days.books.post([(account(Pot.PROVIDER), "EUR", 70)])
    days.books.post([(account(Pot.PROVIDER), "EUR", -70)], movement_key="ch9")
    done = days.run(days.report(1))
    unkeyed = {"L 1:P:EUR": "UNKEYED", "L 2:P:EUR": "UNKEYED"}
    assert done.open_classes() == unkeyed
    assert done.open_classes("booking") == unkeyed
    assert done.statement.verdict is Verdict.BREAKS
    assert done.failed() == {}


def test_an_event_without_a_fact_is_a_break_at_once(days: Days) -> None:
    """An event that moves money and does not say why is UNKEYED in I."""
    days.books.happen("dep/1", "", movement(70, "ch1"))
    done = days.run(days.report(1))
    assert done.open_classes("booking") == {"G 1:1": "UNKEYED"}
    assert done.failed() == {}


def test_a_line_of_an_unknown_type_is_a_warning(days: Days) -> None:
    """UNCLASSIFIED blocks RECONCILED, and stays itself when days go by."""
    unknown = line(1, K.UNCLASSIFIED, "x1", 5)
    first = days.run(days.report(1, unknown))
    assert first.open_classes() == {"x1": "UNCLASSIFIED"}
    assert first.statement.verdict is Verdict.RECONCILED_WITH_WARNINGS
    assert days.run(days.report(2)).open_classes() == {"x1": "UNCLASSIFIED"}


def test_equal_amounts_are_closed_before_sums(days: Days) -> None:
    """What pairs one to one is closed, and of the rest only the difference stays."""
    for amount in (300, 200, 150):
        days.books.both("dep/1", f"captured:{amount}", movement(amount, "ch1"))
    done = days.run(days.report(1, line(1, K.CAPTURE, "ch1", 300), line(2, K.CAPTURE, "ch1", 350)))
    assert methods(done) == {"EQUAL": 2, "EQUAL_SUMS": 3}
    assert done.open_classes() == {}


def test_the_oldest_of_equal_rows_is_closed_first(days: Days) -> None:
    """Of two equal rows of one key the partner goes to the one that waited longer."""
    days.books.both("dep/1", "captured:1", movement(100, "ch1"))
    days.run(days.report(1))
    days.books.both("dep/1", "captured:2", movement(100, "ch1"))
    done = days.run(days.report(2, line(1, K.CAPTURE, "ch1", 100)))
    [left] = done.rows("provider/open.parquet")
    assert left["row_id"] == "2:P:EUR"


def test_a_round_trip_is_closed_and_listed(days: Days) -> None:
    """Rows of one side that sum to 0 cancel each other; people must have seen them."""
    done = days.run(days.report(1, line(1, K.CAPTURE, "ch1", 70), line(2, K.CAPTURE, "ch1", -70)))
    assert methods(done) == {"ROUND_TRIP": 2}
    [trip] = done.statement.round_trips
    assert (trip.key.key, trip.row_count, trip.gross_minor) == ("ch1", 2, 140)
    assert done.statement.verdict is Verdict.RECONCILED_WITH_WARNINGS


def test_rows_of_different_keys_never_meet(days: Days) -> None:
    """Equal amounts of different keys, kinds, pots or currencies stay open."""
    days.books.both("dep/1", "captured", movement(100, "ch1"))
    done = days.run(
        days.report(
            1,
            line(1, K.CAPTURE, "ch2", 100),
            line(2, K.REFUND_FAILURE, "ch1", 100),
            line(3, K.CAPTURE, "ch1", 100, currency="USD"),
        )
    )
    assert not done.rows("provider/closed.parquet")
    assert len(done.rows("provider/breaks.parquet")) == 4


def test_reports_are_not_compared_with_themselves(days: Days) -> None:
    """Kinds that only reports bring are left out of I on both sides, and counted."""
    days.books.both("acc", "fee", movement(-9, "fee1", K.ACCOUNT_FEE))
    done = days.run(days.report(1, line(1, K.ACCOUNT_FEE, "fee1", -9)))
    assert not done.rows("booking/closed.parquet")
    assert done.statement.exclusions == {
        "booking G REPORT_BOOKED": 1,
        "booking L REPORT_BOOKED": 1,
    }


def test_what_moves_no_pot_is_counted_by_rule(days: Days) -> None:
    """Events without money and money that stays in a pot are left out, by name."""
    days.books.happen("dep/1", "created")
    pending, available = [name for name, pot in POTS.items() if pot is Pot.PROVIDER][::2]
    days.books.post([(pending, "EUR", -5), (available, "EUR", 5)])
    done = days.run(days.report(1, line(1, K.CAPTURE, "ch1", 0)))
    assert done.statement.exclusions == {"S NO_MONEY": 1, "G NO_MONEY": 1, "L INTERNAL": 1}
    assert done.statement.verdict is Verdict.RECONCILED


def test_a_break_keeps_its_identity_while_its_class_changes(days: Days) -> None:
    """From pending to break to resolved it is one break with one id, date and history."""
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    seen = []
    for number in range(1, 6):
        lines = [line(1, K.CAPTURE, "ch1", 1000)] if number == 5 else []
        [row] = days.run(days.report(number, *lines)).rows("provider/breaks.parquet")
        seen.append((row["class"], row["previous_class"], row["lifecycle"]))
        key = BreakKey(Comparison.PROVIDER, Pot.PROVIDER, "ch1", "capture", "EUR")
        assert row["break_id"] == break_id(days.done[0].evidence.scope, key, 1)
        assert row["first_date"] == MONDAY
        assert row["break_date"] == MONDAY + timedelta(days=3)
    assert seen == [
        ("PENDING_SETTLEMENT", "", "NEW"),
        ("PENDING_SETTLEMENT", "PENDING_SETTLEMENT", "PERSISTING"),
        ("PENDING_SETTLEMENT", "PENDING_SETTLEMENT", "PERSISTING"),
        ("MISSING_IN_SETTLEMENT", "PENDING_SETTLEMENT", "PERSISTING"),
        ("MISSING_IN_SETTLEMENT", "MISSING_IN_SETTLEMENT", "RESOLVED"),
    ]
    assert not days.run(days.report(6)).rows("provider/breaks.parquet")


def test_a_key_that_opens_again_is_another_break(days: Days) -> None:
    """After a key was closed, its next opening has the next occurrence and another id."""
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    [first] = days.run(days.report(1)).rows("provider/breaks.parquet")
    days.run(days.report(2, line(1, K.CAPTURE, "ch1", 1000)))
    done = days.run(days.report(3, line(1, K.CAPTURE, "ch1", 1000)))
    [second] = done.rows("provider/breaks.parquet")
    assert (first["occurrence"], second["occurrence"]) == (1, 2)
    assert first["break_id"] != second["break_id"]


def test_what_is_carried_is_carried_whole(days: Days) -> None:
    """An open row is the same row on the next day, in all its columns."""
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    first = days.run(days.report(1)).rows("provider/open.parquet")
    second = days.run(days.report(2)).rows("provider/open.parquet")
    assert first == second
    assert first[0]["first_date"] == MONDAY


def test_totals_tell_how_every_row_ended(days: Days) -> None:
    """The matcher's totals count and sum each side, pot and currency by outcome."""
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    days.books.both("dep/2", "captured", movement(70, "ch2"))
    done = days.run(days.report(1, line(1, K.CAPTURE, "ch1", 1000)))
    totals = {
        (total.comparison.value, total.side.value, total.outcome): (total.count, total.net_minor)
        for total in done.matched.totals
    }
    assert totals == {
        ("booking", "G", "EQUAL"): (2, 1070),
        ("booking", "L", "EQUAL"): (2, 1070),
        ("provider", "S", "EQUAL"): (1, 1000),
        ("provider", "L", "EQUAL"): (1, 1000),
        ("provider", "L", "OPEN"): (1, 70),
    }
