"""Assertions that stay on under `python -O`."""

import subprocess
import sys

import pytest

from services.kernel.invariant import InvariantError, invariant, present


def test_what_does_not_hold_is_a_bug_with_a_sentence() -> None:
    """A false condition, and only that, raises with what should have held."""
    invariant(1, "holds")
    with pytest.raises(InvariantError, match="the sum is zero"):
        invariant(0, "the sum is zero")


def test_what_is_there_is_handed_on() -> None:
    """Only None is absent: zero and the empty text are there."""
    assert (present(0, "a number"), present("", "a text")) == (0, "")
    with pytest.raises(InvariantError, match="a deposit"):
        present(None, "a deposit")


def test_they_hold_under_optimisation() -> None:
    """`python -O` drops asserts, and neither of these."""
    code = "from services.kernel.invariant import present; present(None, 'it is there')"
    done = subprocess.run(
        [sys.executable, "-O", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "InvariantError: it is there" in done.stderr
