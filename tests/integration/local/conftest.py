"""Folders for stacks, and stacks that are ended after each test."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.vezne_up import Up


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a stack, short enough for PostgreSQL's socket and open to its user."""
    parent = Path(tempfile.mkdtemp(prefix="vezne-test-"))
    parent.chmod(0o711)
    yield parent / "data"
    shutil.rmtree(parent)


@pytest.fixture
def up() -> Iterator[Callable[..., Up]]:
    """Starts `vezne up`; whatever a test leaves running is ended after it."""
    started: list[Up] = []

    def start(folder: Path, *arguments: str) -> Up:
        started.append(Up(folder, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.signal(signal.SIGTERM)
