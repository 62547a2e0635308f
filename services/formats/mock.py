"""The mock PSP's settlement report: four sections of CSV in UTF-8, read by column name.

    [report]    one row: format, account, batch_number, period_start, period_end
    [balances]  a row a currency and pot: currency, pot, opening, closing
    [lines]     a row a movement: row_id, type, object_id, movement_id, payment_intent_id,
                reference, currency, gross, fee, net, created, available, sweep_id
    [totals]    a row a currency: currency, lines, gross, fee, net

Amounts are in major units. The writer is `services/local/mock_psp/settlement.py`; the columns are
documented in `docs/integrate/mock_psp.md`. A file is refused whole if anything in it does not tie.
"""

import csv
import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.formats.report import (
    ReportBalance,
    ReportFormatError,
    ReportLine,
    SettlementReport,
)
from services.kernel.money import MoneyError, format_amount, parse_amount
from services.kernel.movements import MovementKind, Pot

FORMAT = "vezne-mock-settlement/1"

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "report": ("format", "account", "batch_number", "period_start", "period_end"),
    "balances": ("currency", "pot", "opening", "closing"),
    "lines": (
        "row_id",
        "type",
        "object_id",
        "movement_id",
        "payment_intent_id",
        "reference",
        "currency",
        "gross",
        "fee",
        "net",
        "created",
        "available",
        "sweep_id",
    ),
    "totals": ("currency", "lines", "gross", "fee", "net"),
}
"""The sections, in the order in which they stand, and the columns that each must have."""

KINDS: Mapping[str, MovementKind] = {
    "payment": MovementKind.CAPTURE,
    "payment_failure": MovementKind.CAPTURE_FAILURE,
    "payment_fee": MovementKind.CAPTURE_FEE,
    "refund": MovementKind.REFUND,
    "refund_failure": MovementKind.REFUND_FAILURE,
    "dispute": MovementKind.DISPUTE,
    "dispute_reversal": MovementKind.DISPUTE_REVERSAL,
    "transfer": MovementKind.WITHDRAWAL,
    "transfer_return": MovementKind.WITHDRAWAL_RETURN,
    "transfer_fee": MovementKind.WITHDRAWAL_FEE,
    "reserve_kept": MovementKind.ROLLING_RESERVE,
    "reserve_released": MovementKind.ROLLING_RESERVE_RELEASE,
    "account_fee": MovementKind.ACCOUNT_FEE,
    "top_up": MovementKind.TOP_UP,
    "sweep": MovementKind.SWEEP,
    "sweep_failure": MovementKind.SWEEP_FAILURE,
}
"""What each type of the file is to us; any other type is UNCLASSIFIED."""

POTS: Mapping[str, Pot] = {"provider": Pot.PROVIDER, "rolling_reserve": Pot.ROLLING_RESERVE}
"""The pots that the file gives balances for; transit ends at the bank, whose statement tells."""

_RESERVE_KINDS = frozenset({MovementKind.ROLLING_RESERVE, MovementKind.ROLLING_RESERVE_RELEASE})
_BYTES_MAX = 256 * 1024 * 1024
_CELL_LENGTH_MAX = 256
_COUNT = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Record:
    """One row of a section, by column name."""

    number: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        value = self.cells[column]
        if not value:
            raise ReportFormatError(f"{column} is empty", self.number)
        return value

    def amount(self, column: str, currency_code: str) -> int:
        try:
            return parse_amount(self.cells[column], currency_code)
        except MoneyError as error:
            raise ReportFormatError(f"{column}: {error}", self.number) from error

    def count(self, column: str) -> int:
        if not _COUNT.fullmatch(self.cells[column]):
            raise ReportFormatError(f"{column} is not a number of at most 10 digits", self.number)
        return int(self.cells[column])

    def moment(self, column: str) -> datetime:
        found = _moment(self.cells[column])
        if found is None:
            raise ReportFormatError(
                f"{column} is not a UTC time such as 2026-03-02T09:30:00Z", self.number
            )
        return found


def _moment(text: str) -> datetime | None:
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def parse(data: bytes) -> SettlementReport:
    """Read a settlement report of the mock PSP.

    Raises:
        ReportFormatError: the bytes are no such report, or it does not tie: a line's net is not
            its gross less its fee, a total or a balance does not follow from the lines, a sweep
            is not the sum of what it took. Nothing of the file may then be used.
    """
    heads: list[_Record] = []
    balances: list[ReportBalance] = []
    balance_numbers: list[int] = []
    lines: list[ReportLine] = []
    totals: list[_Record] = []
    # Each row becomes what it means at once: a file of a million lines is held once, not twice.
    for section, record in _records(_rows(_decoded(data))):
        match section:
            case "report":
                heads.append(record)
            case "balances":
                balances.append(_balance(record))
                balance_numbers.append(record.number)
            case "lines":
                lines.append(_line(record))
            case _:
                totals.append(record)
    report = _report(heads, lines, balances)
    _check_lines(report)
    _check_totals(report.lines, totals)
    _check_balances(report, balance_numbers)
    _check_sweeps(report.lines)
    return report


