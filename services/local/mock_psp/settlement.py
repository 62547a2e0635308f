"""Writes the mock PSP's settlement report of a period; `services/formats/mock.py` reads it.

A row is listed in the period in which its money became available, as a provider that settles by
batch does: pending money is not in it, and its balance of the pot `provider` is what is available.
So every sweep stands in one file with all that it took, and the two come to zero. A sweep that also
takes rows of an earlier file (a balance of zero made no sweep then) is not itemised: neither its
own line nor the others name it.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.kernel.money import format_amount
from services.local.mock_psp.books import Bucket, Row
from services.local.mock_psp.books.model import INTERNAL_ROW_TYPES

FORMAT = "vezne-mock-settlement/1"


@dataclass(frozen=True, slots=True)
class Period:
    """What one report covers: what became available from `start` on and before `end`, in UTC."""

    batch_number: int
    start: datetime
    end: datetime


def render(
    provider_account: str, period: Period, rows: Sequence[Row], *, total_off_by_minor: int = 0
) -> bytes:
    """Return the report of a period as CSV.

    Args:
        provider_account: the account that the file names.
        period: what it covers.
        rows: all rows of the books, from the first; earlier ones make the opening balances.
        total_off_by_minor: what is wrong with the total net of the first currency: a fault.
    """
    reported = [
        row
        for row in rows
        if row.row_type not in INTERNAL_ROW_TYPES
        and row.available_at is not None
        and row.available_at < period.end
    ]
    earlier = [row for row in reported if _available(row) < period.start]
    listed = [row for row in reported if _available(row) >= period.start]
    inside = {row.row_id for row in listed}
    not_itemised = {row.sweep_id for row in rows if row.sweep_id and row.row_id not in inside}
    out = io.StringIO(newline="")
    write = csv.writer(out, lineterminator="\n").writerow
    write(["[report]"])
    write(["format", "account", "batch_number", "period_start", "period_end"])
    write(
        [FORMAT, provider_account, period.batch_number, _moment(period.start), _moment(period.end)]
    )
    write(["[balances]"])
    write(["currency", "pot", "opening", "closing"])
    for code in sorted({row.currency for row in reported}):
        for pot, bucket in (
            ("provider", Bucket.AVAILABLE),
            ("rolling_reserve", Bucket.ROLLING_RESERVE),
        ):
            opening = _sum(earlier, code, bucket)
            closing = opening + _sum(listed, code, bucket)
            write([code, pot, format_amount(opening, code), format_amount(closing, code)])
    write(["[lines]"])
    write(
        [
            *("row_id", "type", "object_id", "movement_id", "payment_intent_id", "reference"),
            *("currency", "gross", "fee", "net", "created", "available", "sweep_id"),
        ]
    )
    for row in listed:
        write(_line(row, "" if row.sweep_id in not_itemised else row.sweep_id))
    write(["[totals]"])
    write(["currency", "lines", "gross", "fee", "net"])
    for code in sorted({row.currency for row in listed}):
        write(_total(code, [row for row in listed if row.currency == code], total_off_by_minor))
        total_off_by_minor = 0
    return out.getvalue().encode()


def _available(row: Row) -> datetime:
    return row.available_at or row.created_at


def _sum(rows: Iterable[Row], currency_code: str, bucket: Bucket) -> int:
    """Return what these rows did to a bucket; a payment counts where it became available."""
    if bucket is Bucket.AVAILABLE:
        return sum(row.net_minor for row in rows if row.currency == currency_code)
    return sum(
        change
        for row in rows
        if row.currency == currency_code
        for changed, change in row.changes
        if changed is bucket
    )


def _line(row: Row, sweep_id: str) -> list[str]:
    return [
        row.row_id,
        row.row_type,
        row.object_id,
        row.movement_key,
        row.parent_id,
        row.reference,
        row.currency,
        format_amount(row.gross_minor, row.currency),
        format_amount(row.fee_minor, row.currency),
        format_amount(row.net_minor, row.currency),
        _moment(row.created_at),
        _moment(_available(row)),
        sweep_id,
    ]


def _total(currency_code: str, rows: Sequence[Row], off_by_minor: int) -> list[str | int]:
    return [
        currency_code,
        len(rows),
        format_amount(sum(row.gross_minor for row in rows), currency_code),
        format_amount(sum(row.fee_minor for row in rows), currency_code),
        format_amount(sum(row.net_minor for row in rows) + off_by_minor, currency_code),
    ]


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
