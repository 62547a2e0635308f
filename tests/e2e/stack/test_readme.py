"""The README's commands, executed as they are written, on a stack that is up."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.vezne_up import Up

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = Path(sys.executable).parent

pytestmark = pytest.mark.timeout(240)


def blocks() -> list[list[str]]:
    """The commands of each shell block of the README, in order."""
    found = re.findall(r"(?ms)^```sh\n(.*?)^```", (ROOT / "README.md").read_text())
    return [block.strip().splitlines() for block in found]


@pytest.fixture
def stack(short_folder: Path) -> Iterator[Up]:
    """A whole stack that is up."""
    short_folder.chmod(0o711)
    up = Up(short_folder / "data", "--free-ports").wait_until_up()
    yield up
    assert up.signal(signal.SIGINT) == 0


def test_the_first_two_commands_are_targets() -> None:
    """A newcomer is given `make demo` and `make test`, and make has both, and `make up`."""
    assert blocks()[0] == ["make demo", "make test"]
    for target in ("demo", "test", "up"):
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_what_is_said_of_a_running_stack_works(stack: Up) -> None:
    """Every command for the second terminal succeeds; only the ports are those of this test."""
    where = json.loads((stack.folder / "stack.json").read_text())
    ledger = str(where["ports"]["ledger"])
    environment = {**os.environ, "VEZNE_CLI_DATA": str(stack.folder)}
    commands = blocks()[1]

    assert commands
    for command in commands:
        assert command.startswith(".venv/bin/")
        here = command.replace(":50051", f":{ledger}").removeprefix(".venv/bin/")
        program, *arguments = shlex.split(here)
        done = subprocess.run(
            [str(PROGRAMS / program), *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    assert "tenants" in done.stdout
