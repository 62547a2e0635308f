"""What is said of a name that nothing has."""

import pytest

from services.cli import ids
from services.cli.failures import ExitCode, Failure

ID = "01a20dfe-0345-7ccb-9d3c-0fda531e82ad"
HINT = "list them: vezne deposits"


def refused(reason: str) -> Failure:
    """The refusal of a service."""
    return Failure("No deposit was created by this request", ExitCode.REFUSED, reason=reason)


def test_a_word_that_is_no_id_is_not_called_a_request() -> None:
    """Whoever writes a wrong id hears that it is none, how one looks, and how to list them."""
    with (
        pytest.raises(Failure) as failed,
        ids.sought("abc", "deposit", HINT, is_id=False),
    ):
        raise refused("DEPOSIT_NOT_FOUND")

    assert failed.value.sentence.startswith("'abc' is no id of a deposit, which looks like 0")
    assert "request id" in failed.value.sentence
    assert (failed.value.try_this, failed.value.exit_code) == (HINT, ExitCode.REFUSED)


def test_an_id_that_nothing_has_is_said() -> None:
    """Of an id it is said that there is no such thing, and nothing of how ids look."""
    with pytest.raises(Failure) as failed, ids.sought(ID, "deposit", HINT):
        raise refused("DEPOSIT_NOT_FOUND")

    assert failed.value.sentence == f"there is no deposit {ID}"


def test_other_refusals_are_left_as_they_are() -> None:
    """A refusal for any other reason is not taken for a wrong name."""
    with pytest.raises(Failure, match="No deposit was created"), ids.sought(ID, "deposit", HINT):
        raise refused("TENANT_NOT_FOUND")


def test_what_has_no_other_name_must_be_an_id() -> None:
    """Where only an id will do, a word is refused before anybody is asked."""
    assert ids.checked(ID.upper(), "run", HINT) == ID
    with pytest.raises(Failure) as failed:
        ids.checked("abc", "run", HINT)

    assert failed.value.exit_code is ExitCode.WRONG_USE
    assert "'abc' is no id of a run" in failed.value.sentence
