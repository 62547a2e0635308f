"""Money is exact, of one currency, and fits int64 or fails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.money import (
    INT64_MAX,
    INT64_MIN,
    CurrencyMismatchError,
    Money,
    MoneyError,
    OutOfRangeError,
    UnknownCurrencyError,
    currencies,
    currency,
    format_amount,
    parse_amount,
)

codes = st.sampled_from(sorted(currencies()))
int64s = st.integers(INT64_MIN, INT64_MAX)


@given(int64s, codes)
def test_format_and_parse_are_inverse(minor_units: int, code: str) -> None:
    """Every int64 of every currency survives being written and read."""
    assert parse_amount(format_amount(minor_units, code), code) == minor_units


@pytest.mark.parametrize(
    ("code", "minor_units", "text"),
    [
        ("EUR", 1234, "12.34"),
        ("EUR", -5, "-0.05"),
        ("JPY", 500, "500"),
        ("KWD", 1, "0.001"),
        ("BTC", 1, "0.00000001"),
        ("ETH", 1_000_000_000, "1.000000000"),
    ],
)
def test_amounts_have_exactly_the_digits_of_the_currency(
    code: str, minor_units: int, text: str
) -> None:
    """An amount is written with the scale of the registry."""
    assert text == format_amount(minor_units, code)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "12.345",
        "1e9",
        "-0",
        "-0.00",
        "+1",
        "1,00",
        "1_000",
        ".5",
        "5.",
        "NaN",
        "0x10",
        "\uff11",
        "1 ",
        "\n1",
        "9" * 2000,
        "--1",
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    """Only plain digits with at most the currency's decimals are an amount."""
    with pytest.raises(MoneyError):
        parse_amount(text, "EUR")


def test_decimals_of_a_currency_without_any_are_refused() -> None:
    """The yen has no minor unit below 1."""
    with pytest.raises(MoneyError, match="JPY has none"):
        parse_amount("1.0", "JPY")


@given(int64s, int64s)
def test_sums_are_exact_or_refused(left: int, right: int) -> None:
    """A sum outside int64 is an error, never a wrap."""
    total = left + right
    if INT64_MIN <= total <= INT64_MAX:
        assert Money("EUR", total) == Money("EUR", left) + Money("EUR", right)
    else:
        with pytest.raises(OutOfRangeError):
            _ = Money("EUR", left) + Money("EUR", right)


def test_currencies_do_not_mix() -> None:
    """A sum of two currencies is refused."""
    with pytest.raises(CurrencyMismatchError):
        _ = Money("EUR", 1) + Money("USD", 1)


@pytest.mark.parametrize("code", ["XXX", "eur", "", "E" * 5000, "EUR\x00", "%s"])
def test_unknown_currencies_are_refused(code: str) -> None:
    """What the registry does not list is no currency, and hostile text is not echoed whole."""
    with pytest.raises(UnknownCurrencyError) as caught:
        currency(code)
    assert len(str(caught.value)) < 100


def test_the_registry_keeps_scales_that_fit() -> None:
    """Every scale is 0 to 9, and the well-known ones are right."""
    assert all(0 <= found.scale <= 9 for found in currencies().values())
    known = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3, "CLF": 4, "BTC": 8, "ETH": 9}
    assert known == {code: currency(code).scale for code in known}
