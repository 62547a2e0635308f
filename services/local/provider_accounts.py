"""The provider account of the stack on one machine, as the gateway and the mock PSP know it."""

import base64
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from services.local.folder import DataFolder, write_private
from services.local.ports import Ports, address

PROVIDER = "mock"
PROVIDER_ACCOUNT = "main"
BANK_ACCOUNT = "main"
CURRENCIES = ("EUR", "JPY")
STEP_S = 0.5
"""How long a step of the mock PSP's scenarios takes, such as that of a transfer to its end."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Whose the provider account is, and how far the provider's clock is behind ours.

    It is behind, so that its days can be closed and are over for everybody else.
    """

    tenant: str
    provider_behind: timedelta = timedelta(days=1)


_APPROVERS = {
    "EUR": ((500_00, 0), (5_000_00, 1), (50_000_00, 2)),
    "JPY": ((80_000, 0), (800_000, 1), (8_000_000, 2)),
}
_WEBHOOK_KEY_ID = "1"
_WEBHOOK_KEY_BYTES = 32
_INBOX_KEY_BYTES = 32


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


def inbox_key_file(folder: DataFolder) -> Path:
    """Return the file of the key that encrypts the webhooks that the gateway stores."""
    return folder.secret(
        "inbox_key", lambda: base64.b64encode(secrets.token_bytes(_INBOX_KEY_BYTES)).decode()
    )


def write_for_mock_psp(folder: DataFolder, ports: Ports) -> Path:
    """Write the mock PSP's accounts, and return the file."""
    path = folder.settings / "mock_psp_accounts.toml"
    webhook_url = f"http://{address(ports.webhooks)}/webhooks/{PROVIDER}/{PROVIDER_ACCOUNT}"
    lines = [
        f"[accounts.{PROVIDER_ACCOUNT}]",
        f"secret = {_quoted(api_key_file(folder).read_text())}",
        f"webhook_secret = {_quoted(webhook_key_file(folder).read_text())}",
        f"webhook_url = {_quoted(webhook_url)}",
        f"step_s = {STEP_S}",
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


def write_approval_rules(folder: DataFolder) -> Path:
    """Write who approves withdrawals: small ones nobody, larger ones one person, then two."""
    path = folder.settings / "approval_rules.toml"
    lines = [
        line
        for code, bands in _APPROVERS.items()
        for amount_minor_max, approvers in bands
        for line in (
            "[[band]]",
            f"currency = {_quoted(code)}",
            f"amount_minor_max = {amount_minor_max}",
            f"approvers = {approvers}",
            "",
        )
    ]
    write_private(path, "\n".join(lines))
    return path


def _quoted(text: str) -> str:
    # A JSON string of printable characters is a TOML string.
    return json.dumps(text)
