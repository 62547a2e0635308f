"""Requests to commands."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.kernel import money as kernel
from services.kernel.errors import Category, DomainError, Violation
from services.platform.paging import Page
from services.psp_gateway.application.object_records import Created
from services.psp_gateway.application.reading import Request
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.reasons import Reason, refusal
from vezne.type.v1.money_pb2 import Money

PAGE_SIZE, PAGE_SIZE_MAX = 50, 200
_METADATA_BYTES_MAX = 2_048
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Named = TypeVar("Named", bound=StrEnum)


def wrong(field: str, description: str) -> DomainError:
    """Return the refusal of a field's shape."""
    return DomainError(
        Reason.INVALID_REQUEST,
        Category.SHAPE,
        f"{field}: {description}",
        violations=[Violation(field, description)],
    )


def request_of(message: Any) -> Request:
    """Return how the caller identifies a mutation."""
    name = message.DESCRIPTOR.name.removesuffix("Request")
    content = name.encode() + b"\0" + message.SerializeToString(deterministic=True)
    return Request(
        tenant_id=message.tenant_id,
        request_id=message.request_id,
        method=name,
        request_hash=hashlib.sha256(content).digest(),
    )


def money(asked: Money) -> kernel.Money:
    """Read an amount.

    Raises:
        DomainError: UNKNOWN_CURRENCY.
    """
    try:
        kernel.currency(asked.currency_code)
    except kernel.UnknownCurrencyError as error:
        raise refusal(Reason.UNKNOWN_CURRENCY, str(error)) from error
    return kernel.Money(asked.currency_code, asked.minor_units)


def place(message: Any) -> ProviderAccount:
    """Read the provider account of a request."""
    return ProviderAccount(message.provider, message.provider_account)


def moment(message: Message, field: str) -> datetime | None:
    """Read a timestamp, to the microsecond; None if it is not set.

    Raises:
        DomainError: INVALID_REQUEST, if it is no moment of the years 1 to 9999.
    """
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    try:
        return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1_000)
    except OverflowError as error:
        raise wrong(field, "must be a moment of the years 1 to 9999") from error


def created(message: Any) -> Created:
    """Read when what is listed was created."""
    return Created(
        since=moment(message, "from_create_time"), before=moment(message, "before_create_time")
    )


def names(enum: Any, numbers: Sequence[int], named: type[Named]) -> Sequence[Named]:
    """Read values of an enum of the contract, whose names without the prefix are ours."""
    return [named(name_of(enum, number)) for number in numbers]


def name_of(enum: Any, number: int) -> str:
    """Return a value's name without its enum's prefix; empty for 0."""
    if not number:
        return ""
    prefix = enum.DESCRIPTOR.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return str(enum.Name(number)).removeprefix(prefix)


def text(field: str, asked: str) -> str:
    """Read free text for people.

    Raises:
        DomainError: INVALID_REQUEST, if it holds NUL, which no database takes.
    """
    if "\0" in asked:
        raise wrong(field, "must not hold NUL")
    return asked


def metadata(asked: Any) -> dict[str, str]:
    """Read a caller's free data.

    Raises:
        DomainError: INVALID_REQUEST, if it is too large or holds NUL.
    """
    read = {text("metadata", key): text("metadata", value) for key, value in asked.items()}
    size = sum(len(key.encode()) + len(value.encode()) for key, value in read.items())
    if size > _METADATA_BYTES_MAX:
        raise wrong("metadata", "must be at most 2,048 bytes in all")
    return read


def page(message: Message) -> Page:
    """Read a list request's paging fields.

    Raises:
        DomainError: INVALID_PAGE_TOKEN.
    """
    return Page.of(message, default=PAGE_SIZE, most=PAGE_SIZE_MAX)
