"""The body of every `main`: settings, logs, work; each known failure is one sentence and a code."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from services.platform import logs
from services.platform.database import DatabaseUnavailableError, DatabaseUnfitError
from services.platform.listening import PortTakenError
from services.platform.settings import ServiceSettings, SettingsError, exit_with, load

Settings = TypeVar("Settings", bound=ServiceSettings)

CANNOT_RUN: tuple[type[Exception], ...] = (
    PortTakenError,
    DatabaseUnavailableError,
    DatabaseUnfitError,
)
"""What a process says in a sentence before it ends with code 1."""


def run(
    command: str,
    settings_class: type[Settings],
    work: Callable[[Settings], Coroutine[Any, Any, None]],
    *,
    cannot_run: tuple[type[Exception], ...] = (),
) -> None:
    """Run a process until it is told to stop.

    Exits with code 2 if the settings are wrong, and with 1 if it cannot run.

    Args:
        command: its name, such as `vezne-ledger`; without `vezne-` it is the logs' `service`.
        settings_class: what it is told by.
        work: what it does.
        cannot_run: failures beside CANNOT_RUN whose message is a sentence for people.
    """
    try:
        settings = load(settings_class)
        logs.configure(settings.log, command.removeprefix("vezne-"))
        asyncio.run(work(settings))
    except SettingsError as error:
        exit_with(error)
    except CANNOT_RUN + cannot_run as error:
        sys.stderr.write(f"{command}: {error}\n")
        sys.exit(1)
