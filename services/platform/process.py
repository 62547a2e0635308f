"""The body of every `main`: settings, logs, work; each known failure is one sentence and a code."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from services.platform import logs
from services.platform.database import DatabaseUnavailableError
from services.platform.failures import CannotRunError
from services.platform.settings import ServiceSettings, SettingsError, exit_with, load

Settings = TypeVar("Settings", bound=ServiceSettings)


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
        cannot_run: failures beside CannotRunError whose message is a sentence for people.
    """
    sentences: tuple[type[Exception], ...] = (CannotRunError, *cannot_run)
    try:
        settings = load(settings_class)
        logs.configure(settings.log, command.removeprefix("vezne-"))
        asyncio.run(work(settings))
    except SettingsError as error:
        exit_with(error)
    except DatabaseUnavailableError as error:
        variable = f"{settings_class.model_config['env_prefix']}DATABASE__URL"
        _end(command, f"PostgreSQL cannot be reached ({error}); start it, or correct {variable}")
    except sentences as error:
        _end(command, str(error))


def _end(command: str, sentence: str) -> NoReturn:
    sys.stderr.write(f"{command}: {sentence}\n")
    sys.exit(1)
