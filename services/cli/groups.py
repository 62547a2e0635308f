"""Groups of commands: the root, which loads a command when it is used, and nouns, which list."""

import importlib
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from services.cli import environment
from services.cli.failures import Failure, failure_of, wrong_use
from services.cli.ids import is_uuid

MODULES: dict[str, str] = {}
"""The module of each command of the root; filled by `main`."""

HELP_NAMES = ["-h", "--help"]

_GUESSES = {
    **dict.fromkeys(("list", "ls"), "name what to list, such as vezne deposits or vezne runs"),
    **dict.fromkeys(("status", "health", "ps", "check"), "what is up, and where: vezne doctor"),
    **dict.fromkeys(("start", "run", "serve"), "the stack: vezne up; a run: vezne runs start"),
    **dict.fromkeys(("stop", "down"), "Ctrl-C stops `vezne up`, in its own terminal"),
    **dict.fromkeys(("log", "logs"), "a file a process: .vezne/logs"),
    **dict.fromkeys(("reconcile", "reconciliation"), "a date is reconciled by: vezne runs start"),
    **dict.fromkeys(("payout", "payouts"), "money that players take out: vezne withdrawals"),
    **dict.fromkeys(("payment", "payments"), "money that players pay in: vezne deposits"),
    **dict.fromkeys(("chargeback", "chargebacks"), "vezne disputes"),
}
"""What is meant by commands that there are not, and that people try."""


class RootGroup(TyperGroup):
    """The command `vezne`.

    The commands that it lists are names with a line of help; the module behind one is imported when
    it is used, so that `vezne --help` is quick. Whatever fails ends as a sentence.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read `version` and `help` as the options that they are elsewhere."""
        match args:
            case ["version"]:
                args = ["--version"]
            case ["help", *of]:
                args = [*of, "--help"]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that was asked for, loaded.

        Raises:
            Failure: there is none, and it is known what people mean by it.
        """
        if args[0] in _GUESSES:
            raise wrong_use(f"there is no command {args[0]!r}", _GUESSES[args[0]])
        name, listed, rest = super().resolve_command(ctx, args)
        if listed is None:
            return name, listed, rest
        module = importlib.import_module(f"services.cli.{MODULES[str(name)]}")
        loaded = typer.main.get_command(module.app)
        loaded.help = loaded.help or listed.help
        return name, loaded, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and have all that it printed written."""
        environment.check()
        try:
            return super().invoke(ctx)
        finally:
            # Not as Python ends: that the disk is full could not be told any more.
            sys.stdout.flush()

    def main(self, *args: Any, **others: Any) -> Any:
        """Run the command line; a failure is printed, and gives the exit code."""
        try:
            return super().main(*args, **others)
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            _say(failure)
            _drop_unwritten()
            sys.exit(failure.exit_code)


def _drop_unwritten() -> None:
    """Give up what cannot be written: Python would try again at its end, and fail with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(failure: Failure) -> None:
    sys.stderr.write(f"vezne: {failure.sentence}\n")
    if failure.try_this:
        sys.stderr.write(f"  {failure.try_this}\n")


class NounGroup(TyperGroup):
    """A noun whose plain name lists and, with an id, shows: `vezne runs`, `vezne runs ID`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `list` before options, and where there is nothing, and `show` before an id."""
        if not args or (args[0].startswith("-") and args[0] not in HELP_NAMES):
            args = ["list", *args]
        elif is_uuid(args[0]) and "show" in self.commands:
            args = ["show", *args]
        return super().parse_args(ctx, args)


def noun() -> typer.Typer:
    """Return the app of a noun; its line of help is in the root's table."""
    made = typer.Typer(cls=NounGroup, add_completion=False, pretty_exceptions_enable=False)

    # With a callback it is a group even where it has one command only.
    made.callback()(lambda: None)
    return made


def single() -> typer.Typer:
    """Return the app of a command without others below it."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False)
