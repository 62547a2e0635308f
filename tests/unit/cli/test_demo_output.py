"""The README shows what the demo prints."""

import re
import sys
from pathlib import Path

import pytest

from services.cli.demo import show
from services.kernel.money import parse_amount
from services.local.demo.day import Findings
from tests.fakes.terminal import Terminal
from vezne.ledger.v1.journal_service_pb2 import TrialBalanceTotal
from vezne.reconciliation.v1.break_pb2 import Break, BreakClass, Severity
from vezne.reconciliation.v1.run_pb2 import Run
from vezne.reconciliation.v1.run_service_pb2 import Statement

README = Path(__file__).resolve().parents[3] / "README.md"


def findings_of(excerpt: str) -> Findings:
    """Return findings that hold the amounts and breaks of the excerpt."""
    totals = [
        TrialBalanceTotal(
            currency_code=code,
            debit_minor=parse_amount(debits, code),
            credit_minor=parse_amount(credits_, code),
        )
        for code, debits, credits_ in re.findall(
            r"(?m)^([A-Z]{3}) +([\d.]+) +([\d.]+) +[\d.]+$", excerpt
        )
    ]
    breaks = [
        Break(
            severity=Severity.Value(f"SEVERITY_{severity}"),
            break_class=BreakClass.Value(f"BREAK_CLASS_{break_class}"),
            key=key,
            kind=kind,
            currency_code=code,
            difference_minor=parse_amount(difference, code),
            outside_minor=parse_amount(outside, code),
            ledger_minor=parse_amount(ledger, code),
        )
        for severity, break_class, key, kind, difference, code, outside, ledger in re.findall(
            r"(?m)^(P\d) +(\w+) +(pi_\w+) (\w+) +(\S+) (\w+) +(\S+) +(\S+)$", excerpt
        )
    ]
    return Findings(totals=totals, breaks=breaks, statement=Statement(run=Run()))


def test_the_readme_shows_what_the_demo_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's excerpt is the demo's output on a terminal of 100 columns, to the letter."""
    [excerpt] = re.findall(r"(?ms)^```text\n(.*?)^```", README.read_text("utf-8"))
    monkeypatch.setenv("COLUMNS", "100")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)

    show(findings_of(excerpt))

    shown = terminal.shown()
    for part in excerpt.strip().split("\n\n"):
        assert part in shown, shown
