"""Builds the server from settings, runs it and stops it."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.kernel.clock import Clock, utc_now
from services.kernel.errors import DomainError
from services.local.mock_psp.account import Account
from services.local.mock_psp.clock import VirtualClock
from services.local.mock_psp.server import admin, api, pages
from services.local.mock_psp.server.deliveries import RETRY_AFTER_S, Deliveries, Endpoint
from services.local.mock_psp.server.errors import AuthenticationError, error_response, on_error
from services.local.mock_psp.server.journal import Begun, opened
from services.local.mock_psp.server.replay import replay
from services.local.mock_psp.server.world import World
from services.local.mock_psp.settings import AccountSettings
from services.local.mock_psp.webhooks import decoded_secret
from services.platform.http import HttpServer
from services.platform.listening import listen

_LOG = logging.getLogger("vezne.mock_psp")

_STOP_WITHIN_S = 5
_CONNECTIONS_MAX = 200


@dataclass(frozen=True, slots=True)
class MockPsp:
    """A running mock PSP."""

    base_url: str
    admin_token: str
    seed: int
    """What its ids follow from: that of the journal where there is one."""
    world: World
    """Its state, for tests in the same process: only its own event loop may touch it."""


@asynccontextmanager
async def serving(
    accounts: Mapping[str, AccountSettings],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 0,
    admin_token: str | None = None,
    start: datetime | None = None,
    clock_runs: bool = True,
    hang_s: float = 30.0,
    retry_after_s: Sequence[float] = RETRY_AFTER_S,
    journal_file: Path | None = None,
) -> AsyncIterator[MockPsp]:
    """Serve until the block is left.

    Args:
        accounts: by name.
        host: the IPv4 address or name to listen on.
        port: which port; 0 for any that is free.
        seed: ids follow from it. A server that forgets its books needs a new one to have new ids.
        admin_token: of the admin API; a new random one unless given.
        start: what the provider's clock shows first; this machine's time unless given.
        clock_runs: whether the clock runs with this machine's, or stands until it is moved.
        hang_s: how long a call that is never answered is held.
        retry_after_s: the waits between attempts to deliver a webhook.
        journal_file: what it was asked before, which it does again first, and is asked from now
            on; its seed and start hold. None forgets everything at the end.

    Raises:
        PortTakenError: it cannot listen there.
        JournalError: the journal cannot be gone on with.
    """
    listener = listen(host, port, "VEZNE_MOCK_PSP_PORT")
    begun = Begun(at=start or utc_now(), seed=seed, accounts=_terms(accounts))
    limits = httpx.Limits(max_connections=_CONNECTIONS_MAX)
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        journal = stack.enter_context(opened(journal_file, begun)) if journal_file else None
        begun = journal.begun if journal else begun
        client = await stack.enter_async_context(
            httpx.AsyncClient(trust_env=False, timeout=None, limits=limits)  # noqa: S113 - every attempt has a timeout of its own, around all of it.
        )
        clock = VirtualClock(begun.at, utc_now if clock_runs else None)
        world = _world(accounts, clock, client, begun.seed, admin_token, hang_s, retry_after_s)
        application = _application(world)
        if journal:
            await replay(world, application, journal, utc_now)
        server = _server(application)
        background = [
            asyncio.create_task(work)
            for work in (world.deliveries.run(), world.run(), server.serve(sockets=[listener]))
        ]
        for task in background:
            task.add_done_callback(_report_failure)
        try:
            base_url = f"http://{host}:{listener.getsockname()[1]}"
            yield MockPsp(base_url, world.admin_token, begun.seed, world)
        finally:
            world.stopping.set()
            server.should_exit = True
            await asyncio.wait(background[-1:])
            for task in background:
                task.cancel()
            await asyncio.wait(background)


def _server(application: Starlette) -> HttpServer:
    return HttpServer(
        uvicorn.Config(
            application,
            log_config=None,
            # It tells that it starts and stops, which our own lines say already.
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=_STOP_WITHIN_S,
        )
    )


def _terms(accounts: Mapping[str, AccountSettings]) -> Mapping[str, Mapping[str, Any]]:
    """Return what the books of each account follow from: no secret, and not where it is told."""
    left_out = {"secret", "webhook_secret", "webhook_secret_old", "webhook_url"}
    return {
        name: settings.model_dump(mode="json", exclude=left_out)
        for name, settings in accounts.items()
    }


def _report_failure(task: asyncio.Task[None]) -> None:
    """Log the end of a task that ended by an error, at once: nobody awaits it while it serves."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.error("A part of the mock PSP has stopped", exc_info=error)


def _world(
    accounts: Mapping[str, AccountSettings],
    clock: VirtualClock,
    client: httpx.AsyncClient,
    seed: int,
    admin_token: str | None,
    hang_s: float,
    retry_after_s: Sequence[float],
) -> World:
    endpoints = {name: _endpoint(settings) for name, settings in accounts.items()}
    real: Clock = utc_now
    return World(
        clock=clock,
        accounts={
            name: Account(name, settings.terms(), seed=seed, started_at=clock.now())
            for name, settings in accounts.items()
        },
        secrets={name: settings.secret for name, settings in accounts.items()},
        admin_token=admin_token or f"admin_{secrets.token_urlsafe(24)}",
        endpoints=endpoints,
        deliveries=Deliveries(client, endpoints, real, retry_after_s),
        hang_s=hang_s,
    )


def _endpoint(settings: AccountSettings) -> Endpoint:
    old = settings.webhook_secret_old
    return Endpoint(
        settings.webhook_url,
        decoded_secret(settings.webhook_secret),
        decoded_secret(old) if old is not None else None,
    )


def _application(world: World) -> Starlette:
    application = Starlette(
        routes=[*api.ROUTES, *admin.ROUTES, *pages.ROUTES],
        exception_handlers={
            DomainError: on_error,
            AuthenticationError: on_error,
            ValidationError: on_error,
            HTTPException: _on_http_error,
            Exception: on_error,
        },
    )
    application.state.world = world
    return application


async def _on_http_error(_request: Request, error: Exception) -> Response:
    """Answer what the router itself refuses: an unknown path or method."""
    status_code = error.status_code if isinstance(error, HTTPException) else 500
    code = "method_not_allowed" if status_code == 405 else "path_unknown"  # noqa: PLR2004 - the HTTP status itself.
    return error_response(status_code, "invalid_request_error", code, "There is no such call")
