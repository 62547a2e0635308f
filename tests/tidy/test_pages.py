"""What the pages name exists: other pages, commands, variables, files and classes."""

import importlib
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from services.cli.environment import KNOWN
from services.cli.groups import HELP_NAMES
from services.cli.main import COMMANDS
from services.ledger.settings import LedgerSettings
from services.local.mock_psp.settings import MockPspSettings
from services.platform.settings import Block
from services.psp_gateway.settings import PspGatewaySettings
from services.reconciliation.domain.classes import BreakClass
from services.reconciliation.settings import ReconciliationSettings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
MODULES = {name: module for name, module, *_ in COMMANDS}
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)


def variables(model: type[BaseModel], prefix: str) -> set[str]:
    """The variables of a settings model."""
    found = set()
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name}".upper()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Block):
            found |= variables(field.annotation, f"{variable}__")
        else:
            found.add(variable)
    return found


SETTINGS = {"VEZNE_TEST_DATABASE_URL", *KNOWN}.union(
    *(
        variables(model, str(model.model_config["env_prefix"]))
        for model in (LedgerSettings, PspGatewaySettings, ReconciliationSettings, MockPspSettings)
    )
)


def ids(page: Path) -> str:
    """Name a page in the names of tests."""
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a page, or to a heading of one, finds it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        path, _, heading = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if heading:
            titles = re.findall(r"(?m)^#+ (.+)$", linked.read_text("utf-8"))
            slugs = {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}
            assert heading in slugs, target


def test_the_index_has_every_page() -> None:
    """docs/README.md links every page; the decisions have an index of their own."""
    linked = {
        (DOCS / target).resolve()
        for target in re.findall(r"\]\(([^)#\s]+)", (DOCS / "README.md").read_text("utf-8"))
    }
    pages = {path for path in DOCS.rglob("*.md") if path.parent.name != "decisions"}

    assert pages - linked == {DOCS / "README.md"}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_exist(page: Path) -> None:
    """Every `vezne …` in code is a command, and what follows a noun is one of its own."""
    for code in CODE.findall(page.read_text("utf-8")):
        for noun, rest in re.findall(r"(?m)(?:^|[`/ ])vezne ([a-z][a-z-]+)((?: \S+)?)", code):
            assert noun in MODULES, noun
            commands = importlib.import_module(f"services.cli.{MODULES[noun]}").app
            known = {one.name for one in commands.registered_commands}
            follows = rest.strip(" `")
            if len(known) > 1 and re.fullmatch(r"[a-z][a-z-]*", follows):
                assert follows in known or follows in HELP_NAMES, f"{noun} {follows}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_variables_exist(page: Path) -> None:
    """Every variable under our prefix that is written out is one that something reads."""
    named = re.findall(r"\bVEZNE_[A-Z0-9_]*[A-Z0-9]\b(?![_<…*])", page.read_text("utf-8"))

    assert set(named) <= SETTINGS


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_files_of_the_code_exist(page: Path) -> None:
    """Every path into the repository that a page gives in code exists."""
    paths = re.findall(
        r"`((?:services|protos|tests|deploy|gen)/[\w./-]+)`", page.read_text("utf-8")
    )

    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_break_class_is_in_the_runbook() -> None:
    """Whoever finds a class in a list finds in the runbook what it is and what to do."""
    runbook = (DOCS / "operate/runbook_reconciliation.md").read_text("utf-8")

    assert [one for one in BreakClass if f"`{one}`" not in runbook] == []
