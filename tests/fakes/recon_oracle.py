"""The matcher once more, in dictionaries: slow, obvious, and written from the design alone."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from services.reconciliation.domain.rows import StagedRow

REPORT_ONLY = {
    "capture_fee", "refund_fee", "dispute_fee", "withdrawal_fee", "rolling_reserve",
    "rolling_reserve_release", "account_fee", "top_up", "sweep", "sweep_failure", "exchange",
    "unclassified",
}  # fmt: skip

Group = tuple[str, str, str, str]
"""Pot, key, kind, currency."""


@dataclass
class Item:
    """A row in the pool."""

    row: StagedRow
    first_date: date
    break_date: date


@dataclass
class Day:
    """What a day must end with."""

    open_rows: dict[str, tuple[Group, date, date]]
    """Side and row id, to where it is open and its dates."""
    closed: set[tuple[str, frozenset[str]]]
    """Each match: its method, and its rows."""
    classes: dict[Group, str]
    amounts: dict[Group, tuple[int, int]]
    occurrences: dict[Group, int]


def name(row: StagedRow) -> str:
    """Side and row id."""
    return f"{row.side} {row.row_id}"


def business_days_later(day: date, number: int) -> date:
    """Counting days that are no weekend."""
    while number:
        day += timedelta(days=1)
        number -= day.isoweekday() <= 5
    return day


@dataclass
class Oracle:
    """One comparison, day after day."""

    comparison: str
    pool: dict[Group, list[Item]] = field(default_factory=lambda: defaultdict(list))
    closings: dict[Group, int] = field(default_factory=lambda: defaultdict(int))
    openings: dict[Group, int] = field(default_factory=dict)
    known: set[tuple[str, str]] = field(default_factory=set)

    def run(self, day: date, staged: Iterable[StagedRow]) -> Day:
        """Add the day's rows, close what agrees, and class the rest."""
        for row in staged:
            if row.side == "G":
                self.known.add((row.movement_key, row.movement_kind))
            self._add(row, day)
        closed = set()
        for group in list(self.pool):
            before = len(closed)
            self.pool[group] = self._close(self.pool[group], closed)
            self.closings[group] += len(closed) - before
            if not self.pool[group]:
                del self.pool[group]
        carried = self.openings
        self.openings = {
            group: carried[group]
            if group in carried and min(item.first_date for item in self.pool[group]) < day
            else self.closings[group] + 1
            for group in self.pool
        }
        return Day(
            open_rows={
                name(item.row): (group, item.first_date, item.break_date)
                for group, items in self.pool.items()
                for item in items
            },
            closed=closed,
            classes={group: self._class(group, day) for group in self.pool},
            amounts={group: self._amounts(group) for group in self.pool},
            occurrences=dict(self.openings),
        )

    def _add(self, row: StagedRow, day: date) -> None:
        booking = self.comparison == "booking"
        if row.side == ("S" if booking else "G"):
            return
        if row.pot not in (("P", "C") if booking else ("P", "R")):
            return
        if booking and row.movement_kind in REPORT_ONLY:
            return
        if booking:
            key, kind = row.object_id, row.fact
        else:
            key, kind = row.movement_key, row.movement_kind
        if not (key and kind):
            key, kind = name(row), ""
        if kind in {"", "unclassified"}:
            due = day
        elif booking:
            due = day + timedelta(days=1)
        else:
            due = business_days_later(day, 1 if row.side == "S" else 3)
        self.pool[row.pot, key, kind, row.currency_code].append(Item(row, day, due))

    @staticmethod
    def _close(items: list[Item], closed: set[tuple[str, frozenset[str]]]) -> list[Item]:
        items = sorted(items, key=lambda i: (i.first_date, i.row.position, i.row.row_id))
        left = []
        for item in items:
            partner = next(
                (
                    other
                    for other in left
                    if (other.row.side == "L") != (item.row.side == "L")
                    and other.row.amount_minor == item.row.amount_minor
                ),
                None,
            )
            if partner is None:
                left.append(item)
            else:
                left.remove(partner)
                closed.add(("EQUAL", frozenset({name(item.row), name(partner.row)})))
        sides = {item.row.side == "L" for item in left}
        rest = sum(item.row.amount_minor * (-1 if item.row.side == "L" else 1) for item in left)
        if not left or rest:
            return left
        method = "EQUAL_SUMS" if len(sides) == 2 else "ROUND_TRIP"
        closed.add((method, frozenset(name(item.row) for item in left)))
        return []

    def _amounts(self, group: Group) -> tuple[int, int]:
        items = self.pool[group]
        ledger = sum(item.row.amount_minor for item in items if item.row.side == "L")
        return sum(item.row.amount_minor for item in items) - ledger, ledger

    def _class(self, group: Group, day: date) -> str:
        pot, key, kind, currency = group
        items = self.pool[group]
        sides = {item.row.side == "L" for item in items}
        outside, ledger = self._amounts(group)
        if not kind:
            return "UNKEYED"
        if kind == "unclassified":
            return "UNCLASSIFIED"
        if len(sides) == 1:
            for other, others in self.pool.items():
                other_sides = {item.row.side == "L" for item in others}
                if (
                    (other[0], other[1], other[2]) == (pot, key, kind)
                    and other[3] != currency
                    and len(other_sides) == 1
                    and other_sides != sides
                ):
                    return "CURRENCY_MISMATCH"
        else:
            return "AMOUNT_OVER" if outside > ledger else "AMOUNT_UNDER"
        return self._one_sided(group, day, in_ledger=sides == {True})

    def _one_sided(self, group: Group, day: date, *, in_ledger: bool) -> str:
        closed_before = self.closings[group] > 0
        due = min(item.break_date for item in self.pool[group]) <= day
        if in_ledger and closed_before:
            return "DUPLICATE_IN_LEDGER"
        if self.comparison == "booking":
            return ("ORPHAN_LEDGER" if in_ledger else "NOT_BOOKED") if due else "IN_FLIGHT"
        if closed_before:
            return "DUPLICATE_IN_REPORT"
        if in_ledger:
            return "MISSING_IN_SETTLEMENT" if due else "PENDING_SETTLEMENT"
        if not due:
            return "PENDING_BOOKING"
        is_known = (group[1], group[2]) in self.known or group[2] in REPORT_ONLY
        return "MISSING_IN_LEDGER" if is_known else "MISSING_IN_GATEWAY"
