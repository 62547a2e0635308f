"""How sources become rows."""

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from services.formats.report import ReportLine
from services.kernel.movements import MovementKind, Pot
from services.reconciliation.domain.inputs import GatewayEvent, LedgerEntry, LedgerTransaction
from services.reconciliation.domain.staging import (
    gateway_rows,
    ledger_rows,
    settlement_rows,
    totals_of,
)
from tests.fakes.recon_days import NOON, POTS, Days, line, movement

K = MovementKind


def effects(report_line: ReportLine) -> list[tuple[str, str, str, int]]:
    """Pot, kind, currency and amount of each row of a line."""
    return [
        (row.pot, row.movement_kind, row.currency_code, row.amount_minor)
        for row in settlement_rows(1, report_line)
    ]


def test_a_line_is_a_movement_and_a_fee() -> None:
    """A capture gives its gross and, under the fee kind of captures, minus its fee."""
    assert effects(line(1, K.CAPTURE, "ch", 1000, fee=30)) == [
        ("P", "capture", "EUR", 1000),
        ("P", "capture_fee", "EUR", -30),
    ]


def test_a_line_without_a_fee_has_no_fee_row() -> None:
    """What is 0 moves nothing and is no row."""
    assert effects(line(1, K.REFUND, "re", -400)) == [("P", "refund", "EUR", -400)]


def test_a_fee_of_a_kind_without_a_fee_kind_belongs_to_the_account() -> None:
    """A fee on a sweep is an account fee."""
    assert ("P", "account_fee", "EUR", -25) in effects(line(1, K.SWEEP, "po", -900, fee=25))


def test_a_sweep_leaves_the_provider_for_transit() -> None:
    """A sweep N is P -N and T +N, under its own sweep key."""
    rows = settlement_rows(1, line(1, K.SWEEP, "po", -900))
    assert [(row.pot, row.amount_minor, row.sweep_key) for row in rows] == [
        ("P", -900, "po"),
        ("T", 900, "po"),
    ]


def test_a_rolling_reserve_moves_between_two_pots() -> None:
    """What is kept back leaves P for R, and what is released comes back."""
    assert effects(line(1, K.ROLLING_RESERVE, "rr", -50)) == [
        ("P", "rolling_reserve", "EUR", -50),
        ("R", "rolling_reserve", "EUR", 50),
    ]
    assert effects(line(1, K.ROLLING_RESERVE_RELEASE, "rr", 50))[1] == (
        "R",
        "rolling_reserve_release",
        "EUR",
        -50,
    )


def test_a_line_in_two_currencies_has_both_sides_of_the_exchange() -> None:
    """The gross leaves in its currency, and net plus fee comes in the other."""
    exchanged = replace(line(1, K.CAPTURE, "ch", 1000, fee=20), gross_currency="USD", net_minor=900)
    assert effects(exchanged) == [
        ("P", "capture", "USD", 1000),
        ("P", "capture_fee", "EUR", -20),
        ("P", "exchange", "USD", -1000),
        ("P", "exchange", "EUR", 920),
    ]


def test_an_unknown_type_gives_its_net_in_one_row() -> None:
    """What a type that we do not know means is not guessed."""
    unknown = replace(line(1, K.UNCLASSIFIED, "", 100, fee=7), row_id="txn_9")
    [row] = settlement_rows(4, unknown)
    assert (row.movement_kind, row.amount_minor) == ("unclassified", 93)
    assert row.movement_key == "txn_9"


@given(
    kind=st.sampled_from(sorted(K)),
    gross=st.integers(-(10**9), 10**9),
    fee=st.integers(-(10**6), 10**6),
    net=st.integers(-(10**9), 10**9),
    foreign=st.booleans(),
)
def test_rows_on_the_provider_pot_sum_to_the_net(
    kind: MovementKind, gross: int, fee: int, net: int, foreign: bool
) -> None:
    """Whatever the line, its rows on P sum to its net in its net currency and to 0 in others."""
    made = line(1, kind, "key", gross, fee=fee)
    if foreign:
        made = replace(made, gross_currency="USD", net_minor=net)
    sums = {"EUR": 0, "USD": 0}
    for row in settlement_rows(1, made):
        if row.pot == Pot.PROVIDER:
            sums[row.currency_code] += row.amount_minor
    assert sums == {"EUR": made.net_minor, "USD": 0}


def test_row_ids_are_unique_even_for_a_doubled_line() -> None:
    """Two lines with the provider's same row id are two rows: the second is what must be found."""
    once = line(1, K.CAPTURE, "ch", 1000, fee=30)
    again = replace(once, line_number=2)
    ids = [row.row_id for each in (once, again) for row in settlement_rows(3, each)]
    assert ids == ["3:1:movement", "3:1:fee", "3:2:movement", "3:2:fee"]


def test_an_event_has_a_row_a_movement_and_none_without() -> None:
    """Each movement that is not 0 is a row with the event's object and fact."""
    event = GatewayEvent(
        7, "event-7", "wd/1", "paid", NOON,
        (movement(-500, "tr", K.WITHDRAWAL), movement(500, "tr", K.WITHDRAWAL, pot=Pot.CLEARING)),
    )  # fmt: skip
    rows = gateway_rows(event)
    assert [(row.row_id, row.pot, row.amount_minor) for row in rows] == [
        ("7:1", "P", -500),
        ("7:2", "C", 500),
    ]
    assert {(row.object_id, row.fact, row.position) for row in rows} == {("wd/1", "paid", 7)}
    assert gateway_rows(replace(event, movements=())) == []
    assert gateway_rows(replace(event, movements=(movement(0, "tr"),))) == []


def entries(*legs: tuple[str, int]) -> tuple[LedgerEntry, ...]:
    """Entries in euros."""
    return tuple(LedgerEntry(account_id, "EUR", amount) for account_id, amount in legs)


def test_a_transaction_has_a_row_a_pot_and_currency() -> None:
    """Entries of one pot are netted, and accounts of no pot are no rows."""
    transaction = LedgerTransaction(
        3,
        "tx-3",
        NOON,
        entries(
            ("asset/psp/mock/main/pending/eur", 1000),
            ("asset/psp/mock/main/available/eur", -200),
            ("asset/psp/mock/main/in_transit/eur", 50),
            ("liability/player/1/cash/eur", -850),
        ),
        {
            "object": "deposit/1",
            "fact": "captured",
            "movement_key": "ch",
            "movement_kind": "capture",
        },
    )
    assert [(row.row_id, row.amount_minor) for row in ledger_rows(transaction, POTS)] == [
        ("3:P:EUR", 800),
        ("3:T:EUR", 50),
    ]


def test_money_that_stays_in_a_pot_is_no_row() -> None:
    """Pending becoming available changes no pot."""
    transaction = LedgerTransaction(
        3,
        "tx-3",
        NOON,
        entries(
            ("asset/psp/mock/main/available/eur", 970), ("asset/psp/mock/main/pending/eur", -970)
        ),
        {},
    )
    assert ledger_rows(transaction, POTS) == []


def test_totals_come_from_the_lines(tmp_path: Path) -> None:
    """A report's totals count its lines and sum their net by currency."""
    report = Days(tmp_path).report(
        5,
        line(1, K.CAPTURE, "a", 1000, fee=30),
        line(2, K.REFUND, "b", -400),
        line(3, K.CAPTURE, "c", 7, currency="USD"),
    )
    totals = totals_of(report, "ab")
    assert (totals.batch_number, totals.line_count) == (5, 3)
    assert totals.net_minor == {"EUR": 570, "USD": 7}
