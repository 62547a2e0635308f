"""The file of who approves withdrawals."""

from datetime import timedelta
from pathlib import Path

import pytest

from services.kernel.money import Money
from services.platform.settings import SettingsError
from services.psp_gateway.settings import load_approval_policy

BANDS = """
expires_after_hours = 24

[[band]]
currency = "EUR"
amount_minor_max = 10_000
approvers = 0

[[band]]
currency = "EUR"
amount_minor_max = 50_000
approvers = 1

[[band]]
currency = "JPY"
amount_minor_max = 1_000
approvers = 1
"""


def written(folder: Path, text: str) -> Path:
    """Write a file of rules."""
    path = folder / "rules.toml"
    path.write_text(text)
    return path


def test_without_a_file_everything_needs_two_people() -> None:
    """What nobody has decided is decided the safe way."""
    policy = load_approval_policy(None)

    assert policy.approvers_required(Money("EUR", 1)) == 2
    assert policy.expires_after == timedelta(days=3)


def test_the_bands_of_the_file_decide(tmp_path: Path) -> None:
    """Each currency has its bands; what none covers needs two people."""
    policy = load_approval_policy(written(tmp_path, BANDS))

    assert policy.expires_after == timedelta(hours=24)
    assert [
        policy.approvers_required(Money(code, amount))
        for code, amount in (
            ("EUR", 10_000),
            ("EUR", 10_001),
            ("EUR", 50_001),
            ("JPY", 1_000),
            ("GBP", 1),
        )
    ] == [0, 1, 2, 1, 2]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("approvers = 1", "approvers"),
        ("[[band]]\ncurrency = 'EUR'\namount_minor_max = 1\napprovers = 3", "band.0.approvers"),
        ("[[band]]\ncurrency = 'XXQ'\namount_minor_max = 1\napprovers = 0", "XXQ"),
        (BANDS.replace("50_000", "5_000"), "bands rise"),
        (BANDS.replace("approvers = 0", "approvers = 2"), "never needs fewer people"),
        ("expires_after_hours = 0", "expires_after_hours"),
        ("[band", "rules.toml"),
    ],
)
def test_a_wrong_file_stops_start_up(tmp_path: Path, text: str, problem: str) -> None:
    """A mistake in the rules is told with its place, before any money is approved by it."""
    with pytest.raises(SettingsError) as error:
        load_approval_policy(written(tmp_path, text))

    assert problem in str(error.value)


def test_a_missing_file_stops_start_up(tmp_path: Path) -> None:
    """Rules that were asked for and cannot be read are no rules."""
    with pytest.raises(SettingsError, match="No such file"):
        load_approval_policy(tmp_path / "none.toml")
