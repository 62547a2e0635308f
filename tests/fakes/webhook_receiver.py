"""An endpoint for webhooks: keeps what comes, answers what it is told, verifies on its own."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Received:
    """One request: headers in lower case, and the raw body."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The body as JSON."""
        return dict(json.loads(self.body))

    def is_signed_with(self, secret: str) -> bool:
        """Tell whether one of the signatures is that of the secret, by the Standard Webhooks."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        head = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}."
        digest = hmac.new(key, head.encode() + self.body, hashlib.sha256).digest()
        expected = "v1," + base64.b64encode(digest).decode()
        return expected in self.headers["webhook-signature"].split(" ")


@dataclass(slots=True)
class Receiver:
    """What has come so far.

    `answers` are the statuses of the next requests; then 200. With `hold` no answer goes out before
    that event is set.
    """

    url: str = ""
    answers: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    hold: asyncio.Event | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def types(self) -> list[str]:
        """Return the types of what came, in order."""
        return [one.event["type"] for one in self.received]

    async def wait_for(self, count: int) -> list[Received]:
        """Return what came as soon as it is so many requests."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the requests of one connection."""
        try:
            while True:
                request = await _request(reader)
                async with self._changed:
                    self.received.append(request)
                    status = self.answers.pop(0) if self.answers else 200
                    self._changed.notify_all()
                if self.hold is not None:
                    await self.hold.wait()
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            # The sender has closed the connection.
            return
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> Received:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(_header(lines[1:]))
    return Received(headers, await reader.readexactly(int(headers.get("content-length", "0"))))


def _header(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            yield name.lower(), value.strip()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listen on a free port of this machine until the block is left."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/webhooks"
    try:
        yield receiver
    finally:
        server.close()
