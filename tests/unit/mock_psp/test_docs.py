"""docs/integrate/mock_psp.md says what the code says."""

import re
from pathlib import Path

from services.formats.mock import KINDS, SECTIONS
from services.local.mock_psp.books import EventType, IntentState, Reason, RefundState, TransferState
from services.local.mock_psp.courier import UNKNOWN_TYPE
from services.local.mock_psp.scenarios import SCENARIOS
from services.local.mock_psp.server import admin, api, pages
from services.local.mock_psp.server.deliveries import RETRY_AFTER_S
from services.local.mock_psp.settings import load_accounts, new_account

PAGE = (Path(__file__).parents[3] / "docs/integrate/mock_psp.md").read_text("utf-8")
ADMIN_PREFIX = "/admin/accounts/{account}/"


def test_the_table_of_scenarios_is_the_code_s() -> None:
    """Each scenario has its row, word for word, and there is no other."""
    rows = [f"| `{one.word}` | {one.applies_to} | {one.about} |" for one in SCENARIOS.values()]

    section = PAGE.split("## Scenarios", 1)[1].split("## Days", 1)[0]
    assert [line for line in section.splitlines() if line.startswith("| `")] == rows


def test_every_event_type_has_its_row() -> None:
    """The types that are sent are the types that are documented, but for the unknown one."""
    section = PAGE.split("## Webhooks", 1)[1].split("## Scenarios", 1)[0]
    documented = re.findall(r"^\| `([a-z_.]+)` \|", section, re.MULTILINE)

    assert documented == [str(one) for one in EventType]
    assert UNKNOWN_TYPE not in PAGE


def test_every_call_has_its_row() -> None:
    """The methods and paths that are served are those in the tables."""
    served = {
        (method, route.path.removeprefix(ADMIN_PREFIX))
        for route in (*api.ROUTES, *admin.ROUTES, *pages.ROUTES)
        for method in (route.methods or set()) - {"HEAD"}
    }
    documented = re.findall(r"^\| `(GET|POST) ([^`?]+)(?:\?[a-z_]+=)?` \|", PAGE, re.MULTILINE)

    assert set(documented) == served


def test_the_columns_and_types_of_the_report_are_the_parser_s() -> None:
    """The documented sections, columns and types are those that are read."""
    for name, columns in SECTIONS.items():
        assert f"| `[{name}]` | {', '.join(f'`{one}`' for one in columns)} |" in PAGE
    assert f"Types: {', '.join(f'`{one}`' for one in KINDS)}." in PAGE


def test_states_codes_and_retries_are_the_code_s() -> None:
    """Each state and each refusal's code is named, and the waits between attempts are right."""
    for state in (*IntentState, *RefundState, *TransferState):
        assert f"`{state}`" in PAGE
    for reason in Reason:
        assert f"`{reason.lower()}`" in PAGE
    waits = [f"{wait_s:g}" for wait_s in RETRY_AFTER_S]
    assert f"after {', '.join(waits[:-1])} and {waits[-1]} seconds" in PAGE


def test_the_accounts_file_is_valid_and_shows_the_defaults(tmp_path: Path) -> None:
    """The documented TOML is read, and what it sets is what is set anyway."""
    toml = PAGE.split("```toml\n", 1)[1].split("```", 1)[0]
    path = tmp_path / "accounts.toml"
    path.write_text(toml.replace("whsec_...", new_account().webhook_secret))

    assert load_accounts(path)["main"].terms() == new_account().terms()
