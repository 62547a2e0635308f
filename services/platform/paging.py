"""Page tokens: where a list goes on, bound to the request that it belongs to.

A token is opaque to clients. It holds a position of the sort key and a digest of the rest of the
request, so that a token that is damaged or used with another filter is refused. It needs no key:
what it opens is only what the same request, with its tenant, could list from the start.
"""

import base64
import binascii
import hashlib

from google.protobuf.message import Message

_DIGEST_BYTES = 12


class PageTokenError(ValueError):
    """The token is damaged, or belongs to another request."""


def page_size(asked: int, *, default: int, most: int) -> int:
    """Return the size to use: 0 means `default`, more than `most` is coerced to it."""
    return min(asked or default, most)


def encode_token(request: Message, position: str) -> str:
    """Return the token of the page that follows `position` of this request's list."""
    content = position.encode()
    return base64.urlsafe_b64encode(_digest(request, content) + content).decode()


def decode_token(request: Message, token: str) -> str | None:
    """Return the position after which the page begins; None for the first page.

    Raises:
        PageTokenError: the token is not one that this request was given.
    """
    if not token:
        return None
    try:
        raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        content = raw[_DIGEST_BYTES:]
        if raw[:_DIGEST_BYTES] != _digest(request, content):
            raise PageTokenError("The page token belongs to another request, or is damaged")
        return content.decode()
    except (binascii.Error, UnicodeError) as error:
        raise PageTokenError("The page token is damaged") from error


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
