"""Processes of our own, and those that only have the number of one."""

import os
import sys
import time
from pathlib import Path

from services.local.processes import Mark, Process, end, end_of_log

STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); "


def start(tmp_path: Path, script: str) -> Process:
    """Start Python with a script, and wait until it has said something."""
    process = Process("it", [sys.executable, "-c", script], dict(os.environ), tmp_path / "it.log")
    deadline = time.monotonic() + 20
    while not process.log.read_text() and process.exit_code() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


def test_a_process_is_ended_by_its_mark(tmp_path: Path) -> None:
    """A process that was left by another of ours is ended, and is gone then."""
    process = start(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    assert process.mark.is_alive()

    end(process.mark)

    assert not process.mark.is_alive()
    assert process.exit_code() == -15


def test_what_does_not_end_is_killed(tmp_path: Path) -> None:
    """A process that does not heed the signal is killed when its time is over."""
    process = start(tmp_path, f"{STUBBORN}time.sleep(60)")

    end(process.mark, grace_s=0.2)

    assert process.exit_code() == -9


def test_another_with_the_same_number_is_left_alone() -> None:
    """A number that was given to another process since is not ours to end."""
    mine = Mark.of(os.getpid())
    reused = Mark(mine.pid, mine.began_s - 3600)

    end(reused, grace_s=0.1)

    assert not reused.is_alive()
    assert mine.is_alive()


def test_a_log_says_how_it_ended(tmp_path: Path) -> None:
    """The end of a log is its last lines; that of the start before is kept beside it."""
    start(tmp_path, "print('first')").stop()
    process = start(tmp_path, "print('1'); print('2'); print('3')")
    process.stop()

    assert end_of_log(process.log, 2) == "  2\n  3"
    assert (tmp_path / "it.log.old").read_text() == "first\n"
    assert "nothing is in" in end_of_log(tmp_path / "no.log")
