"""The pages that are generated say what the code says."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

_spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
assert _spec is not None
assert _spec.loader is not None
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("path", generate.PAGES, ids=lambda path: path.name)
def test_generated_pages_are_current(path: Path) -> None:
    """A page is what `make docs` writes."""
    assert generate.PAGES[path]() == path.read_text("utf-8"), "run: make docs"
