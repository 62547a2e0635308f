"""Options that many commands share, and what is made of their text."""

import getpass
import random
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from services.cli import environment
from services.cli.failures import wrong_use
from services.cli.output import Output, note
from services.kernel.clock import to_micros, utc_now
from services.kernel.ids import uuid7
from services.kernel.money import parse_amount
from vezne.type.v1.money_pb2 import Money

Tenant = Annotated[
    str,
    typer.Option("--tenant", "-t", envvar=environment.TENANT, help="The tenant."),
]
OutputFormat = Annotated[Output, typer.Option("--output", "-o", help="How it is printed.")]
RequestId = Annotated[
    str,
    typer.Option(help="The id of this request; given again, the first answer is repeated."),
]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")]
Player = Annotated[str, typer.Option("--player", help="The player's id.")]
Amount = Annotated[str, typer.Option("--amount", help="In major units, such as 12.34.")]
Currency = Annotated[str, typer.Option("--currency", "-c", help="Such as EUR.")]
Provider = Annotated[str, typer.Option("--provider", help="The provider.")]
ProviderAccount = Annotated[
    str, typer.Option("--provider-account", help="The merchant account at the provider.")
]
RequestedBy = Annotated[str, typer.Option("--requested-by", help="Who asks for it: an id.")]
States = Annotated[
    list[str] | None, typer.Option("--state", help="Only in this state; may be repeated.")
]

DEFAULT_LIMIT = 100
_RANDOM = random.SystemRandom()
_RANDOM_BITS = 74
_DATE = re.compile(r"\d{4}-?\d{1,2}-?\d{1,2}")
_INVISIBLE = re.compile(r"[^!-~]")

ANY_ARGUMENTS = {"ignore_unknown_options": True, "allow_extra_args": True}
"""For a command that only says that there is no such thing, however it is asked."""


def request_id(given: str) -> str:
    """Return the request id of a mutation, made up unless given, and say it.

    It is said before the call: if the answer is lost, the request can be repeated as it was.
    """
    chosen = (
        given or f"cli-{uuid7(to_micros(utc_now()) // 1000, _RANDOM.getrandbits(_RANDOM_BITS))}"
    )
    note(f"request id {chosen}")
    return chosen


def money(amount: str, currency_code: str) -> Money:
    """Return an amount that a user wrote.

    Raises:
        MoneyError: it is no amount of this currency, or there is no such currency.
        Failure: it is not above zero.
    """
    code = currency_code.upper()
    minor_units = parse_amount(amount, code)
    if minor_units <= 0:
        raise wrong_use(f"{amount!r} is not above zero")
    return Money(currency_code=code, minor_units=minor_units)


def is_date(text: str) -> bool:
    """Whether this is meant as a date: digits and dashes, of such a length."""
    return _DATE.fullmatch(text) is not None


def business_date(text: str, option: str = "--date") -> str:
    """Return a date that a user wrote, checked.

    Raises:
        Failure: it is no date.
    """
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise wrong_use(f"{text!r} is no date for {option}; write it like 2026-01-31") from None


def timestamp(text: str, option: str) -> Timestamp:
    """Return a moment that a user wrote; a date alone is its first moment, and no zone is UTC.

    Raises:
        Failure: it is no moment.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise wrong_use(
            f"{text!r} is no moment for {option}; write it like 2026-01-31 or 2026-01-31T12:00:00Z"
        ) from None
    if len(text) <= len("2026-01-31"):
        found = datetime.combine(found.date(), time.min)
    made = Timestamp()
    made.FromDatetime(found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC))
    return made


def this_user() -> str:
    """Return who runs the command, as an id."""
    try:
        return _INVISIBLE.sub("_", getpass.getuser()) or "cli"
    except (KeyError, OSError):
        return "cli"


def key_values(pairs: Sequence[str] | None, option: str) -> dict[str, str]:
    """Return KEY=VALUE pairs.

    Raises:
        Failure: one has no `=`.
    """
    found = {}
    for pair in pairs or ():
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise wrong_use(f"{pair!r} is no KEY=VALUE for {option}")
        found[key] = value
    return found
