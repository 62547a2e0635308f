"""Runs the door beside the gRPC server: uvicorn in the same event loop, stopped with it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from starlette.types import ASGIApp

from services.platform.listening import listen
from services.psp_gateway.settings import WebhookSettings

log = structlog.get_logger("vezne.webhooks")


class _Server(uvicorn.Server):
    """Uvicorn, but the process's signals belong to the composition root."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class WebhookServer:
    """Listens for webhooks; `port` is the real one once it is started."""

    def __init__(self, application: ASGIApp, settings: WebhookSettings) -> None:
        self._settings = settings
        self._server = _Server(
            uvicorn.Config(
                application,
                log_config=None,
                # It tells that it starts and stops, which our own lines say already.
                log_level="warning",
                access_log=False,
                lifespan="off",
                server_header=False,
                date_header=False,
                proxy_headers=False,
                limit_concurrency=settings.connections_max,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=int(settings.drain_grace_s) or 1,
            )
        )
        self._serving: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            PortTakenError: the port is in use.
        """
        variable = "VEZNE_PSP_GATEWAY_WEBHOOKS__PORT"
        listener = listen(self._settings.host, self._settings.port, variable)
        self.port = listener.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        log.info("listening_for_webhooks", port=self.port)

    async def stop(self) -> None:
        """Take no new delivery, and answer those in progress."""
        if self._serving is None:
            return
        self._server.should_exit = True
        serving, self._serving = self._serving, None
        await asyncio.wait([serving])
