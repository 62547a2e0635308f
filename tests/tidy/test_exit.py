"""A run of tests ends when it has said what it found."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = [
    "tests/unit/kernel/test_ids.py",  # Hypothesis.
    "tests/integration/reconciliation/test_match.py::test_a_day_on_which_all_agree_is_reconciled",
]


def test_nothing_is_said_of_leaks_at_the_end() -> None:
    """DuckDB's binding finds nothing of itself alive when the interpreter of a test run ends."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
