"""Several days of a provider account: no false break in a correct life, and every fault found."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from services.formats.report import ReportLine
from services.kernel.movements import MovementKind
from services.reconciliation.domain.verdict import Verdict
from tests.fakes.recon_days import Days, Done, line, movement
from tests.fakes.recon_lives import RULES, Fact, Life, Run, play

K = MovementKind
Fault = Callable[[Run], None]


@pytest.mark.parametrize("seed", range(4))
def test_a_correct_life_has_no_break_and_no_failed_proof(tmp_path: Path, seed: int) -> None:
    """Whatever is late within its grace is pending, and in the end nothing is open."""
    done = play(Days(tmp_path, RULES), Life(seed).runs)
    for each in done:
        assert each.failed() == {}
        classes = each.open_classes() | each.open_classes("booking")
        assert set(classes.values()) <= {"PENDING_BOOKING", "PENDING_SETTLEMENT", "IN_FLIGHT"}
        assert each.statement.verdict in {
            Verdict.RECONCILED,
            Verdict.RECONCILED_WITH_PENDING,
        }
    assert done[-1].statement.verdict is Verdict.RECONCILED
    assert sum(len(each.rows("provider/closed.parquet")) for each in done) > 30


def is_capture(fact: Fact) -> bool:
    """Whether the fact is a capture in euros."""
    return fact.name == "captured" and fact.movements[0].currency_code == "EUR"


def change_booking(change: Callable[[Run, int, Fact], None]) -> Fault:
    """A fault of the first capture that is booked."""

    def fault(run: Run) -> None:
        index = next(n for n, fact in enumerate(run.booked) if is_capture(fact))
        change(run, index, run.booked[index])

    return fault


def change_line(change: Callable[[list[ReportLine], int], None]) -> Fault:
    """A fault of the first capture line in euros that no sweep sums up."""

    def fault(run: Run) -> None:
        for lines in run.lines:
            for n, settled in enumerate(lines):
                if (
                    settled.kind is K.CAPTURE
                    and not settled.sweep_key
                    and settled.gross_currency == "EUR"
                ):
                    change(lines, n)
                    return
        pytest.fail("This life has no such line")

    return fault


def lose_posting(run: Run, index: int, _fact: Fact) -> None:
    """The gateway learned it, and the ledger was never told."""
    del run.booked[index]


def post_twice(run: Run, index: int, fact: Fact) -> None:
    """The ledger booked it twice."""
    run.booked.insert(index, fact)


def post_other_amount(run: Run, index: int, fact: Fact) -> None:
    """The ledger booked another amount."""
    run.booked[index] = Fact(
        fact.object_id,
        fact.name,
        (replace(fact.movements[0], amount_minor=fact.movements[0].amount_minor + 1),),
    )


def post_other_currency(run: Run, index: int, fact: Fact) -> None:
    """The ledger booked another currency."""
    run.booked[index] = Fact(
        fact.object_id, fact.name, (replace(fact.movements[0], currency_code="USD"),)
    )


def post_from_nowhere(run: Run, _index: int, _fact: Fact) -> None:
    """The ledger booked what never happened."""
    run.booked.append(Fact("dep/x", "captured", (movement(4200, "chx"),)))


def double(lines: list[ReportLine], n: int) -> None:
    """The report lists a line twice."""
    lines.append(lines[n])


def drop(lines: list[ReportLine], n: int) -> None:
    """The report lacks a line, and the provider's balance with it."""
    settled = lines[n]
    lines[n] = replace(settled, gross_minor=0, net_minor=-settled.fee_minor)


def alter(lines: list[ReportLine], n: int) -> None:
    """The report has another amount."""
    settled = lines[n]
    lines[n] = replace(
        settled, gross_minor=settled.gross_minor - 1, net_minor=settled.net_minor - 1
    )


def unknown_line(run: Run) -> None:
    """The report has a capture that nobody knows."""
    run.lines[0].append(line(1, K.CAPTURE, "chx", 4200))


def unknown_type(run: Run) -> None:
    """The report has a line of an unknown type."""
    run.lines[0].append(line(1, K.UNCLASSIFIED, "x", 42))


def unbooked_fee(run: Run) -> None:
    """The report has a fee that the gateway did not book."""
    run.lines[0].append(line(1, K.ACCOUNT_FEE, "fee", -42))


FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "posting lost": (change_booking(lose_posting), {"NOT_BOOKED", "MISSING_IN_LEDGER"}),
    "posted twice": (change_booking(post_twice), {"DUPLICATE_IN_LEDGER"}),
    "other amount": (change_booking(post_other_amount), {"AMOUNT_UNDER"}),
    "other currency": (change_booking(post_other_currency), {"CURRENCY_MISMATCH"}),
    "from nowhere": (
        change_booking(post_from_nowhere),
        {"ORPHAN_LEDGER", "MISSING_IN_SETTLEMENT"},
    ),
    "line doubled": (change_line(double), {"DUPLICATE_IN_REPORT"}),
    "line dropped": (change_line(drop), {"MISSING_IN_SETTLEMENT"}),
    "line altered": (change_line(alter), {"AMOUNT_UNDER"}),
    "unknown line": (unknown_line, {"MISSING_IN_GATEWAY"}),
    "unknown type": (unknown_type, {"UNCLASSIFIED"}),
    "unbooked fee": (unbooked_fee, {"MISSING_IN_LEDGER"}),
}
PENDING = {"PENDING_BOOKING", "PENDING_SETTLEMENT", "IN_FLIGHT"}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_found_and_nothing_else(tmp_path: Path, name: str) -> None:
    """A planted fault ends in its classes, no other break appears, and all proofs still hold."""
    fault, expected = FAULTS[name]
    life = Life(seed=3)
    fault(life.runs[1])
    # Long enough for every grace to run out.
    life.runs.append(Run(lines=[[]] * 5))
    done = play(Days(tmp_path, RULES), life.runs)
    found = set()
    for each in done:
        assert each.failed() == {}
        found |= set(each.open_classes().values()) | set(each.open_classes("booking").values())
    assert found - PENDING == expected
    last = done[-1]
    assert last.statement.verdict in {Verdict.BREAKS, Verdict.RECONCILED_WITH_WARNINGS}
    assert keys_of_breaks(last), "the fault is still open at the end"


def keys_of_breaks(done: Done) -> set[str]:
    """Keys that are open as more than pending."""
    classes = done.open_classes() | done.open_classes("booking")
    return {key for key, name in classes.items() if name not in PENDING}


def test_a_break_is_resolved_by_the_posting_that_was_owed(tmp_path: Path) -> None:
    """A lost posting that is redriven later closes its breaks, and the account is reconciled."""
    life = Life(seed=3)
    lost = next(fact for fact in life.runs[1].booked if is_capture(fact))
    life.runs[1].booked.remove(lost)
    life.runs[-1].booked.append(lost)
    done = play(Days(tmp_path, RULES), life.runs)
    assert done[-2].statement.verdict is Verdict.BREAKS
    assert done[-1].statement.verdict is Verdict.RECONCILED
    resolved = [
        row["class"]
        for name in ("booking", "provider")
        for row in done[-1].rows(f"{name}/breaks.parquet")
        if row["lifecycle"] == "RESOLVED"
        and row["key"] in {lost.object_id, "ch" + lost.object_id[4:]}
    ]
    assert resolved == ["NOT_BOOKED", "MISSING_IN_LEDGER"]
