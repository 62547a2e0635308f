"""What goes wrong, in a sentence with what to try, and the exit code that scripts go by.

0    done
1    refused or failed
2    wrong use: an argument, an amount, a setting
3    a service is not there
130  stopped with Ctrl-C
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """How the command ends; see the module."""

    DONE = 0
    REFUSED = 1
    WRONG_USE = 2
    NOT_THERE = 3
    INTERRUPTED = 130


class Failure(Exception):  # noqa: N818 - it is one, and is named in sentences.
    """The command cannot do what was asked.

    Args:
        sentence: what is wrong.
        exit_code: how the command ends.
        try_this: what to do about it; empty if the sentence says it.
        reason: the reason for which a service refused; empty if none did.
    """

    def __init__(
        self, sentence: str, exit_code: ExitCode, try_this: str = "", reason: str = ""
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.exit_code = exit_code
        self.try_this = try_this
        self.reason = reason


def wrong_use(sentence: str, try_this: str = "") -> Failure:
    """Return the failure of a command that was used wrongly."""
    return Failure(sentence, ExitCode.WRONG_USE, try_this)


def failure_of(error: Exception) -> Failure | None:
    """Return an expected exception as a failure; None for one that is a bug of ours."""
    # Imported when something has failed only: they would double the time of `vezne --help`.
    from services.kernel.money import MoneyError
    from services.local.errors import StackError
    from services.local.interrupts import InterruptedByUserError
    from services.platform.settings import SettingsError
    from services.platform.temporal import TemporalUnavailableError

    match error:
        case Failure():
            failure = error
        case MoneyError():
            failure = wrong_use(str(error))
        case SettingsError():
            failure = wrong_use("\n".join(error.problems))
        case TemporalUnavailableError():
            failure = Failure(str(error), ExitCode.NOT_THERE, "start it with: vezne up")
        case InterruptedByUserError():
            failure = Failure("stopped", ExitCode.INTERRUPTED)
        case BrokenPipeError():
            # Whoever reads, such as head, has read enough: typer ends the command without a word.
            return None
        case OSError():
            # A full disk, a file that may not be read: what the system says is the sentence.
            where = error.filename or "the output"
            failure = Failure(f"{where}: {error.strerror}", ExitCode.REFUSED)
        case StackError():
            failure = Failure(str(error), ExitCode.REFUSED)
        case _:
            return None
    return failure
