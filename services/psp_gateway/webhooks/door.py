"""POST /webhooks/{provider}/{provider_account}: read once, verify, store, commit, answer.

200 means that the delivery is durable. A delivery that is not proven is answered 401 and counted;
it leaves nothing else.
"""

import asyncio
from dataclasses import dataclass

import structlog
from prometheus_client import Counter
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from services.kernel.clock import Clock
from services.kernel.errors import DomainError
from services.kernel.group_commit import DrainedError, QueueFullError, WholeBatchError
from services.kernel.invariant import present
from services.psp_gateway.application.inbox import Inbox
from services.psp_gateway.application.providers import Connection, Connections, VerificationError
from services.psp_gateway.domain.accounts import ProviderAccount

BODY_BYTES_MAX = 1024 * 1024

RECEIVED = Counter(
    "psp_gateway_webhooks_total", "Webhook deliveries, by what became of them.", ["provider", "end"]
)

log = structlog.get_logger("vezne.webhooks")


class _TooLargeError(Exception):
    """The body is larger than any webhook."""


class _TooSlowError(Exception):
    """The body did not come in time, or its sender left."""


@dataclass(frozen=True, slots=True)
class Door:
    """What the door needs.

    Args:
        connections: the provider accounts.
        inbox: stores deliveries.
        clock: our time.
        body_timeout_s: how long a body may take to come.
    """

    connections: Connections
    inbox: Inbox
    clock: Clock
    body_timeout_s: float

    def application(self) -> Starlette:
        """Return the ASGI application."""
        path = "/webhooks/{provider}/{provider_account}"
        return Starlette(routes=[Route(path, self.receive, methods=["POST"])])

    async def receive(self, request: Request) -> Response:
        """Take one delivery."""
        provider = request.path_params["provider"]
        try:
            at = ProviderAccount(provider, request.path_params["provider_account"])
        except DomainError:
            return Response(status_code=404)
        connection = self.connections.by_account.get(at)
        if connection is None or connection.webhooks is None:
            return Response(status_code=404)
        end, http_code = await self._take(request, connection)
        RECEIVED.labels(provider, end).inc()
        return Response(status_code=http_code)

    async def _take(self, request: Request, connection: Connection) -> tuple[str, int]:
        """Verify and store a delivery; return what became of it, and the HTTP code that says so."""
        webhooks = present(connection.webhooks, "who receives webhooks verifies them")
        try:
            body = await self._body(request)
            items = webhooks.verify(dict(request.headers), body, self.clock())
            await self.inbox.receive(connection.tenant_id, connection.at, items, body)
        except VerificationError as error:
            # What is wrong is ours to know: whoever forges learns nothing.
            log.info("webhook_refused", provider_account=str(connection.at), why=str(error))
            return "unverified", 401
        except _TooLargeError:
            return "too_large", 413
        except _TooSlowError:
            return "too_slow", 408
        except (WholeBatchError, QueueFullError, DrainedError) as error:
            log.warning("webhook_not_stored", provider_account=str(connection.at), why=repr(error))
            return "not_stored", 503
        return "stored", 200

    async def _body(self, request: Request) -> bytes:
        """Read the raw body once, within its limits."""
        announced = request.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced) > BODY_BYTES_MAX:
            raise _TooLargeError
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.body_timeout_s):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > BODY_BYTES_MAX:
                        raise _TooLargeError
                    chunks.append(chunk)
        except (TimeoutError, ClientDisconnect) as error:
            raise _TooSlowError from error
        return b"".join(chunks)
