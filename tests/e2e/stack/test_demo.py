"""The demo as a person runs it: real processes, from the first line to the last."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

COMMAND = [sys.executable, "-m", "services.cli.main", "demo"]
DEADLINE_S = 240.0


def environment(folder: Path) -> dict[str, str]:
    """An environment without settings of ours, with temporary files in a folder."""
    folder.chmod(0o711)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VEZNE_")}
    return {**kept, "TMPDIR": str(folder)}


@pytest.mark.timeout(DEADLINE_S + 30)
def test_every_promise_holds_and_the_last_lines_say_so(short_folder: Path) -> None:
    """The day ends with 0, balanced books, equal buckets, the verdict, and each seeded break."""
    done = subprocess.run(
        COMMAND,
        env=environment(short_folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "NO " not in done.stdout
    assert re.search(r"^EUR +(\S+) +\1 +0\.00$", done.stdout, re.MULTILINE)
    assert re.search(r"^JPY +(\d+) +\1 +0$", done.stdout, re.MULTILINE)
    assert re.search(r"^EUR +in_transit +(\S+) +\1 +0\.00$", done.stdout, re.MULTILINE)
    assert re.search(r"^verdict +BREAKS$", done.stdout, re.MULTILINE)
    for break_class in (
        "AMOUNT_UNDER",
        "DUPLICATE_IN_REPORT",
        "MISSING_IN_SETTLEMENT",
        "MISSING_IN_GATEWAY",
    ):
        assert re.search(rf"^P\d +{break_class} ", done.stdout, re.MULTILINE), break_class
    assert list(short_folder.glob("vezne-demo-*")) == []


def test_ctrl_c_in_the_middle_leaves_nothing(short_folder: Path) -> None:
    """Ctrl-C in the middle of the day ends everything that was started, and removes its folder."""
    with subprocess.Popen(
        COMMAND,
        env=environment(short_folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stderr is not None
        said = ""
        while "the casino opens its books" not in said:
            character = demo.stderr.read(1)
            assert character, said
            said += character
        children = psutil.Process(demo.pid).children(recursive=True)
        demo.send_signal(signal.SIGINT)
        _, rest = demo.communicate(timeout=60)

    assert demo.returncode == 130, said + rest
    assert children
    _gone(children)
    assert list(short_folder.glob("vezne-demo-*")) == []


def _gone(children: list[psutil.Process]) -> None:
    deadline = time.monotonic() + 10
    while any(child.is_running() for child in children):
        assert time.monotonic() < deadline, children
        time.sleep(0.05)
