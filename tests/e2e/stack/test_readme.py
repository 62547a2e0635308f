"""The README's commands, executed as they are written, on a stack that is up."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.fakes.vezne_up import Up

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = Path(sys.executable).parent
PORTS = ((50051, "ledger"), (50052, "psp_gateway"), (50053, "reconciliation"), (8090, "mock_psp"))

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


def as_written(block: list[str], stack: Up) -> str:
    """The block as a script; only where this test's stack lives is put in."""
    ports = json.loads((stack.folder / "stack.json").read_text())["ports"]
    script = "\n".join(block)
    for documented, name in PORTS:
        script = script.replace(f":{documented}", f":{ports[name]}")
    return script.replace(".venv/bin/", f"{PROGRAMS}/").replace(".vezne/", f"{stack.folder}/")


async def start_as_documented(stack: Up) -> dict[str, str]:
    """Start a run with the README's JSON, for yesterday, and return what it answers."""
    ports = json.loads((stack.folder / "stack.json").read_text())["ports"]
    [wish] = re.findall(r"(?ms)^```json\n(.*?)^```", (ROOT / "README.md").read_text())
    asked = json.loads(wish)
    asked["business_date"] = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    client = await Client.connect(f"127.0.0.1:{ports['temporal']}")
    answer: dict[str, str] = await client.execute_workflow(
        "RequestReconciliation", asked, id="by-hand", task_queue="reconciliation"
    )
    return answer


def test_what_is_said_of_a_running_stack_works(stack: Up) -> None:
    """Every block for the second terminal succeeds; only the ports are those of this test."""
    said = []
    for block in blocks()[1:]:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", as_written(block, stack)],
            cwd=ROOT,
            env={**os.environ, "VEZNE_CLI_DATA": str(stack.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"
        said.append(done.stdout)
    listed, reconciled, opened = said
    answer = asyncio.run(start_as_documented(stack))

    # The same date by another way: no second run.
    assert (answer["outcome"], answer["verdict"]) == ("ALREADY_DONE", "RECONCILED")

    assert "vezne.ledger.v1.PostingService" in listed
    assert "RECONCILED" in reconciled
    assert "income/games/eur" in opened
