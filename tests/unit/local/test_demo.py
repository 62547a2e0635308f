"""What the demo makes of what it finds."""

import pytest

from services.cli.demo import show
from services.cli.failures import ExitCode, Failure
from services.kernel.movements import MovementKind
from services.local.demo.day import BucketLine, Expected, Findings, Seed
from services.local.demo.proof import compare
from vezne.ledger.v1.journal_service_pb2 import TrialBalanceTotal
from vezne.reconciliation.v1.break_pb2 import (
    BREAK_CLASS_AMOUNT_UNDER,
    BREAK_CLASS_MISSING_IN_SETTLEMENT,
    BREAK_CLASS_PENDING_SETTLEMENT,
    Break,
)

SEED = Seed(
    "a payment is missing",
    "pi_1",
    0,
    (
        Expected(
            MovementKind.CAPTURE,
            -500,
            BREAK_CLASS_PENDING_SETTLEMENT,
            BREAK_CLASS_MISSING_IN_SETTLEMENT,
        ),
    ),
)
FOUND = Break(
    key="pi_1",
    kind="capture",
    currency_code="EUR",
    break_class=BREAK_CLASS_PENDING_SETTLEMENT,
    difference_minor=-500,
)


def broken(*breaks: Break) -> list[str]:
    """Compare breaks with the seed, and return the promises that do not hold."""
    findings = Findings()
    compare(findings, "2026-01-31", [SEED], breaks, lambda expected: expected.at_first)
    return [promise.text for promise in findings.promises if not promise.holds]


def test_a_seed_that_is_found_as_it_must_be_is_kept() -> None:
    """A seeded fault with its class and amount, and nothing else, breaks no promise."""
    assert broken(FOUND) == []


def test_a_seed_that_is_not_found_is_broken() -> None:
    """A seeded fault that no run found is a broken promise that names it."""
    assert broken() == ["2026-01-31: a payment is missing, found as PENDING_SETTLEMENT"]


@pytest.mark.parametrize(
    "other",
    [
        {"break_class": BREAK_CLASS_AMOUNT_UNDER},
        {"difference_minor": -499},
        {"kind": "capture_fee"},
    ],
)
def test_another_reason_or_amount_is_broken(other: dict[str, int | str]) -> None:
    """A seeded fault that is found by another reason, amount or movement is not found."""
    wrong = Break()
    wrong.CopyFrom(FOUND)
    for name, value in other.items():
        setattr(wrong, name, value)

    assert len(broken(wrong)) == 1


def test_what_was_not_seeded_is_broken() -> None:
    """A break that nobody seeded is a broken promise."""
    stray = Break(key="pi_2", kind="capture", currency_code="EUR", difference_minor=1)

    assert broken(FOUND, stray) == ["2026-01-31: no break is found that was not seeded"]


def test_a_broken_promise_is_an_exit_code_and_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command ends with 1 and says which promise does not hold, after all it found."""
    findings = Findings(
        totals=[TrialBalanceTotal(currency_code="EUR", debit_minor=5, credit_minor=4)],
        buckets=[BucketLine("EUR", "pending", 5, 4)],
    )
    findings.check("the sky is blue", holds=True)
    findings.check("the trial balance is zero", holds=False, detail="it is 0.01")

    with pytest.raises(Failure, match="1 of 2 promises do not hold: the trial balance") as failed:
        show(findings)

    said = capsys.readouterr().out
    assert failed.value.exit_code is ExitCode.REFUSED
    assert "NO  the trial balance is zero  it is 0.01" in said
    assert "EUR         0.05     0.04        0.01" in said
