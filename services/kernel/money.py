"""Money: whole minor units of one currency, and the registry that says what a minor unit is.

The registry is `currencies.json` of the `vezne.type` package of the stubs, so that every client
formats an amount as we do. It is read as data: the kernel imports no generated code.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1

_CODE = re.compile(r"[A-Z][A-Z0-9]{2,7}")
# Long enough for any int64 with a point and a sign; longer input is refused before it is parsed.
_AMOUNT_LENGTH_MAX = 24
_AMOUNT = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?", re.ASCII)


class MoneyError(ValueError):
    """An amount, or a sum of amounts, that cannot be: the message says why, in a sentence."""


class UnknownCurrencyError(MoneyError):
    """The currency is not in the registry."""


class CurrencyMismatchError(MoneyError):
    """Two currencies met in one sum."""


class OutOfRangeError(MoneyError):
    """The result lies outside int64."""


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency of the registry; a minor unit is 10**-scale of the major unit, scale 0 to 9."""

    code: str
    scale: int
    name: str


@cache
def currencies() -> Mapping[str, Currency]:
    """Return the registry, by code."""
    rows = json.loads(files("vezne.type").joinpath("currencies.json").read_text("utf-8"))
    return MappingProxyType(
        {code: Currency(code, row["scale"], row["name"]) for code, row in rows.items()}
    )


def currency(code: str) -> Currency:
    """Return the currency with this code.

    Raises:
        UnknownCurrencyError: it is not in the registry.
    """
    found = currencies().get(code)
    if found is None:
        shown = code if _CODE.fullmatch(code) else ascii(code[:12])
        raise UnknownCurrencyError(f"{shown} is not a currency of the registry")
    return found


def checked(minor_units: int) -> int:
    """Return `minor_units` if it fits int64.

    Raises:
        OutOfRangeError: it does not.
    """
    if not INT64_MIN <= minor_units <= INT64_MAX:
        raise OutOfRangeError("The amount does not fit 64 bits")
    return minor_units


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An exact amount: `minor_units` (an int64) of the currency with `currency_code`.

    Arithmetic refuses mixed currencies (CurrencyMismatchError) and never wraps (OutOfRangeError).
    """

    currency_code: str
    minor_units: int

    def __post_init__(self) -> None:
        checked(self.minor_units)

    def _same(self, other: "Money") -> None:
        if self.currency_code != other.currency_code:
            raise CurrencyMismatchError(
                f"{self.currency_code} and {other.currency_code} cannot be summed"
            )

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.currency_code, self.minor_units + other.minor_units)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.currency_code, self.minor_units - other.minor_units)

    def __neg__(self) -> "Money":
        return Money(self.currency_code, -self.minor_units)

    def __str__(self) -> str:
        return f"{format_amount(self.minor_units, self.currency_code)} {self.currency_code}"


def format_amount(minor_units: int, currency_code: str) -> str:
    """Return the amount in major units with exactly the currency's digits: 1234 EUR is `12.34`."""
    scale = currency(currency_code).scale
    digits = str(abs(minor_units)).rjust(scale + 1, "0")
    sign = "-" if minor_units < 0 else ""
    if not scale:
        return f"{sign}{digits}"
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def parse_amount(text: str, currency_code: str) -> int:
    """Return the minor units of an amount in major units, such as `12.34`.

    Only plain digits with at most the currency's decimals are an amount: no exponent, no group
    separators, no negative zero.

    Raises:
        UnknownCurrencyError: the currency is not in the registry.
        OutOfRangeError: the amount does not fit int64.
        MoneyError: the text is no amount of this currency.
    """
    scale = currency(currency_code).scale
    if len(text) > _AMOUNT_LENGTH_MAX:
        raise MoneyError(f"An amount has at most {_AMOUNT_LENGTH_MAX} characters")
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise MoneyError(f"{text!r} is not an amount; write it like {_example(scale)}")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if len(fraction) > scale:
        raise MoneyError(
            f"{text!r} has {len(fraction)} decimals; {currency_code} has {scale or 'none'}"
        )
    minor_units = int(whole + fraction.ljust(scale, "0"))
    if sign and not minor_units:
        raise MoneyError(f"{text!r} is a negative zero")
    return checked(-minor_units if sign else minor_units)


def _example(scale: int) -> str:
    return f"12.{'34567890123'[:scale]}" if scale else "12"
