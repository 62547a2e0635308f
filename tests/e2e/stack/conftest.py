"""Folders that are short enough for PostgreSQL's socket, and open to its user."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder that is removed after the test."""
    folder = Path(tempfile.mkdtemp(prefix="vezne-test-"))
    yield folder
    shutil.rmtree(folder)
