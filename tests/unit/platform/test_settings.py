"""Settings: all that is wrong is told at once, and no secret with it."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, ValidationError
from pydantic_settings import SettingsConfigDict

from services.platform.settings import (
    Block,
    DatabaseSettings,
    ServiceSettings,
    SettingsError,
    exit_with,
    load,
    read_secret,
    variables,
)


class Inner(Block):
    """A block with one that must be given."""

    must: str
    may: int = 5


class Sample(ServiceSettings):
    """Settings of a service that does not exist."""

    model_config = SettingsConfigDict(env_prefix="VEZNE_SAMPLE_")

    inner: Inner
    optional: Inner = Inner(must="default")
    database: DatabaseSettings
    limit: Annotated[int, Field(ge=1)] = 3


GOOD = {
    "VEZNE_SAMPLE_INNER__MUST": "there",
    "VEZNE_SAMPLE_DATABASE__URL": "postgresql://role:hidden-word@host/name",
}


def given(monkeypatch: pytest.MonkeyPatch, **others: str) -> None:
    for name, value in {**GOOD, **others}.items():
        monkeypatch.setenv(name, value)


def problems() -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(Sample)
    return error.value.problems


def test_settings_come_from_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks by a double underscore, in whatever case, and defaults for the rest."""
    given(monkeypatch, VEZNE_SAMPLE_LIMIT="9", vezne_sample_inner__may="7")
    settings = load(Sample)

    assert (settings.inner.must, settings.inner.may, settings.limit) == ("there", 7, 9)
    assert settings.database.pool_size == 10


def test_settings_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody changes them once they are built."""
    given(monkeypatch)
    settings = load(Sample)

    with pytest.raises(ValidationError):
        settings.limit = 4  # type: ignore[misc]  # That it is refused is what is tested.
    with pytest.raises(ValidationError):
        settings.inner.may = 4  # type: ignore[misc]  # Likewise.


def test_what_is_missing_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a block that is missing whole, the variables that have no default are listed."""
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)

    assert problems() == [
        "VEZNE_SAMPLE_INNER__MUST: missing",
        "VEZNE_SAMPLE_DATABASE__URL: missing",
    ]


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown, missing and wrong variables are one list, each once."""
    given(
        monkeypatch,
        VEZNE_SAMPLE_LIMIT="0",
        VEZNE_SAMPLE_INNER__MAY="many",
        VEZNE_SAMPLE_INNER__MISSPELT="x",
        VEZNE_SAMPLE_PORT="tcp://10.0.0.1:80",
    )
    monkeypatch.delenv("VEZNE_SAMPLE_DATABASE__URL")
    found = [problem.partition(":")[0] for problem in problems()]

    assert sorted(found) == [
        "VEZNE_SAMPLE_DATABASE__URL",
        "VEZNE_SAMPLE_INNER__MAY",
        "VEZNE_SAMPLE_INNER__MISSPELT",
        "VEZNE_SAMPLE_LIMIT",
        "VEZNE_SAMPLE_PORT",
    ]


def test_variables_of_others_are_no_concern(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only our prefix is ours."""
    given(monkeypatch, VEZNE_OTHER_THING="x", SAMPLE_LIMIT="0")

    assert load(Sample).limit == 3


def test_a_blocks_own_name_is_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block is set by its parts; anything under its bare name is refused, not read as JSON."""
    for value in ("tcp://10.0.0.1:80", '{"must": "by JSON"}'):
        given(monkeypatch, VEZNE_SAMPLE_INNER=value)
        assert problems()[0].startswith("VEZNE_SAMPLE_INNER: unknown")


@pytest.mark.parametrize(
    "url", ["mysql://role:hidden-word@host/d", "postgresql://role:hidden-word@host:port/d", ""]
)
def test_a_wrong_url_does_not_show_its_secret(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """The problem is told without the value."""
    given(monkeypatch, VEZNE_SAMPLE_DATABASE__URL=url)
    told = problems()

    assert [problem.partition(":")[0] for problem in told] == ["VEZNE_SAMPLE_DATABASE__URL"]
    assert "hidden-word" not in str(told)


def test_settings_do_not_show_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printed or logged, a secret is stars."""
    given(monkeypatch)
    settings = load(Sample)

    assert "hidden-word" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_every_variable_can_be_listed() -> None:
    """The names that the documentation is generated from, in the order of the fields."""
    names = [*variables(Sample, "VEZNE_SAMPLE_")]

    first = names.index("VEZNE_SAMPLE_INNER__MUST")
    assert names[first : first + 3] == [
        "VEZNE_SAMPLE_INNER__MUST",
        "VEZNE_SAMPLE_INNER__MAY",
        "VEZNE_SAMPLE_OPTIONAL__MUST",
    ]
    assert names[-1] == "VEZNE_SAMPLE_LIMIT"


def test_problems_are_printed_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    """The process ends with code 2 after the full list."""
    with pytest.raises(SystemExit) as ended:
        exit_with(SettingsError(["A: missing", "B: unknown"]))

    assert ended.value.code == 2
    assert capsys.readouterr().err == "settings: A: missing\nsettings: B: unknown\n"


def test_a_secrets_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    """Editors add a line end; inner spaces are the secret's own."""
    file = tmp_path / "secret"
    file.write_bytes(b" s e\n\r\n")

    assert read_secret(file) == b" s e"


def test_a_secrets_file_that_is_no_use_is_told(tmp_path: Path) -> None:
    """Missing, a folder, or empty: the path and what is wrong."""
    (tmp_path / "empty").write_bytes(b"\n")
    for name in ("missing", "empty", "."):
        with pytest.raises(SettingsError, match=str(tmp_path / name)):
            read_secret(tmp_path / name)
