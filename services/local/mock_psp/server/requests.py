"""Reads a request within its limits."""

import asyncio
from datetime import datetime
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from services.kernel.errors import Category, DomainError
from services.local.mock_psp.account import Account
from services.local.mock_psp.server.journal import Asked
from services.local.mock_psp.server.shapes import Body
from services.local.mock_psp.server.world import World

Shape = TypeVar("Shape", bound=Body)

_BODY_BYTES_MAX = 64 * 1024
_BODY_TIMEOUT_S = 10.0


def world_of(request: Request) -> World:
    """Return the state of the server that took the request."""
    world = request.app.state.world
    if not isinstance(world, World):
        raise TypeError("The application was built without its state")
    return world


async def body_bytes(request: Request) -> bytes:
    """Return the body, `{}` for an empty one.

    Raises:
        DomainError: BODY_TOO_LARGE, or BODY_TOO_SLOW.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for chunk in request.stream():
                chunks.append(chunk)
                size += len(chunk)
                if size > _BODY_BYTES_MAX:
                    raise DomainError(
                        "BODY_TOO_LARGE",
                        Category.SHAPE,
                        f"A body has at most {_BODY_BYTES_MAX} bytes",
                    )
    except (TimeoutError, ClientDisconnect) as error:
        raise DomainError("BODY_TOO_SLOW", Category.SHAPE, "The body did not come") from error
    request.state.body = b"".join(chunks) or b"{}"
    return bytes(request.state.body)


def write_down(request: Request, account: Account, now: datetime) -> None:
    """Write a call into the journal, if there is one, before it is done.

    From here to the end of what it changes nobody may await: the journal's order is that of what
    happened.

    Raises:
        DomainError: UNAVAILABLE, it could not be written, so it must not be done.
    """
    journal = world_of(request).journal
    if journal is not None:
        journal.write(
            Asked(
                at=now,
                account=account.name,
                path=request.scope["path"],
                host=request.headers.get("host", ""),
                key=request.headers.get("idempotency-key", ""),
                body=request.state.body.decode(),
                digest=account.books.digest(),
            )
        )


async def body_of(request: Request, shape: type[Shape]) -> Shape:
    """Return the body in its shape.

    Raises:
        DomainError: BODY_TOO_LARGE, or BODY_TOO_SLOW.
        ValidationError: it has another shape.
    """
    return shape.model_validate_json(await body_bytes(request))
