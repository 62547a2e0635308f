"""What is made of the text of options."""

import pytest

from services.cli import options
from services.cli.failures import ExitCode, Failure
from services.kernel.money import MoneyError


def test_amounts_are_minor_units_of_their_currency() -> None:
    """An amount in major units becomes the minor units of its currency, whatever the case."""
    assert options.money("12.34", "eur").minor_units == 1234
    assert options.money("12", "JPY").minor_units == 12
    assert options.money("1.234", "KWD").minor_units == 1234
    assert options.money("12.3", "EUR").currency_code == "EUR"


@pytest.mark.parametrize(
    "text", ["12.345", "1e9", "-0", "+1", "1,000", "0x10", "", " 1", "NaN", "9" * 30]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    """Text that is no amount of the currency is refused."""
    with pytest.raises(MoneyError):
        options.money(text, "EUR")


@pytest.mark.parametrize("text", ["0", "-5", "0.00"])
def test_amounts_are_above_zero(text: str) -> None:
    """An amount to move is above zero."""
    with pytest.raises(Failure, match="not above zero"):
        options.money(text, "EUR")


@pytest.mark.parametrize("text", ["2026-02-30", "tomorrow", "20260101x", "2026-13-01", ""])
def test_what_is_no_date_is_refused(text: str) -> None:
    """Text that is no day of the calendar is refused as wrong use."""
    with pytest.raises(Failure) as refused:
        options.business_date(text)

    assert refused.value.exit_code is ExitCode.WRONG_USE


def test_moments_are_in_utc_unless_they_say_otherwise() -> None:
    """A date is its first moment; a moment without a zone is UTC, one with a zone is converted."""
    assert options.timestamp("2026-01-31", "--x").ToJsonString() == "2026-01-31T00:00:00Z"
    assert options.timestamp("2026-01-31T12:00:00", "--x").ToJsonString() == "2026-01-31T12:00:00Z"
    assert (
        options.timestamp("2026-01-31T12:00:00+02:00", "--x").ToJsonString()
        == "2026-01-31T10:00:00Z"
    )


def test_request_ids_are_made_up_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A request id that is not given is new each time, and is said so that it can be repeated."""
    first, second = options.request_id(""), options.request_id("")

    assert first != second
    assert f"request id {first}\n" in capsys.readouterr().err
    assert options.request_id("mine") == "mine"


def test_metadata_is_pairs() -> None:
    """KEY=VALUE is split at the first `=`; what has none is refused."""
    assert options.key_values(["a=1", "b=x=y", "c="], "--m") == {"a": "1", "b": "x=y", "c": ""}
    with pytest.raises(Failure):
        options.key_values(["nothing"], "--m")
