"""Page tokens: where a list goes on, bound to the request that it belongs to.

A token is opaque to clients. It holds a position of the sort key and a digest of the rest of the
request, so that a token that is damaged or used with another filter is refused. It needs no key:
what it opens is only what the same request, with its tenant, could list from the start.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar, cast

from google.protobuf.message import Message

from services.kernel.errors import Category, DomainError, Violation

_DIGEST_BYTES = 12
# What a bigint holds.
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


DEFAULT, MOST = 100, 1_000


class _Paged(Protocol):
    """A list request: every one has these."""

    page_size: int
    page_token: str


Found = TypeVar("Found")
Position = TypeVar("Position")


@dataclass(frozen=True, slots=True)
class Page:
    """What a list request asks for.

    Args:
        request: the request.
        size: how many to return.
        after: the position after which the page begins; None for the first page.
    """

    request: Message
    size: int
    after: str | None

    @classmethod
    def of(cls, request: Message, *, default: int = DEFAULT, most: int = MOST) -> Self:
        """Read a list request's paging fields: 0 asks for `default`, more than `most` is coerced.

        Raises:
            DomainError: INVALID_PAGE_TOKEN, if the token is damaged or another request's.
        """
        paged = cast("_Paged", request)
        size = min(paged.page_size or default, most)
        return cls(request, size, _decode(request, paged.page_token))

    def numbers(self, count: int) -> Sequence[int]:
        """Return the position of a later page where it is `count` numbers, joined by points.

        Raises:
            DomainError: INVALID_PAGE_TOKEN, if it is not: a client made the token up.
        """
        parts = (self.after or "").split(".")
        if len(parts) != count or not all(map(_NUMBER.fullmatch, parts)):
            raise _invalid()
        return [int(part) for part in parts]

    def position(self, parse: Callable[[str], Position]) -> Position | None:
        """Return the position as `parse`, which raises ValueError, reads it; None for the first.

        Raises:
            DomainError: INVALID_PAGE_TOKEN, if it cannot be read: a client made the token up.
        """
        try:
            return None if self.after is None else parse(self.after)
        except ValueError as error:
            raise _invalid() from error

    def token_after(self, position: str) -> str:
        """Return the token of the page that begins after `position`."""
        content = position.encode()
        return base64.urlsafe_b64encode(_digest(self.request, content) + content).decode()

    def next_token(self, found: Sequence[Found], position: Callable[[Found], str]) -> str:
        """Return the token of the next page, where one more than a page was `found`, or none."""
        return self.token_after(position(found[self.size - 1])) if len(found) > self.size else ""


def _decode(request: Message, token: str) -> str | None:
    if not token:
        return None
    try:
        raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        content = raw[_DIGEST_BYTES:]
        # Written otherwise than we write it, or with NUL, which no database takes: not ours.
        if (
            raw[:_DIGEST_BYTES] == _digest(request, content)
            and base64.urlsafe_b64encode(raw).decode() == token
            and b"\0" not in content
        ):
            return content.decode()
    except (binascii.Error, UnicodeError):
        pass
    raise _invalid()


def _invalid() -> DomainError:
    return DomainError(
        "INVALID_PAGE_TOKEN",
        Category.SHAPE,
        "The page token is damaged, or belongs to another request",
        violations=[Violation("page_token", "is not one that this request was answered with")],
    )


def _digest(request: Message, content: bytes) -> bytes:
    """Digest the request without its paging fields, which may differ from page to page."""
    filters = type(request)()
    filters.CopyFrom(request)
    for name in ("page_size", "page_token"):
        filters.ClearField(name)
    state = hashlib.sha256(request.DESCRIPTOR.full_name.encode())
    state.update(filters.SerializeToString(deterministic=True))
    state.update(content)
    return state.digest()[:_DIGEST_BYTES]
