"""What ruff and mypy cannot hold: sizes, reasons for exceptions, words, docstrings of tests."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
# Assembled, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME"]) + r")\b")
SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore)(?P<rest>.*)$")
REASONED = re.compile(r"^(:\s*[A-Z0-9, ]+|\[[a-z-, ]+\])\s+[-#]\s+\S.*\.$")


def _tracked(*patterns: str) -> Iterator[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    for name in listed:
        if not name.startswith(("gen/", "third_party/")) and (ROOT / name).is_file():
            yield ROOT / name


PYTHON = sorted(_tracked("*.py"))


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_small(path: Path) -> None:
    """A module has one idea: at most 500 lines, and no function over 70."""
    lines = path.read_text("utf-8").splitlines()

    assert len(lines) <= MODULE_LINES_MAX
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse("\n".join(lines)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_suppressions_give_reasons(path: Path) -> None:
    """Each `noqa` and `type: ignore` names its codes and ends with a reason in a sentence."""
    bare = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        match = SUPPRESSION.search(line)
        if match and '"' not in line[match.end() - 1 :] and not REASONED.match(match["rest"]):
            bare.append(f"{number}: {line.strip()}")

    assert [line for line in bare if "re.compile" not in line] == []


def test_nothing_is_left_for_later() -> None:
    """No tracked text says that it is unfinished."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _tracked("*.py", "*.proto", "*.md", "*.toml", "*.yaml", "*.sh", "Makefile")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]

    assert found == []


@pytest.mark.parametrize(
    "path",
    [path for path in PYTHON if path.name.startswith("test_")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_test_says_what_must_hold(path: Path) -> None:
    """Each test function has a docstring that ends as a sentence."""
    silent = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            docstring = ast.get_docstring(node)
            if not docstring or not docstring.rstrip().endswith("."):
                silent.append(f"{node.lineno}: {node.name}")

    assert silent == []
