"""Assertions about our own code that stay on under `python -O`."""


class InvariantError(AssertionError):
    """A promise of our own code does not hold: a bug, never a caller's mistake."""


def invariant(condition: object, message: str) -> None:
    """Raise InvariantError with `message` unless `condition` is true."""
    if not condition:
        raise InvariantError(message)
