"""The one provider account of the stack on one machine, as the gateway and the mock PSP know it."""

import base64
import json
import secrets
from pathlib import Path

from services.local.folder import DataFolder, write_private
from services.local.ports import Ports, address

PROVIDER = "mock"
PROVIDER_ACCOUNT = "main"
BANK_ACCOUNT = "main"
CURRENCIES = ("EUR", "JPY")

_WEBHOOK_KEY_ID = "1"
_WEBHOOK_KEY_BYTES = 32


def api_key_file(folder: DataFolder) -> Path:
    """Return the file of the gateway's key at the mock PSP."""
    return folder.secret("mock_api_key", lambda: f"sk_test_{secrets.token_urlsafe(24)}")


def webhook_key_file(folder: DataFolder) -> Path:
    """Return the file of the key that signs the mock PSP's webhooks (Standard Webhooks)."""

    def make() -> str:
        key = secrets.token_bytes(_WEBHOOK_KEY_BYTES)
        return f"whsec_{base64.b64encode(key).decode()}"

    return folder.secret("mock_webhook_key", make)


def admin_token_file(folder: DataFolder) -> Path:
    """Return the file of the token of the mock PSP's admin API."""
    return folder.secret("mock_admin_token")


def write_for_mock_psp(folder: DataFolder, ports: Ports) -> Path:
    """Write the mock PSP's accounts, and return the file."""
    path = folder.settings / "mock_psp_accounts.toml"
    webhook_url = f"http://{address(ports.webhooks)}/webhooks/{PROVIDER}/{PROVIDER_ACCOUNT}"
    lines = [
        f"[accounts.{PROVIDER_ACCOUNT}]",
        f"secret = {_quoted(api_key_file(folder).read_text())}",
        f"webhook_secret = {_quoted(webhook_key_file(folder).read_text())}",
        f"webhook_url = {_quoted(webhook_url)}",
    ]
    write_private(path, "\n".join(lines) + "\n")
    return path


def write_for_gateway(folder: DataFolder, ports: Ports, tenant_id: str) -> Path:
    """Write the gateway's provider accounts, and return the file."""
    path = folder.settings / "provider_accounts.toml"
    lines = [
        "[[provider_account]]",
        f"tenant_id = {_quoted(tenant_id)}",
        f"provider = {_quoted(PROVIDER)}",
        f"provider_account = {_quoted(PROVIDER_ACCOUNT)}",
        f"currencies = {json.dumps(CURRENCIES)}",
        f"bank_account = {_quoted(BANK_ACCOUNT)}",
        f"base_url = {_quoted(f'http://{address(ports.mock_psp)}')}",
        f"api_key_file = {_quoted(str(api_key_file(folder)))}",
        'mode = "test"',
        'report_format = "mock"',
        "",
        "[[provider_account.webhook_key]]",
        f"kid = {_quoted(_WEBHOOK_KEY_ID)}",
        f"file = {_quoted(str(webhook_key_file(folder)))}",
    ]
    write_private(path, "\n".join(lines) + "\n")
    return path


def _quoted(text: str) -> str:
    # A JSON string of printable characters is a TOML string.
    return json.dumps(text)
