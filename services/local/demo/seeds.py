"""The faults of the provider's report: what was put into it, and what runs must make of each."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.kernel.movements import MovementKind
from services.local.demo.day import Advance, Day, Expected, Seed
from services.local.errors import StackError
from vezne.reconciliation.v1.break_pb2 import (
    BREAK_CLASS_AMOUNT_UNDER,
    BREAK_CLASS_DUPLICATE_IN_REPORT,
    BREAK_CLASS_MISSING_IN_GATEWAY,
    BREAK_CLASS_MISSING_IN_SETTLEMENT,
    BREAK_CLASS_PENDING_BOOKING,
    BREAK_CLASS_PENDING_SETTLEMENT,
)


async def note_seeds(day: Day, _advance: Advance) -> None:
    """Write down what the provider got wrong, from its own books."""
    rows = await day.mock.rows()
    strays = _strays(rows)
    if not strays:
        raise StackError("the provider did not report the payment that nobody made")
    fee_minor: dict[str, int] = {}
    for row in rows:
        # The first row of a movement is the payment itself; what follows is without a fee.
        fee_minor.setdefault(row["movement_id"], row["fee_minor"])
    missing = day.deposits["report-missing"]
    altered = day.deposits["report-altered"]
    twice = day.deposits["report-twice"]
    day.seeds = (
        _missing(
            missing.provider_object_id,
            missing.captured_amount.minor_units,
            fee_minor[missing.provider_object_id],
        ),
        _altered(altered.provider_object_id),
        _twice(
            twice.provider_object_id,
            twice.captured_amount.minor_units,
            fee_minor[twice.provider_object_id],
        ),
        *(_stray(row) for row in strays),
    )


def _missing(key: str, amount_minor: int, fee_minor: int) -> Seed:
    pending, missing = BREAK_CLASS_PENDING_SETTLEMENT, BREAK_CLASS_MISSING_IN_SETTLEMENT
    return Seed(
        "a payment is missing in the report",
        key,
        0,
        (
            Expected(MovementKind.CAPTURE, -amount_minor, pending, missing),
            Expected(MovementKind.CAPTURE_FEE, fee_minor, pending, missing),
        ),
    )


def _altered(key: str) -> Seed:
    under = BREAK_CLASS_AMOUNT_UNDER
    return Seed(
        "a payment is reported with 0.01 less",
        key,
        -1,
        (Expected(MovementKind.CAPTURE, -1, under, under),),
    )


def _twice(key: str, amount_minor: int, fee_minor: int) -> Seed:
    twice = BREAK_CLASS_DUPLICATE_IN_REPORT
    return Seed(
        "a payment is reported twice",
        key,
        amount_minor - fee_minor,
        (
            Expected(MovementKind.CAPTURE, amount_minor, twice, twice),
            Expected(MovementKind.CAPTURE_FEE, -fee_minor, twice, twice),
        ),
    )


def _stray(row: Mapping[str, Any]) -> Seed:
    amount_minor = row["gross_minor"]
    return Seed(
        "a payment is reported that nobody made",
        row["movement_id"],
        amount_minor,
        (
            Expected(
                MovementKind.CAPTURE,
                amount_minor,
                BREAK_CLASS_PENDING_BOOKING,
                BREAK_CLASS_MISSING_IN_GATEWAY,
            ),
        ),
    )


def _strays(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return [row for row in rows if row["reference"].startswith("stray-")]
