"""Folders that are short enough for PostgreSQL's socket, and open to its user."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder that is removed after the test, and open to PostgreSQL's user."""
    folder = Path(tempfile.mkdtemp(prefix="vezne-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)
