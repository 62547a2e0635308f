"""The accounts file, and the provider's clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.kernel.invariant import InvariantError
from services.local.mock_psp import settings
from services.local.mock_psp.books import FeeRate
from services.local.mock_psp.clock import VirtualClock
from services.local.mock_psp.settings import load_accounts, new_account
from services.platform.settings import SettingsError

START = datetime(2026, 3, 2, tzinfo=UTC)


def documented() -> str:
    """Return the example of the module's docstring, with real secrets in it."""
    text = (settings.__doc__ or "").split("\n\n", 1)[1].replace("\n    ", "\n").lstrip()
    secret = new_account().webhook_secret
    return text.replace("whsec_...", secret)


def test_the_documented_file_is_read(tmp_path: Path) -> None:
    """The example in the documentation is a whole and valid file."""
    path = tmp_path / "accounts.toml"
    path.write_text(documented())

    account = load_accounts(path)["main"]

    assert account.terms().fees.capture == FeeRate(140, 10)
    assert account.terms().sweep_days == 1
    assert account.webhook_secret_old == account.webhook_secret


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('mode = "test"', 'mode = "play"', "accounts.main.mode"),
        ("sweep_days = 1", "sweep_days = 0", "accounts.main.sweep_days"),
        ("sweep_days = 1", "swep_days = 1", "accounts.main.swep_days"),
        ("webhook_secret_old", "webhook_secret", "Cannot overwrite"),
        ("[accounts.main]", "[accounts.Main]", "accounts.Main"),
        ("http://", "file://", "accounts.main.webhook_url"),
        ("sweeps = true", "sweeps = maybe", "TOML"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """What is wrong, unknown or no TOML is named with the file."""
    text = documented()
    assert old in text
    path = tmp_path / "accounts.toml"
    path.write_text(text.replace(old, new))

    with pytest.raises(SettingsError) as error:
        load_accounts(path)

    assert str(path) in str(error.value)
    assert problem == "TOML" or problem in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The file that is not there is named."""
    with pytest.raises(SettingsError, match=r"none\.toml: No such file"):
        load_accounts(tmp_path / "none.toml")


def test_a_standing_clock_moves_only_when_told() -> None:
    """It shows its start until it is moved, and never goes back."""
    clock = VirtualClock(START)
    clock.advance(timedelta(hours=1))

    assert clock.now() == clock.now() == START + timedelta(hours=1)
    with pytest.raises(InvariantError):
        clock.advance(timedelta(seconds=-1))


def test_a_running_clock_runs_with_the_machine_and_never_back() -> None:
    """It begins at its start whatever the machine's time, and stands when that is set back."""
    machine = [datetime(2030, 1, 1, tzinfo=UTC)]
    clock = VirtualClock(START, lambda: machine[0])
    shown = [clock.now()]
    machine[0] += timedelta(minutes=5)
    shown.append(clock.now())
    clock.advance(timedelta(days=1))
    shown.append(clock.now())
    machine[0] -= timedelta(hours=2)
    shown.append(clock.now())

    later = START + timedelta(days=1, minutes=5)
    assert shown == [START, START + timedelta(minutes=5), later, later]
