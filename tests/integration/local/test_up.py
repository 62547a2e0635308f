"""A real `vezne up`: what is left when it ends, however it ends."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.fakes.vezne_up import Up, alive, wait_for

ARGUMENTS = ("--free-ports", "--only", "ledger", "--only", "temporal")
Start = Callable[..., Up]


def vezne(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command against the stack of a folder."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", *arguments],
        env={**os.environ, "VEZNE_CLI_DATA": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_ctrl_c_leaves_nothing_and_keeps_the_data(folder: Path, up: Start) -> None:
    """Commands find a stack; Ctrl-C, even twice, ends it; its data is kept until told otherwise."""
    first = up(folder, *ARGUMENTS).wait_until_up()
    pids = first.pids()
    doctor = vezne(folder, "doctor")
    created = vezne(folder, "tenants", "create", "acme", "-c", "EUR")

    code = first.signal(signal.SIGINT, signal.SIGINT)

    assert doctor.returncode == 0, doctor.stdout
    assert created.returncode == 0, created.stderr
    assert code == 0, first.output()
    assert alive(pids) == []
    assert not (folder / "stack.json").exists()
    # Another stack may be up on the documented ports: this one is not asked any more.
    assert "acme" not in vezne(folder, "tenants").stdout

    second = up(folder, *ARGUMENTS).wait_until_up()
    listed = vezne(folder, "tenants").stdout
    assert "acme" in listed
    assert "demo" in listed
    assert second.signal(signal.SIGTERM) == 0

    third = up(folder, *ARGUMENTS, "--fresh").wait_until_up()
    assert "acme" not in vezne(folder, "tenants").stdout
    assert third.signal(signal.SIGINT) == 0


def test_the_provider_keeps_its_books(folder: Path, up: Start) -> None:
    """After kill -9 of everything the mock provider has the money that it had; --fresh has none."""
    arguments = ("--free-ports", "--only", "mock-psp")

    money = {"key": "k", "currency": "EUR", "amount_minor": 700}
    first = up(folder, *arguments).wait_until_up()
    made = first.provider("POST", "top_ups", money)
    before = first.provider("GET", "books")
    pids = first.pids()
    first.signal(signal.SIGKILL)
    os.kill(pids["mock-psp"], signal.SIGKILL)

    second = up(folder, *arguments).wait_until_up()
    assert second.provider("GET", "books") == before
    assert second.provider("POST", "top_ups", money) == made
    assert "also at the mock provider" in second.output()
    assert second.signal(signal.SIGINT) == 0

    third = up(folder, *arguments, "--fresh").wait_until_up()
    assert third.provider("GET", "books")["rows"] == []
    assert third.signal(signal.SIGINT) == 0


def test_a_killed_supervisor_is_cleaned_up_after(folder: Path, up: Start) -> None:
    """After kill -9 the processes it left are ended by the next start, which comes up clean."""
    first = up(folder, *ARGUMENTS).wait_until_up()
    left = first.pids()
    first.signal(signal.SIGKILL)
    assert sorted(alive(left)) == sorted(left)

    second = up(folder, *ARGUMENTS).wait_until_up()

    assert alive(left) == []
    assert "ending what an earlier stack left" in second.output()
    assert second.signal(signal.SIGINT) == 0


def test_a_process_that_dies_is_reported_and_takes_the_rest_down(folder: Path, up: Start) -> None:
    """When a process dies, the stack says which with the end of its log, and ends with 1."""
    stack = up(folder, *ARGUMENTS).wait_until_up()
    pids = stack.pids()

    os.kill(pids["ledger"], signal.SIGKILL)
    wait_for(lambda: stack.process.poll() is not None)

    assert stack.process.returncode == 1
    assert "ledger ended by itself" in stack.output()
    assert "serving" in stack.output()
    assert "Traceback" not in stack.output()
    assert alive(pids) == []


def test_two_stacks_run_at_once_but_not_in_one_folder(folder: Path, up: Start) -> None:
    """Two stacks in two folders do not meet; a second in one folder is refused in a sentence."""
    first, other = up(folder, *ARGUMENTS), up(folder.with_name("other"), *ARGUMENTS)
    first.wait_until_up()
    other.wait_until_up()

    same = up(folder, *ARGUMENTS)
    code = same.process.wait(30)

    assert code == 1
    assert f"a stack runs in {folder} already" in same.output()
    assert alive(first.pids()) != []
    assert not set(first.pids().values()) & set(other.pids().values())
    assert first.signal(signal.SIGINT) == 0
    assert other.signal(signal.SIGINT) == 0


def test_a_stop_in_the_middle_of_the_start_leaves_nothing(folder: Path, up: Start) -> None:
    """Ctrl-C while the stack starts ends what was started, and the next start works."""
    stack = up(folder, *ARGUMENTS)
    wait_for(lambda: "starting temporal" in stack.output() and "temporal" in stack.pids())
    pids = stack.pids()

    code = stack.signal(signal.SIGINT)

    assert code == 0, stack.output()
    assert alive(pids) == []
    assert up(folder, *ARGUMENTS).wait_until_up().signal(signal.SIGINT) == 0


def test_a_taken_port_is_named_before_anything_starts(folder: Path, up: Start) -> None:
    """A port that another program has is one sentence: which, for what, and what to try."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        stack = up(folder, "--port", f"ledger={port}")
        code = stack.process.wait(30)

    assert code == 1
    assert f"port {port} (ledger) is taken" in stack.output()
    assert "--port ledger=" in stack.output()
    assert not (folder / "postgres").exists()