def _decoded(data: bytes) -> str:
    if len(data) > _BYTES_MAX:
        raise ReportFormatError(f"The file has more than {_BYTES_MAX} bytes")
    if b"\0" in data:
        raise ReportFormatError(
            "The file has a NUL byte", data[: data.index(b"\0")].count(b"\n") + 1
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line_number = data[: error.start].count(b"\n") + 1
        raise ReportFormatError("The file is not UTF-8", line_number) from error
    if text.startswith("\ufeff"):
        raise ReportFormatError("The file starts with a byte order mark", 1)
    return text


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if max(map(len, row), default=0) > _CELL_LENGTH_MAX:
                raise ReportFormatError(
                    f"A cell has more than {_CELL_LENGTH_MAX} characters", reader.line_num
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise ReportFormatError(f"This is not CSV: {error}", reader.line_num) from error


def _records(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[str, _Record]]:
    """Cut the file at its `[name]` rows; each must be there once, in order, with its columns."""
    awaited = iter(SECTIONS)
    section: str | None = None
    header: list[str] = []
    for number, row in rows:
        if len(row) == 1 and row[0].startswith("["):
            section = next(awaited, None)
            if section is None or row[0] != f"[{section}]":
                raise ReportFormatError(
                    f"{row[0]!r} stands where {_wanted(section)} belongs", number
                )
            header = _header(next(rows, (number, [])), section)
        elif section is None:
            raise ReportFormatError("The file does not begin with [report]", number)
        elif len(row) != len(header):
            raise ReportFormatError(f"{len(row)} cells under {len(header)} columns", number)
        elif row == header:
            raise ReportFormatError("The columns are named twice", number)
        else:
            yield section, _Record(number, dict(zip(header, row, strict=True)))
    missing = next(awaited, None)
    if missing is not None:
        raise ReportFormatError(f"The file ends before [{missing}]")


def _wanted(name: str | None) -> str:
    return f"[{name}]" if name else "the end of the file"


def _header(numbered_row: tuple[int, list[str]], section: str) -> list[str]:
    number, header = numbered_row
    if len(set(header)) != len(header):
        raise ReportFormatError("A column is named twice", number)
    missing = [column for column in SECTIONS[section] if column not in header]
    if missing:
        raise ReportFormatError(f"[{section}] lacks the columns {', '.join(missing)}", number)
    return header


def _report(
    heads: Sequence[_Record], lines: Sequence[ReportLine], balances: Sequence[ReportBalance]
) -> SettlementReport:
    if len(heads) != 1:
        raise ReportFormatError(f"[report] has {len(heads)} rows and needs one")
    head = heads[0]
    if head.text("format") != FORMAT:
        raise ReportFormatError(f"The format is not {FORMAT}", head.number)
    report = SettlementReport(
        report_format="mock",
        provider_account=head.text("account"),
        batch_number=head.count("batch_number"),
        period_start=head.moment("period_start"),
        period_end=head.moment("period_end"),
        lines=tuple(lines),
        balances=tuple(balances),
    )
    if report.batch_number < 1 or report.period_start >= report.period_end:
        raise ReportFormatError(
            "Batches count from 1 and periods end after they start", head.number
        )
    return report


def _line(record: _Record) -> ReportLine:
    # The few words that many lines share are kept once.
    currency_code = sys.intern(record.text("currency"))
    raw_type = sys.intern(record.text("type"))
    line = ReportLine(
        line_number=record.number,
        row_id=record.text("row_id"),
        kind=KINDS.get(raw_type, MovementKind.UNCLASSIFIED),
        raw_type=raw_type,
        movement_key=record.cells["movement_id"],
        object_key=record.cells["payment_intent_id"] or record.cells["object_id"],
        reference=record.cells["reference"],
        gross_minor=record.amount("gross", currency_code),
        gross_currency=currency_code,
        fee_minor=record.amount("fee", currency_code),
        net_minor=record.amount("net", currency_code),
        net_currency=currency_code,
        occurred_at=record.moment("created"),
        available_at=record.moment("available"),
        sweep_key=sys.intern(record.cells["sweep_id"]),
    )
    over_minor = line.net_minor - (line.gross_minor - line.fee_minor)
    if over_minor:
        raise _untied(
            "The net is not the gross less the fee", over_minor, currency_code, record.number
        )
    return line


def _balance(record: _Record) -> ReportBalance:
    pot = POTS.get(record.cells["pot"])
    if pot is None:
        raise ReportFormatError(f"The pot is none of {', '.join(POTS)}", record.number)
    currency_code = record.text("currency")
    return ReportBalance(
        pot=pot,
        currency_code=currency_code,
        opening_minor=record.amount("opening", currency_code),
        closing_minor=record.amount("closing", currency_code),
    )


def _check_lines(report: SettlementReport) -> None:
    seen: set[str] = set()
    for line in report.lines:
        if line.row_id in seen:
            raise ReportFormatError(f"The row {line.row_id} is there twice", line.line_number)
        seen.add(line.row_id)
        at = line.available_at
        if at is None or not report.period_start <= at < report.period_end:
            raise ReportFormatError("available lies outside the period", line.line_number)


def _check_totals(lines: Sequence[ReportLine], totals: Sequence[_Record]) -> None:
    sums: dict[str, list[int]] = {}
    for line in lines:
        of_currency = sums.setdefault(line.net_currency, [0, 0, 0, 0])
        for at, value in enumerate((1, line.gross_minor, line.fee_minor, line.net_minor)):
            of_currency[at] += value
    for record in totals:
        currency_code = record.text("currency")
        count, *expected = sums.pop(currency_code, [0, 0, 0, 0])
        if record.count("lines") != count:
            raise ReportFormatError(
                f"The total counts {record.count('lines')} lines in {currency_code}; "
                f"the file has {count}",
                record.number,
            )
        for column, expected_minor in zip(("gross", "fee", "net"), expected, strict=True):
            over_minor = record.amount(column, currency_code) - expected_minor
            if over_minor:
                raise _untied(
                    f"The total {column} is not the sum of the lines",
                    over_minor,
                    currency_code,
                    record.number,
                )
    if sums:
        raise ReportFormatError(f"[totals] lacks a row for {', '.join(sorted(sums))}")


def _check_balances(report: SettlementReport, numbers: Sequence[int]) -> None:
    changes: dict[tuple[Pot, str], int] = {}
    for line in report.lines:
        at_provider = (Pot.PROVIDER, line.net_currency)
        changes[at_provider] = changes.get(at_provider, 0) + line.net_minor
        if line.kind in _RESERVE_KINDS:
            kept = (Pot.ROLLING_RESERVE, line.net_currency)
            changes[kept] = changes.get(kept, 0) - line.net_minor
    given: set[tuple[Pot, str]] = set()
    for balance, number in zip(report.balances, numbers, strict=True):
        key = (balance.pot, balance.currency_code)
        if key in given:
            raise ReportFormatError("This balance is there twice", number)
        given.add(key)
        over_minor = balance.closing_minor - balance.opening_minor - changes.get(key, 0)
        if over_minor:
            raise _untied(
                "The closing balance is not the opening balance plus the lines",
                over_minor,
                balance.currency_code,
                number,
            )
    for pot, currency_code in sorted(changes.keys() - given):
        raise ReportFormatError(f"[balances] lacks the pot {pot} in {currency_code}")


def _check_sweeps(lines: Sequence[ReportLine]) -> None:
    """Each sweep is one line, and with all that it took it comes to zero."""
    sums: dict[tuple[str, str], int] = {}
    sweep_lines: dict[tuple[str, str], ReportLine] = {}
    for line in lines:
        if not line.sweep_key:
            continue
        key = (line.sweep_key, line.net_currency)
        sums[key] = sums.get(key, 0) + line.net_minor
        if line.kind is MovementKind.SWEEP:
            if key in sweep_lines:
                raise ReportFormatError("This sweep is there twice", line.line_number)
            sweep_lines[key] = line
    for (sweep_key, currency_code), sum_minor in sums.items():
        sweep_line = sweep_lines.get((sweep_key, currency_code))
        if sweep_line is None:
            raise ReportFormatError(f"The sweep {sweep_key} has no line of its own")
        if sum_minor:
            raise ReportFormatError(
                "The sweep and its lines do not come to zero, "
                f"the difference is {format_amount(sum_minor, currency_code)} {currency_code}",
                sweep_line.line_number,
            )


def _untied(
    message: str, over_minor: int, currency_code: str, line_number: int
) -> ReportFormatError:
    difference = format_amount(over_minor, currency_code)
    return ReportFormatError(f"{message}: {difference} {currency_code} over", line_number)
