"""Assertions about our own code that stay on under `python -O`."""

from typing import TypeVar

Value = TypeVar("Value")


class InvariantError(AssertionError):
    """A promise of our own code does not hold: a bug, never a caller's mistake."""


def invariant(condition: object, message: str) -> None:
    """Raise InvariantError with `message` unless `condition` is true."""
    if not condition:
        raise InvariantError(message)


def present(value: Value | None, message: str) -> Value:
    """Return `value`, which is there.

    Raises:
        InvariantError: with `message`, if it is None.
    """
    if value is None:
        raise InvariantError(message)
    return value
