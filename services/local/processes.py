"""Processes of our own: each in its own process group, with a log, ended in order.

A process is remembered by its number and the moment it began, because numbers are given again.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

STOP_GRACE_S = 15.0
_LOOK_S = 0.02
# The system's clock may be corrected between two looks, and moves all beginnings with it.
_BEGINNING_TOLERANCE_S = 2.0
_LOG_LINES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Mark:
    """What tells a process from any other: its number, and when it began (Unix time, seconds)."""

    pid: int
    began_s: float

    @classmethod
    def of(cls, pid: int) -> "Mark":
        """Return the mark of a process that is there."""
        return cls(pid, psutil.Process(pid).create_time())

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.began_s) < _BEGINNING_TOLERANCE_S
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


def end(mark: Mark, grace_s: float = STOP_GRACE_S) -> None:
    """End a process and wait until it is gone; what does not end in time is killed, group and all.

    A process that is gone, or whose number is another's now, is left alone.
    """
    if not mark.is_alive():
        return
    with suppress(ProcessLookupError):
        os.kill(mark.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while mark.is_alive() and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    if mark.is_alive():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(mark.pid, signal.SIGKILL)
        while mark.is_alive():
            time.sleep(_LOOK_S)


class Process:
    """A process that was started here.

    Args:
        name: for people, such as `ledger`.
        log: gets what it writes; that of the start before is kept beside it, as `.log.old`.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        if log.exists():
            log.replace(log.with_suffix(".log.old"))
        with log.open("wb") as output:
            # A group of its own: Ctrl-C in the terminal reaches us, and we end it in order.
            self._popen = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.mark = Mark.of(self._popen.pid)

    def exit_code(self) -> int | None:
        """Return how it ended, or None while it runs."""
        return self._popen.poll()

    def stop(self) -> None:
        """End it and wait until it is gone."""
        if self._popen.poll() is None:
            self._popen.terminate()
            try:
                self._popen.wait(STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._popen.pid, signal.SIGKILL)
                self._popen.wait()


def end_of_log(log: Path, lines: int = _LOG_LINES_SHOWN) -> str:
    """Return the last lines of a log, indented, or a sentence if there are none."""
    try:
        said = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        said = []
    if not said:
        return f"  (nothing is in {log})"
    return "\n".join(f"  {line}" for line in said[-lines:])
