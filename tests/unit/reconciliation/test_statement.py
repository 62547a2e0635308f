"""The statement: its arithmetic, its verdict and its Markdown."""

import re
from dataclasses import replace
from datetime import date

from services.formats.report import ReportBalance
from services.kernel.movements import Pot
from services.reconciliation.adapters.duckdb.prove import PROOFS_MADE
from services.reconciliation.domain.breaks import BreakKey
from services.reconciliation.domain.classes import BreakClass, Severity
from services.reconciliation.domain.inputs import RunScope
from services.reconciliation.domain.markdown import to_markdown
from services.reconciliation.domain.proofs import NOT_MADE
from services.reconciliation.domain.rows import Comparison, Side
from services.reconciliation.domain.statement import (
    Bridge,
    ClassTotal,
    Cut,
    Figure,
    Proof,
    ReportCut,
    RollForward,
    RoundTrip,
    Section,
    SequenceCut,
    Statement,
)
from services.reconciliation.domain.verdict import Verdict

NOTHING = Figure(0, 0, 0)
OUTSIDE = RollForward(
    Side.SETTLEMENT,
    NOTHING,
    Figure(3, 3000, 3000),
    Figure(2, 2500, 2500),
    NOTHING,
    Figure(1, 500, 500),
)
LEDGER = RollForward(
    Side.LEDGER,
    Figure(1, 10, 10),
    Figure(2, 2500, 2500),
    Figure(2, 2500, 2500),
    NOTHING,
    Figure(1, 10, 10),
)
SECTION = Section(
    Comparison.PROVIDER,
    Pot.PROVIDER,
    "EUR",
    OUTSIDE,
    LEDGER,
    (
        ClassTotal(BreakClass.MISSING_IN_LEDGER, Severity.P1, 1, 500, 500),
        ClassTotal(BreakClass.PENDING_SETTLEMENT, Severity.PENDING, 1, -10, 10),
    ),
    Bridge(3000, outside_balance_given=True, ledger_balance_minor=2510,
           outside_open_minor=500, ledger_open_minor=10),
)  # fmt: skip
STATEMENT = Statement(
    scope=RunScope("acme", "mock", "main_eu", date(2026, 3, 2)),
    cut=Cut(SequenceCut(5, 9), SequenceCut(3, 4), (ReportCut(7, "ab" * 32),), "1", "cd" * 32, ""),
    sections=(SECTION,),
    proofs=(Proof(1, "File", (), ()), Proof(6, "Bridge", ("3000 against 2510",), ())),
    exclusions={"L INTERNAL": 4},
    new_breaks=1,
    round_trips=(),
    provider_balances=(ReportBalance(Pot.PROVIDER, "EUR", 0, 3000),),
)


def with_classes(*classes: ClassTotal) -> Statement:
    """The statement with these classes open."""
    return replace(STATEMENT, sections=(replace(SECTION, classes=classes),))


def test_the_residual_is_what_no_open_row_explains() -> None:
    """Balance less balance, less open less open."""
    assert SECTION.bridge is not None
    assert SECTION.bridge.residual_minor == 0
    assert replace(SECTION.bridge, ledger_balance_minor=2400).residual_minor == 110


def test_a_roll_forward_holds_in_count_and_in_sum() -> None:
    """A row too many fails even if it is worth nothing, and so does a cent."""
    assert OUTSIDE.holds
    assert LEDGER.holds
    assert not replace(OUTSIDE, closing=Figure(2, 500, 500)).holds
    assert not replace(OUTSIDE, closing=Figure(1, 501, 501)).holds


def test_the_verdict_follows_proofs_breaks_warnings_and_pending() -> None:
    """The statement's verdict is the ladder's, over all its sections."""
    pending = ClassTotal(BreakClass.IN_FLIGHT, Severity.PENDING, 1, 1, 1)
    warning = ClassTotal(BreakClass.UNCLASSIFIED, Severity.WARNING, 1, 1, 1)
    key = BreakKey(Comparison.PROVIDER, Pot.PROVIDER, "ch", "capture", "EUR")
    trip = RoundTrip(key, Side.SETTLEMENT, 2, 200)
    assert STATEMENT.verdict is Verdict.BREAKS
    assert with_classes(pending, warning).verdict is Verdict.RECONCILED_WITH_WARNINGS
    assert with_classes(pending).verdict is Verdict.RECONCILED_WITH_PENDING
    assert with_classes().verdict is Verdict.RECONCILED
    assert replace(with_classes(), round_trips=(trip,)).verdict is Verdict.RECONCILED_WITH_WARNINGS
    unproven = replace(with_classes(), proofs=(Proof(1, "File", (), ("no",)),))
    assert unproven.verdict is Verdict.INCOMPLETE


def test_the_markdown_tells_the_verdict_first_and_every_figure() -> None:
    """A person reads what holds, what is open and up to where, in major units."""
    text = to_markdown(STATEMENT)
    assert text.splitlines()[0] == "# BREAKS"
    assert (
        "1 breaks (1 new), 1 pending or to be looked at, 2 of 2 proofs hold, 3 are not made."
        in text
    )
    assert "## II Provider, P in EUR" in text
    assert "| 30.00 | 25.10 | 4.90 | **0.00** |" in text
    assert "| closing | 5.00 (1) | 0.10 (1) |" in text
    assert "| PENDING_SETTLEMENT | PENDING | 1 | -0.10 | 0.10 |" in text
    assert "| 6 | Bridge | yes |" in text
    assert "- ledger: 5 to 9" in text
    assert "- left out: L INTERNAL 4" in text
    assert "- run before: `none`" in text


def test_each_proof_that_is_not_made_says_why() -> None:
    """Of the ten proofs each is made or listed, and what is not made has its sentence."""
    text = to_markdown(STATEMENT)

    assert sorted([*PROOFS_MADE, *NOT_MADE]) == list(range(1, 11))
    for number, proof in NOT_MADE.items():
        assert re.fullmatch(r"[A-Z].{30,}\.", proof.reason)
        assert f"| {number} | {proof.name} | not made: {proof.reason} |" in text


def test_the_markdown_shows_why_a_proof_fails_and_nothing_that_keys_could_inject() -> None:
    """Failures are shown, and what Markdown would read in a key is escaped."""
    failed = Proof(2, "Sides", (), ("row <img src=x> | *is* gone", "b", "c", "d"))
    text = to_markdown(replace(STATEMENT, proofs=(failed,)))
    assert text.startswith("# INCOMPLETE")
    assert r"**no**: row \<img src=x\> \| \*is\* gone; b; c |" in text
    assert r"**mock / main\_eu**" in text


def test_the_markdown_fits_a_page() -> None:
    """Even with many failures and round trips it stays a page that a workflow can carry."""
    key = BreakKey(Comparison.PROVIDER, Pot.PROVIDER, "k" * 64, "capture", "EUR")
    many = replace(
        STATEMENT,
        sections=(SECTION,) * 8,
        proofs=tuple(Proof(n, "Proof", (), ("failure " * 12,) * 20) for n in range(10)),
        round_trips=(RoundTrip(key, Side.SETTLEMENT, 2, 200),) * 100,
    )
    assert len(to_markdown(many)) < 16_384
