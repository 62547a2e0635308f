"""The command vezne-mock-psp: settings, one server, a clean end."""

import secrets
import sys
from collections.abc import Mapping
from datetime import UTC

from services.local.mock_psp.server import serving
from services.local.mock_psp.settings import (
    AccountSettings,
    MockPspSettings,
    load_accounts,
    new_account,
)
from services.platform.process import run
from services.platform.server import until_told_to_stop

_SEED_BITS = 48


def main() -> None:
    """Run the mock PSP until SIGTERM or SIGINT; exit with 1 if its port is taken."""
    run("vezne-mock-psp", MockPspSettings, _serve)


def _accounts(settings: MockPspSettings) -> Mapping[str, AccountSettings]:
    if settings.accounts_file is not None:
        return load_accounts(settings.accounts_file)
    account = new_account(settings.webhook_url)
    _say("account           main, whose secrets are new with every start")
    _say(f"secret            {account.secret}")
    _say(f"webhook secret    {account.webhook_secret}")
    return {"main": account}


async def _serve(settings: MockPspSettings) -> None:
    accounts = _accounts(settings)
    # Without a seed the ids are new with all new books: a gateway that remembers others would take
    # an old id for a duplicate.
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
        journal_file=settings.journal_file,
    ) as mock_psp:
        if settings.admin_token is None:
            _say(f"admin token       {mock_psp.admin_token}")
        _say(f"seed              {mock_psp.seed}")
        _say(f"mock PSP          {mock_psp.base_url}")
        await until_told_to_stop()


def _say(line: str) -> None:
    # Whoever started it may read the address from a pipe, so nothing waits in a buffer.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
