"""The command vezne-mock-psp: settings, one server, a clean end."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict, SettingsError

from services.local.mock_psp.server import PortTakenError, serving
from services.local.mock_psp.settings import AccountSettings, load_accounts, new_account

_SEED_BITS = 48


class MockPspSettings(BaseSettings):
    """A payment provider for tests and demos, with books, webhooks and misfortunes of its own.

    Every flag is also an environment variable, such as VEZNE_MOCK_PSP_PORT.
    """

    model_config = SettingsConfigDict(
        env_prefix="VEZNE_MOCK_PSP_",
        frozen=True,
        extra="forbid",
        cli_prog_name="vezne-mock-psp",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
    )

    host: str = Field(default="127.0.0.1", description="where to listen")
    port: int = Field(default=8090, ge=0, le=65_535, description="which port; 0 for any free one")
    accounts_file: Path | None = Field(
        default=None,
        description="a TOML file of accounts; without it there is one, with new secrets",
    )
    webhook_url: str | None = Field(
        default=None, description="where webhooks go when there is no accounts file"
    )
    admin_token: str | None = Field(
        default=None, min_length=16, description="the token of the admin API; new unless given"
    )
    seed: int | None = Field(
        default=None, ge=0, description="what ids follow from; new unless given"
    )
    start: datetime | None = Field(
        default=None, description="what the provider's clock shows first; now unless given"
    )
    clock_runs: bool = Field(
        default=True, description="whether the clock runs by itself or stands until it is moved"
    )
    hang_s: float = Field(
        default=30.0, gt=0, le=600, description="how long a call that is never answered is held"
    )


def main() -> None:
    """Run the mock PSP until SIGTERM or SIGINT; exit with 1 if it cannot start."""
    try:
        settings = CliApp.run(MockPspSettings)
        accounts = _accounts(settings)
        asyncio.run(_run(settings, accounts))
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            where = ".".join(str(part) for part in one["loc"])
            _say(f"{where}: {one['msg']}", error=True)
        sys.exit(1)
    except (PortTakenError, SettingsError, OSError, ValueError) as error:
        _say(str(error), error=True)
        sys.exit(1)


def _accounts(settings: MockPspSettings) -> Mapping[str, AccountSettings]:
    if settings.accounts_file is not None:
        return load_accounts(settings.accounts_file)
    account = new_account(settings.webhook_url)
    _say("account casino-main, whose secrets are new with every start:")
    _say(f"  secret          {account.secret}")
    _say(f"  webhook secret  {account.webhook_secret}")
    return {"casino-main": account}


async def _run(settings: MockPspSettings, accounts: Mapping[str, AccountSettings]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    start = settings.start
    # Without a seed the ids are new with every start: the books are forgotten at the end, and a
    # gateway that remembers would take an old id for a duplicate.
    seed = secrets.randbits(_SEED_BITS) if settings.seed is None else settings.seed
    async with serving(
        accounts,
        host=settings.host,
        port=settings.port,
        seed=seed,
        admin_token=settings.admin_token,
        start=start.astimezone(UTC) if start is not None else None,
        clock_runs=settings.clock_runs,
        hang_s=settings.hang_s,
    ) as mock_psp:
        if settings.admin_token is None:
            _say(f"admin token       {mock_psp.admin_token}")
        _say(f"seed              {seed}")
        _say(f"mock PSP listening on {mock_psp.base_url}")
        await stop.wait()


def _say(line: str, *, error: bool = False) -> None:
    print(line, file=sys.stderr if error else sys.stdout, flush=True)


if __name__ == "__main__":
    main()
