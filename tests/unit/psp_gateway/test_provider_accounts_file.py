"""The file of provider accounts."""

from pathlib import Path

import pytest

from services.platform.settings import SettingsError
from services.psp_gateway.settings import load_provider_accounts

ACCOUNT = """
[[provider_account]]
tenant_id = "acme"
provider = "mock"
provider_account = "main"
currencies = ["EUR"]
bank_account = "house-bank"
base_url = "http://psp"
api_key_file = "api.key"
mode = "test"
report_format = "mock"

[[provider_account.webhook_key]]
kid = "current"
file = "hook.key"
"""


def written(folder: Path, text: str) -> Path:
    """Write a file of provider accounts."""
    path = folder / "providers.toml"
    path.write_text(text)
    return path


def test_the_mock_is_refused_where_money_is_real(tmp_path: Path) -> None:
    """Nobody is credited with what a provider says that is none: mode live ends the process."""
    live = ACCOUNT.replace('mode = "test"', 'mode = "live"')

    [sound] = load_provider_accounts(written(tmp_path, ACCOUNT))
    with pytest.raises(SettingsError, match="mock provider has no mode live"):
        load_provider_accounts(written(tmp_path, live))

    assert (sound.provider, sound.mode) == ("mock", "test")


def test_an_account_stands_in_the_file_once(tmp_path: Path) -> None:
    """Of two accounts of one name nobody could say whose money it is."""
    with pytest.raises(SettingsError, match="mock/main is there twice"):
        load_provider_accounts(written(tmp_path, ACCOUNT + ACCOUNT))
