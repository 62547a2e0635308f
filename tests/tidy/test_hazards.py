"""The list of hazards names tests that exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
HAZARDS = ROOT / "docs" / "understand" / "hazards.md"


def test_every_hazard_has_a_test_that_exists_or_a_reason() -> None:
    """Forty rows, and each ends with tests of ours or with why there is none."""
    tests = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    rows = [
        [cell.strip() for cell in line.strip("| \n").split("|")]
        for line in HAZARDS.read_text("utf-8").splitlines()
        if re.match(r"\| [0-9]", line)
    ]

    assert [row[0] for row in rows] == [str(number) for number in range(1, 41)]
    for _, _, _, held in rows:
        named = set(re.findall(r"`(test_\w+)`", held))
        assert named <= tests
        assert named or held.startswith(("by construction", "by absence"))
