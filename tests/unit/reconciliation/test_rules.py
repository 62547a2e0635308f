"""Calendar, rules, break ids and the verdict."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.invariant import InvariantError
from services.kernel.movements import MovementKind, Pot
from services.reconciliation.domain.breaks import BreakKey, break_id
from services.reconciliation.domain.calendar import Calendar
from services.reconciliation.domain.classes import SEVERITY_OF, BreakClass, Severity
from services.reconciliation.domain.inputs import RunScope
from services.reconciliation.domain.rows import Comparison, Side
from services.reconciliation.domain.rules import Rules
from services.reconciliation.domain.verdict import Verdict, verdict

FRIDAY = date(2026, 4, 3)
SCOPE = RunScope("acme", "mock", "main", FRIDAY)
KEY = BreakKey(Comparison.PROVIDER, Pot.PROVIDER, "ch_1", "capture", "EUR")


def test_grace_skips_weekends_and_holidays() -> None:
    """Two business days after a Friday, with Monday off, is Wednesday."""
    calendar = Calendar(holidays=frozenset({date(2026, 4, 6)}))
    assert calendar.after(FRIDAY, 0) == FRIDAY
    assert calendar.after(FRIDAY, 1) == date(2026, 4, 7)
    assert calendar.after(FRIDAY, 2) == date(2026, 4, 8)


def test_a_week_without_a_business_day_is_refused() -> None:
    """A calendar on which no day ever counts would wait for ever."""
    with pytest.raises(InvariantError):
        Calendar(weekend=frozenset(range(1, 8)))


@given(day=st.dates(date(2020, 1, 1), date(2030, 1, 1)), number=st.integers(1, 40))
def test_grace_counts_business_days(day: date, number: int) -> None:
    """Up to the n-th business day after a day lie n business days, itself included."""
    calendar = Calendar(holidays=frozenset({date(2024, 12, 25)}))
    end = calendar.after(day, number)
    between = [day + timedelta(days=n) for n in range(1, (end - day).days + 1)]
    assert sum(map(calendar.is_business_day, between)) == number
    assert calendar.is_business_day(end)


def test_break_dates_follow_the_side_and_the_kind() -> None:
    """In II each side has its grace, kinds may have their own, and what cannot match has none."""
    rules = Rules(settlement_grace_days_of={MovementKind.SWEEP: 5})

    def due(side: Side, kind: str, comparison: Comparison = Comparison.PROVIDER) -> int:
        return (rules.break_date(comparison, side, kind, FRIDAY) - FRIDAY).days

    assert due(Side.SETTLEMENT, "capture") == 3
    assert due(Side.LEDGER, "capture") == 5
    assert due(Side.LEDGER, "sweep") == 7
    assert due(Side.LEDGER, "") == 0
    assert due(Side.SETTLEMENT, "unclassified") == 0
    assert due(Side.GATEWAY, "captured", Comparison.BOOKING) == 1
    assert due(Side.LEDGER, "", Comparison.BOOKING) == 0


def test_the_hash_of_the_rules_is_of_all_of_them() -> None:
    """Any change of any rule changes the hash, and the same rules have the same one."""
    changes = [
        {"version": "2"},
        {"calendar": Calendar(holidays=frozenset({FRIDAY}))},
        {"calendar": Calendar(weekend=frozenset({5, 6}))},
        {"booking_grace_days": 2},
        {"settlement_grace_days": 4},
        {"settlement_grace_days_of": {MovementKind.SWEEP: 4}},
        {"report_only_kinds": frozenset({MovementKind.SWEEP})},
        {"key_retention_months": 14},
    ]
    hashes = {Rules().sha256} | {replace(Rules(), **change).sha256 for change in changes}
    assert len(hashes) == len(changes) + 1
    assert Rules().sha256 == Rules().sha256
    assert {field for change in changes for field in change} == set(Rules.__slots__)


def test_keys_are_remembered_for_thirteen_months() -> None:
    """The first remembered date is the first of the month thirteen months ago."""
    assert Rules().remembered_since(date(2026, 1, 31)) == date(2024, 12, 1)
    assert Rules().remembered_since(date(2026, 2, 1)) == date(2025, 1, 1)


def test_a_break_id_is_of_what_the_break_is_and_of_nothing_else() -> None:
    """Every part of the key and the occurrence change the id; the date does not."""
    base = break_id(SCOPE, KEY, 1)
    assert base == break_id(replace(SCOPE, business_date=date(2030, 1, 1)), KEY, 1)
    others = [
        break_id(replace(SCOPE, tenant_id="b"), KEY, 1),
        break_id(replace(SCOPE, provider="b"), KEY, 1),
        break_id(replace(SCOPE, provider_account="b"), KEY, 1),
        break_id(SCOPE, replace(KEY, comparison=Comparison.BOOKING), 1),
        break_id(SCOPE, replace(KEY, pot=Pot.ROLLING_RESERVE), 1),
        break_id(SCOPE, replace(KEY, key="ch_2"), 1),
        break_id(SCOPE, replace(KEY, kind="refund"), 1),
        break_id(SCOPE, replace(KEY, currency_code="USD"), 1),
        break_id(SCOPE, KEY, 2),
    ]
    assert len({base, *others}) == 10


def test_every_class_has_a_severity_and_waiting_is_no_break() -> None:
    """The severities cover the classes; pending classes and warnings are no breaks."""
    assert set(SEVERITY_OF) == set(BreakClass)
    pending = {name for name in BreakClass if SEVERITY_OF[name] is Severity.PENDING}
    assert pending == {"PENDING_BOOKING", "PENDING_SETTLEMENT", "IN_FLIGHT", "PENDING_BANK"}
    assert not Severity.PENDING.is_break
    assert not Severity.WARNING.is_break
    assert Severity.P4.is_break


@pytest.mark.parametrize(
    ("proven", "breaks", "warnings", "pending", "expected"),
    [
        (False, 1, 1, 1, Verdict.INCOMPLETE),
        (False, 0, 0, 0, Verdict.INCOMPLETE),
        (True, 1, 1, 1, Verdict.BREAKS),
        (True, 0, 1, 1, Verdict.RECONCILED_WITH_WARNINGS),
        (True, 0, 0, 1, Verdict.RECONCILED_WITH_PENDING),
        (True, 0, 0, 0, Verdict.RECONCILED),
    ],
)
def test_the_worst_that_holds_is_the_verdict(
    proven: bool, breaks: int, warnings: int, pending: int, expected: Verdict
) -> None:
    """The ladder goes from INCOMPLETE down, and a better word is never used."""
    assert verdict(proven=proven, breaks=breaks, warnings=warnings, pending=pending) is expected
