"""The command vezne-mock-psp: settings, one server, a clean end."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Mapping
from datetime import UTC

from services.local.mock_psp.server import serving
from services.local.mock_psp.settings import (
    PREFIX,
    AccountSettings,
    MockPspSettings,
    load_accounts,
    new_account,
)
from services.platform.health import PortTakenError
from services.platform.server import exit_sentence
from services.platform.settings import SettingsError, exit_with, load

_SEED_BITS = 48


def main() -> None:
    """Run the mock PSP until SIGTERM or SIGINT; exit with 1 if its port is taken."""
    try:
        settings = load(MockPspSettings)
        accounts = _accounts(settings)
    except SettingsError as error:
        exit_with(error)
    try:
        asyncio.run(_run(settings, accounts))
    except PortTakenError as error:
        exit_sentence(f"{error}; set {PREFIX}PORT to another port, or to 0 for any free one.")


def _accounts(settings: MockPspSettings) -> Mapping[str, AccountSettings]:
    if settings.accounts_file is not None:
        return load_accounts(settings.accounts_file)
    account = new_account(settings.webhook_url)
    _say("account           main, whose secrets are new with every start")
    _say(f"secret            {account.secret}")
    _say(f"webhook secret    {account.webhook_secret}")
    return {"main": account}


async def _run(settings: MockPspSettings, accounts: Mapping[str, AccountSettings]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # Without a seed the ids are new with every start: the books are forgotten at the end, and a
    # gateway that remembers would take an old id for a duplicate.
    seed = secrets.randbits(_SEED_BITS) if settings.seed is None else settings.seed
    async with serving(
        accounts,
        host=settings.host,
        port=settings.port,
        seed=seed,
        admin_token=settings.admin_token,
        start=settings.start.astimezone(UTC) if settings.start is not None else None,
        clock_runs=settings.clock_runs,
        hang_s=settings.hang_s,
    ) as mock_psp:
        if settings.admin_token is None:
            _say(f"admin token       {mock_psp.admin_token}")
        _say(f"seed              {seed}")
        _say(f"mock PSP          {mock_psp.base_url}")
        await stop.wait()


def _say(line: str) -> None:
    # Whoever started it may read the address from a pipe, so nothing waits in a buffer.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
