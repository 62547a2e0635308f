"""The mock PSP's settlement report: what it writes is read whole, what lies is refused whole."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.formats import parse
from services.formats.mock import FORMAT, KINDS, SECTIONS
from services.formats.report import ReportFormatError, SettlementReport
from services.kernel.movements import MovementKind, Pot
from services.local.mock_psp import settlement
from services.local.mock_psp.books import Books, Bucket, FeeRate, Fees, RowType
from services.local.mock_psp.books.model import INTERNAL_ROW_TYPES
from services.local.mock_psp.settlement import Period, render

DAY = timedelta(days=1)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
NOON = MIDNIGHT + DAY / 2
MONDAY = Period(1, MIDNIGHT, MIDNIGHT + DAY)
TUESDAY = Period(2, MIDNIGHT + DAY, MIDNIGHT + 2 * DAY)


def deposit(books: Books, amount_minor: int, currency: str, at: datetime) -> str:
    intent = books.payment_intents.create(
        f"k{len(books.payment_intents.all())}",
        reference=f"d-{len(books.payment_intents.all())}",
        amount_minor=amount_minor,
        currency=currency,
        now=at,
    ).value
    return books.payment_intents.confirm(intent.intent_id, at).value.intent_id


def busy_day() -> Books:
    """Return books with something of every kind in them, swept at the end of Monday."""
    fees = Fees(
        capture=FeeRate(150, 10),
        refund=FeeRate(0, 5),
        dispute=FeeRate(0, 1500),
        transfer=FeeRate(0, 25),
        transfer_failure=FeeRate(0, 5),
    )
    books = Books("casino-main", fees=fees)
    books.funds.top_up("float", "EUR", 500_000, NOON)
    first, second = (deposit(books, amount, "EUR", NOON) for amount in (10_000, 20_000))
    deposit(books, 1_500, "JPY", NOON)
    deposit(books, 12_345, "KWD", NOON)
    books.payment_intents.charge_fee(first, 40, NOON)
    books.funds.make_available(NOON)
    refund = books.refunds.create(
        "r", intent_id=first, amount_minor=4_000, reference="r-1", now=NOON
    ).value
    books.refunds.succeed(refund.refund_id, NOON)
    books.refunds.fail(refund.refund_id, "account_closed", NOON)
    dispute = books.disputes.open(second, "fraud", NOON).value
    books.disputes.win(dispute.dispute_id, NOON, 15_000, fee_returned_minor=1_500)
    books.payment_intents.fail_capture(first, "no_funds", NOON)
    for key in ("paid", "failed"):
        transfer = books.transfers.create(
            key,
            reference=f"w-{key}",
            amount_minor=7_000,
            currency="EUR",
            destination="token",
            now=NOON,
        ).value
        if key == "paid":
            books.transfers.pay(transfer.transfer_id, NOON)
            books.transfers.give_back(transfer.transfer_id, "R02", NOON, 3_000)
        else:
            books.transfers.fail(transfer.transfer_id, "closed", NOON)
    books.funds.charge_account_fee("EUR", 99, NOON)
    reserve = books.funds.keep_reserve("EUR", 1_000, NOON).value
    books.funds.release_reserve(reserve.reserve_id, NOON, 250)
    for currency in books.currencies:
        swept = books.funds.sweep(currency, NOON).value
        assert swept is not None
    books.funds.fail_sweep(swept.sweep_id, NOON)
    return books


def rendered(books: Books, period: Period = MONDAY, total_off_by_minor: int = 0) -> bytes:
    return render(books.provider_account, period, books.rows, total_off_by_minor=total_off_by_minor)


SMALL = """\
[report]
format,account,batch_number,period_start,period_end
vezne-mock-settlement/1,casino,7,2026-03-02T00:00:00Z,2026-03-03T00:00:00Z
[balances]
currency,pot,opening,closing
EUR,provider,1.00,0.00
EUR,rolling_reserve,0.00,2.00
[lines]
row_id,type,object_id,movement_id,payment_intent_id,reference,currency,gross,fee,net,created,available,sweep_id
row_1,payment,pi_1,pi_1,,d-1,EUR,10.00,0.25,9.75,2026-03-01T09:00:00Z,2026-03-02T09:00:00Z,sw_1
row_2,reserve_kept,rr_1,rr_1,,,EUR,-2.00,0.00,-2.00,2026-03-02T10:00:00Z,2026-03-02T10:00:00Z,sw_1
row_3,sweep,sw_1,sw_1,,,EUR,-7.75,0.00,-7.75,2026-03-02T23:00:00Z,2026-03-02T23:00:00Z,sw_1
row_4,account_fee,fee_1,fee_1,,,EUR,-1.00,0.00,-1.00,2026-03-02T23:30:00Z,2026-03-02T23:30:00Z,
[totals]
currency,lines,gross,fee,net
EUR,4,-0.75,0.25,-1.00
"""


def read(text: str) -> SettlementReport:
    return parse("mock", text.encode())


def swapped(old: str, new: str) -> str:
    assert old in SMALL
    return SMALL.replace(old, new, 1)


def test_a_line_is_read_with_all_that_it_says() -> None:
    """Keys, amounts in minor units, times in UTC and the sweep come through unchanged."""
    line = read(SMALL).lines[0]

    assert line.line_number == 10
    assert line.kind is MovementKind.CAPTURE
    assert (line.movement_key, line.object_key, line.reference) == ("pi_1", "pi_1", "d-1")
    assert (line.gross_minor, line.fee_minor, line.net_minor) == (1_000, 25, 975)
    assert line.occurred_at == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert line.available_at == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert line.sweep_key == "sw_1"


def test_the_head_and_balances_are_read() -> None:
    """The report names its account, batch and period, and gives a balance a pot."""
    report = read(SMALL)

    assert (report.report_format, report.provider_account, report.batch_number) == (
        "mock",
        "casino",
        7,
    )
    assert report.period_end - report.period_start == DAY
    assert [(one.pot, one.opening_minor, one.closing_minor) for one in report.balances] == [
        (Pot.PROVIDER, 100, 0),
        (Pot.ROLLING_RESERVE, 0, 200),
    ]


def test_columns_are_found_by_name() -> None:
    """Another order of columns, and a column that nobody knows, change nothing."""
    lines = SMALL.splitlines()
    first, last = 8, 12
    turned = [
        ",".join(reversed([*line.split(","), "note" if at == first else "x"]))
        if first <= at <= last
        else line
        for at, line in enumerate(lines)
    ]

    assert read("\n".join(turned) + "\n").lines == read(SMALL).lines


def test_an_unknown_type_is_kept_unclassified() -> None:
    """A type that we do not know is a line like any other, and never dropped."""
    line = read(swapped("account_fee", "network_levy")).lines[3]

    assert line.kind is MovementKind.UNCLASSIFIED
    assert line.raw_type == "network_levy"
    assert line.net_minor == -100


def test_writer_and_reader_agree_on_the_words() -> None:
    """Each row type that a report may list has a kind, and both know one format."""
    assert set(KINDS) == set(RowType) - INTERNAL_ROW_TYPES
    assert settlement.FORMAT == FORMAT


def test_a_busy_day_is_read_whole() -> None:
    """Every kind of row, in currencies of 0, 2 and 3 decimals, comes back to the last digit."""
    books = busy_day()

    report = parse("mock", rendered(books))

    listed = [row for row in books.rows if row.row_type not in INTERNAL_ROW_TYPES]
    assert [(line.row_id, line.gross_minor, line.fee_minor) for line in report.lines] == [
        (row.row_id, row.gross_minor, row.fee_minor) for row in listed
    ]
    assert {line.kind for line in report.lines} == set(KINDS.values())
    closing = {(one.pot, one.currency_code): one.closing_minor for one in report.balances}
    for code in books.currencies:
        assert closing[Pot.PROVIDER, code] == books.buckets(code)[Bucket.AVAILABLE]
        assert closing[Pot.ROLLING_RESERVE, code] == books.buckets(code)[Bucket.ROLLING_RESERVE]


def test_each_sweep_is_the_sum_of_what_it_took() -> None:
    """The lines of a sweep and its own line come to zero."""
    sums: dict[str, int] = {}
    for line in parse("mock", rendered(busy_day())).lines:
        if line.sweep_key:
            sums[line.sweep_key] = sums.get(line.sweep_key, 0) + line.net_minor

    assert set(sums.values()) == {0}
    assert len(sums) == 3


def test_money_is_listed_on_the_day_it_becomes_available() -> None:
    """Pending money is in no report; the day on which it is available lists and sweeps it."""
    books = Books("casino", available_after=DAY)
    deposit(books, 700, "EUR", NOON)
    monday = parse("mock", rendered(books))
    books.funds.make_available(NOON + DAY)
    books.funds.sweep("EUR", NOON + DAY)

    tuesday = parse("mock", rendered(books, TUESDAY))

    assert monday.lines == ()
    assert [line.kind for line in tuesday.lines] == [MovementKind.CAPTURE, MovementKind.SWEEP]
    assert tuesday.lines[0].occurred_at == NOON


def test_a_sweep_of_an_earlier_day_is_not_itemised() -> None:
    """A sweep that takes lines of an earlier file names none, so that no file fails to tie."""
    books = Books("casino")
    books.funds.top_up("t", "EUR", 500, NOON)
    monday = parse("mock", rendered(books))
    books.funds.charge_account_fee("EUR", 100, NOON + DAY)
    books.funds.sweep("EUR", NOON + DAY)

    tuesday = parse("mock", rendered(books, TUESDAY))

    assert {line.sweep_key for line in (*monday.lines, *tuesday.lines)} == {""}
    assert tuesday.balances[0].opening_minor == monday.balances[0].closing_minor == 500
    assert tuesday.balances[0].closing_minor == 0


@given(
    steps=st.lists(
        st.tuples(
            st.integers(1, 10**12),
            st.sampled_from(["EUR", "JPY", "KWD", "BTC"]),
            st.integers(0, 47),
            st.booleans(),
        ),
        max_size=15,
    )
)
def test_reports_follow_one_another(steps: list[tuple[int, str, int, bool]]) -> None:
    """Over days, files tie, each opens where the last closed, and each row is in one of them."""
    books = Books("casino", fees=Fees(capture=FeeRate(99, 3)), available_after=DAY / 3)
    periods = [Period(n + 1, MIDNIGHT + n * DAY, MIDNIGHT + (n + 1) * DAY) for n in range(4)]
    for amount_minor, currency, hour, sweep in sorted(steps, key=lambda step: step[2]):
        now = MIDNIGHT + hour * timedelta(hours=1)
        books.funds.make_available(now)
        deposit(books, amount_minor, currency, now)
        if sweep:
            books.funds.sweep(currency, now)
    books.funds.make_available(MIDNIGHT + 3 * DAY)

    reports = [parse("mock", rendered(books, period)) for period in periods]

    seen = [line.row_id for report in reports for line in report.lines]
    assert sorted(seen) == sorted(
        row.row_id for row in books.rows if row.row_type not in INTERNAL_ROW_TYPES
    )
    closing: dict[tuple[Pot, str], int] = {}
    for report in reports:
        for one in report.balances:
            key = (one.pot, one.currency_code)
            assert one.opening_minor == closing.get(key, 0)
            closing[key] = one.closing_minor


def test_a_wrong_total_is_refused_with_the_difference() -> None:
    """The error names the line, the difference and the currency."""
    data = rendered(busy_day(), total_off_by_minor=1)
    totals_at = data.decode().splitlines().index("[totals]") + 1

    with pytest.raises(ReportFormatError) as error:
        parse("mock", data)

    assert error.value.line_number == totals_at + 2
    assert "0.01 EUR over" in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "line_number", "message"),
    [
        ("9.75,2026", "9.74,2026", 10, "-0.01 EUR over"),
        ("EUR,4,", "EUR,5,", 16, "counts 5 lines"),
        (",0.25,-1.00\n", ",0.26,-1.00\n", 16, "0.01 EUR over"),
        ("EUR,4,-0.75", "EUR,4,-0.76", 16, "-0.01 EUR over"),
        ("provider,1.00,0.00", "provider,1.00,0.01", 6, "0.01 EUR over"),
        ("rolling_reserve,0.00,2.00", "rolling_reserve,0.00,0.00", 7, "-2.00 EUR over"),
        ("EUR,rolling_reserve,0.00,2.00\n", "", None, "lacks the pot R"),
        ("EUR,4,-0.75,0.25,-1.00\n", "", None, "lacks a row for EUR"),
        ("23:30:00Z,\n", "23:30:00Z,sw_1\n", 12, "-1.00 EUR"),
        ("23:30:00Z,\n", "23:30:00Z,sw_2\n", None, "sw_2 has no line of its own"),
        ("row_4", "row_3", 13, "row_3 is there twice"),
        ("-1.00,2026-03-02T23:30:00Z,2026-03-02T23:30:00Z", "-1.00,x,x", 13, "created"),
        ("2026-03-02T09:00:00Z,sw", "2026-03-03T00:00:00Z,sw", 10, "outside the period"),
        ("2026-03-02T09:00:00Z,sw", "2026-02-30T00:00:00Z,sw", 10, "not a UTC time"),
        ("2026-03-02T09:00:00Z,sw", "2026-03-02T09:00:00+01:00,sw", 10, "not a UTC time"),
        ("casino,7", "casino,0", 3, "count from 1"),
        ("casino,7", "casino,07", 3, "not a number"),
        ("casino,7", "casino,\u0667", 3, "not a number"),
        ("settlement/1", "settlement/2", 3, "format"),
        ("10.00,", "10.001,", 10, "decimals"),
        ("10.00,", "1e3,", 10, "not an amount"),
        ("10.00,", "1E-80000000,", 10, "not an amount"),
        ("10.00,", "NaN,", 10, "not an amount"),
        ("10.00,", " 10.00,", 10, "not an amount"),
        ("10.00,", "+10.00,", 10, "not an amount"),
        ("10.00,", '"1,000.00",', 10, "not an amount"),
        ("10.00,", "-0.00,", 10, "negative zero"),
        ("10.00,", f"{'9' * 20}.00,", 10, "64 bits"),
        ("10.00,", f"{'9' * 200},", 10, "24 characters"),
        ("10.00,", f"{'9' * 2000},", 10, "256 characters"),
        ("10.00,", f"{'9' * 200_000},", 10, "not CSV"),
        ("d-1,EUR", "d-1,EURO", 10, "not a currency"),
        ("d-1,EUR", "d-1,", 10, "currency is empty"),
        ("row_1,", ",", 10, "row_id is empty"),
        ("row_1,", "row_1,row_1,", 10, "14 cells under 13 columns"),
        ("gross,fee,net,created", "gross,fee,created", 9, "lacks the columns net"),
        ("gross,fee,net,created", "gross,gross,fee,net,created", 9, "named twice"),
        ("EUR,provider,1.00,0.00\n", "EUR,provider,1.00,0.00\n" * 2, 7, "there twice"),
        ("EUR,provider", "EUR,bank", 6, "The pot is none of"),
        ("[totals]", "[lines]\n[totals]", 14, "'[lines]' stands where [totals]"),
        ("[balances]", "[totals]", 4, "stands where [balances]"),
        ("[report]", "x", 1, "does not begin with"),
        ("[totals]\ncurrency,lines,gross,fee,net\nEUR,4,-0.75,0.25,-1.00\n", "", None, "[totals]"),
        ("EUR,4,-0.75", "currency,lines,gross,fee,net\nEUR,4,-0.75", 16, "named twice"),
        ("row_1", '"row_1', None, "not CSV"),
        ("d-1", "d\0-1", 10, "NUL"),
        ("[report]", "\ufeff[report]", 1, "byte order mark"),
    ],
)
def test_a_file_that_does_not_tie_is_refused_whole(
    old: str, new: str, line_number: int | None, message: str
) -> None:
    """Each fault is refused with its line and its reason."""
    text = swapped(old, new)

    with pytest.raises(ReportFormatError) as error:
        read(text)

    assert message in str(error.value)
    if line_number is not None:
        assert error.value.line_number == line_number


def test_harmless_oddities_are_read() -> None:
    """A total of a currency without lines, and a quote inside a cell, are no reason to refuse."""
    assert len(read(swapped("EUR,4,", "JPY,0,0,0,0\nEUR,4,")).lines) == 4
    assert read(swapped("row_1", 'ro"w"_1')).lines[0].row_id == 'ro"w"_1'


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_refused(encoding: str) -> None:
    """Only UTF-8 is read."""
    text = SMALL.replace("d-1", "dé-1")

    with pytest.raises(ReportFormatError, match=r"UTF-8|NUL"):
        parse("mock", text.encode(encoding))


def test_a_file_cut_short_is_refused() -> None:
    """No line of the file can be left off without a refusal."""
    lines = SMALL.splitlines(keepends=True)

    for count in range(len(lines)):
        with pytest.raises(ReportFormatError):
            read("".join(lines[:count]))


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_nothing_else(data: bytes) -> None:
    """Whatever the bytes, the only error is a refusal of the file."""
    with pytest.raises(ReportFormatError):
        parse("mock", data)


@given(st.data())
def test_one_changed_character_is_never_read_as_other_money(data: st.DataObject) -> None:
    """A file with a digit of an amount changed is refused."""
    digits = [
        at
        for number, line in enumerate(SMALL.splitlines(keepends=True), 1)
        if number in {6, 7, 10, 11, 12, 13, 16}
        for at in _amount_digits(SMALL, number, line)
    ]
    at = data.draw(st.sampled_from(digits))
    digit = data.draw(st.sampled_from("0123456789").filter(lambda one: one != SMALL[at]))

    with pytest.raises(ReportFormatError):
        read(SMALL[:at] + digit + SMALL[at + 1 :])


def _amount_digits(text: str, number: int, line: str) -> list[int]:
    start = sum(len(one) for one in text.splitlines(keepends=True)[: number - 1])
    places, offset = [], 0
    for cell in line.split(","):
        if "." in cell:
            places += [start + offset + at for at, char in enumerate(cell) if char.isdigit()]
        offset += len(cell) + 1
    return places


def test_hostile_numbers_are_refused_fast() -> None:
    """A file of nothing but huge numbers costs no more time than its size."""
    row = SMALL.splitlines()[9].replace("10.00", "9" * 250)
    text = swapped("[totals]", f"{row}\n" * 20_000 + "[totals]")
    began = time.perf_counter()

    with pytest.raises(ReportFormatError):
        read(text)

    assert time.perf_counter() - began < 2


def test_an_unknown_format_is_refused() -> None:
    """A format without a parser is an error that names it."""
    with pytest.raises(ReportFormatError, match="telegraph"):
        parse("telegraph", b"")


def test_every_section_and_column_is_needed() -> None:
    """A file without one of the documented columns is refused."""
    for section, columns in SECTIONS.items():
        for column in columns:
            header = next(line for line in SMALL.splitlines() if line == ",".join(columns))
            renamed = header.replace(column, "other", 1)
            with pytest.raises(ReportFormatError, match=rf"\[{section}\] lacks"):
                read(SMALL.replace(header, renamed, 1))
