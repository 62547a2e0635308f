"""How things are named on the command line, and what is said of a name that nothing has."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from services.cli.failures import ExitCode, Failure, wrong_use

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_EXAMPLE = "01a20dfe-0345-7ccb-9d3c-0fda531e82ad"


def is_uuid(text: str) -> bool:
    """Whether this is an id that a service gave; what is none is a caller's request id."""
    return _UUID.fullmatch(text) is not None


def checked(text: str, noun: str, hint: str) -> str:
    """Return the id of a thing that is named by its id only.

    Args:
        text: what a user wrote.
        noun: what it should be the id of, such as `deposit`.
        hint: how to find one.

    Raises:
        Failure: it is no id.
    """
    if not is_uuid(text):
        raise wrong_use(
            f"{text!r} is no id of a {noun}; one looks like {_EXAMPLE}",
            hint,
        )
    return text.lower()


@contextmanager
def sought(text: str, noun: str, hint: str, *, is_id: bool = True) -> Iterator[None]:
    """Say what was looked for, if the service knows no thing of this name.

    Args:
        text: what a user wrote.
        noun: what is looked for, such as `deposit`.
        hint: how to find one.
        is_id: whether it was looked for as an id, and not as a request id.

    Raises:
        Failure: there is none.
    """
    try:
        yield
    except Failure as failure:
        if failure.reason != f"{noun.upper()}_NOT_FOUND":
            raise
        missing = f"there is no {noun} {text}"
        if not is_id:
            missing = (
                f"{text!r} is no id of a {noun}, which looks like {_EXAMPLE}, "
                f"and no {noun} has it as its request id"
            )
        raise Failure(missing, ExitCode.REFUSED, hint) from failure
