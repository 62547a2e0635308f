"""Logs: no secret and no personal datum, at any depth, in any format."""

import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from services.platform.logs import REDACTED, configure, redact
from services.platform.settings import LogSettings

SECRET = "hidden-word-1234567"
KEYS = ["password", "db_password", "api_key", "apikey", "Authorization", "access_token"]
KEYS += ["webhook_secret", "signature", "email", "iban", "phone"]


def redacted(**event: Any) -> Any:
    return redact(None, "info", dict(event))


@pytest.mark.parametrize("key", KEYS)
def test_a_secret_key_is_redacted_at_any_depth(key: str) -> None:
    """Whatever stands under such a key is hidden, in lists and dicts too."""
    found = redacted(**{key: SECRET, "deep": [{"more": ({key: [SECRET]}, 1)}]})

    assert SECRET not in str(found)
    assert found[key] == REDACTED


@pytest.mark.parametrize(
    "text",
    [
        f"cannot reach postgresql://role:{SECRET}@host:5432/db now",
        f"postgresql+asyncpg://role:{SECRET}@/db?host=/tmp",
        f"postgresql://role:pass@{SECRET}@host/db",
        f"redis://:{SECRET}@host",
        f"Authorization was Bearer {SECRET}",
        f"whsec_{SECRET} and sk_{SECRET}",
        f"violates check constraint\nDETAIL:  Failing row contains (1, {SECRET}).",
    ],
)
def test_a_secret_inside_a_text_is_redacted(text: str) -> None:
    """In a value, in a list, and in the text of a failure."""
    for value in (text, [text], {text}, {"k": text}, ValueError(text), (1, ValueError(text))):
        assert SECRET not in str(redacted(event="x", value=value))


def test_what_is_no_secret_stays() -> None:
    """Numbers, flags and texts are not touched."""
    event = {"count": 3, "rate": 0.5, "there": True, "none": None, "text": "https://host/a?b=c"}

    assert redacted(**event) == event


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_values)
def test_any_event_can_be_redacted(value: Any) -> None:
    """No shape of value crashes the processor: a log line is never lost to it."""
    assert set(redacted(event="x", value=value)) == {"event", "value"}


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    """Leave the logging as it was."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def fail() -> None:
    raise ConnectionError(f"lost postgresql://role:{SECRET}@host/db")


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_a_failure_is_logged_without_its_secret(
    capsys: pytest.CaptureFixture[str], form: Any
) -> None:
    """The trace is there and the secret is not, for machines and on a terminal."""
    configure(LogSettings(format=form), "ledger")
    try:
        fail()
    except ConnectionError:
        structlog.get_logger("test").exception("went_wrong", tenant="acme")
        logging.getLogger("somebody").exception("told by %s", "logging")
    said = capsys.readouterr().err

    assert said.count("ConnectionError") >= 2
    assert SECRET not in said
    assert REDACTED in said


def test_machines_read_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON with the level, the time in UTC and the service, also from the standard library."""
    configure(LogSettings(format="json", level="warning"), "ledger")
    structlog.get_logger("test").info("not_told")
    structlog.get_logger("test").warning("told", amount_minor=5)
    logging.getLogger("somebody").error("also told")
    lines = [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]

    assert [line["event"] for line in lines] == ["told", "also told"]
    assert [line["service"] for line in lines] == ["ledger", "ledger"]
    assert lines[0]["level"] == "warning"
    assert lines[0]["amount_minor"] == 5
    assert lines[0]["timestamp"].endswith("Z")
