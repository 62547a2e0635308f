"""A real `vezne up` in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

DEADLINE_S = 60.0


class Up:
    """A `vezne up` that was started in a folder."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self._output = folder.with_suffix(".out")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("VEZNE_")
        }
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "services.cli.main",
                    "up",
                    "--data",
                    str(folder),
                    *arguments,
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def output(self) -> str:
        """What it has said so far."""
        return self._output.read_text()

    def pids(self) -> dict[str, int]:
        """Its processes, as stack.json says."""
        found = json.loads((self.folder / "stack.json").read_text())
        return {name: mark["pid"] for name, mark in found["processes"].items()}

    def provider(self, method: str, path: str, body: Any = None) -> Any:
        """Call the admin API of its mock PSP about the account, and return the JSON."""
        port = json.loads((self.folder / "stack.json").read_text())["ports"]["mock_psp"]
        token = (self.folder / "secrets" / "mock_admin_token").read_text()
        answer = httpx.request(
            method,
            f"http://127.0.0.1:{port}/admin/accounts/main/{path}",
            json=body,
            headers={"authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=30,
        )
        return answer.raise_for_status().json()

    def wait_until_up(self) -> "Up":
        """Wait until it says that it is up."""
        wait_for(lambda: "Ctrl-C stops it" in self.output() or self.process.poll() is not None)
        assert self.process.poll() is None, self.output()
        return self

    def signal(self, *numbers: signal.Signals) -> int:
        """Send it signals and return how it ended."""
        for number in numbers:
            self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, with a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pids: dict[str, int]) -> list[str]:
    """Return the names of those processes that still run."""
    return [
        name
        for name, pid in pids.items()
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]
