"""Groups of commands: the root, which loads a command when it is used, and nouns, which list."""

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from services.cli import environment
from services.cli.failures import Failure, failure_of

MODULES: dict[str, str] = {}
"""The module of each command of the root; filled by `main`."""

HELP_NAMES = ["-h", "--help"]


class RootGroup(TyperGroup):
    """The command `vezne`.

    The commands that it lists are names with a line of help; the module behind one is imported when
    it is used, so that `vezne --help` is quick. Whatever fails ends as a sentence.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that was asked for, loaded."""
        name, listed, rest = super().resolve_command(ctx, args)
        if listed is None:
            return name, listed, rest
        module = importlib.import_module(f"services.cli.{MODULES[str(name)]}")
        loaded = typer.main.get_command(module.app)
        loaded.help = loaded.help or listed.help
        return name, loaded, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a failure is printed, and gives the exit code."""
        try:
            environment.check()
            return super().invoke(ctx)
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            _say(failure)
            raise typer.Exit(failure.exit_code) from None


def _say(failure: Failure) -> None:
    sys.stderr.write(f"vezne: {failure.sentence}\n")
    if failure.try_this:
        sys.stderr.write(f"  {failure.try_this}\n")


class NounGroup(TyperGroup):
    """A noun whose plain name lists: `vezne deposits` is `vezne deposits list`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `list` before options, and where there is nothing."""
        if not args or (args[0].startswith("-") and args[0] not in HELP_NAMES):
            args = ["list", *args]
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
