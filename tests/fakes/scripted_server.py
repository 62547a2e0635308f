"""A real server whose service does what a test tells it: answers, refuses, crashes, or hangs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from services.platform.rpc import Context
from services.platform.server import RunningServer, Service, Servicer
from services.platform.settings import GrpcServerSettings
from vezne.ledger.v1 import journal_service_pb2 as journal_pb
from vezne.ledger.v1 import posting_service_pb2 as posting_pb
from vezne.ledger.v1.journal_service_pb2_grpc import (
    JournalServiceServicer,
    add_JournalServiceServicer_to_server,
)
from vezne.ledger.v1.posting_service_pb2_grpc import (
    PostingServiceServicer,
    add_PostingServiceServicer_to_server,
)

POST = "/vezne.ledger.v1.PostingService/PostTransaction"
EXPORT = "/vezne.ledger.v1.JournalService/ExportEntries"

Deed = Callable[[Context], Awaitable[None]]
"""What is done before a call is answered."""


async def answers(_context: Context) -> None:
    """Nothing more."""


async def hangs(_context: Context) -> None:
    """Never be done."""
    await asyncio.Event().wait()


def fails(code: grpc.StatusCode) -> Deed:
    """End the call with a code of gRPC's."""

    async def failed(context: Context) -> None:
        await context.abort(code, "as scripted")

    return failed


def raises(error: Exception) -> Deed:
    """Fail as a use case does."""

    async def raised(_context: Context) -> None:
        raise error

    return raised


@dataclass(frozen=True)
class Heard:
    """What reached the server: the request's bytes, the seconds left for it, and the metadata."""

    request: bytes
    remaining_s: float | None
    metadata: dict[str, Any]


@dataclass
class Script(PostingServiceServicer, JournalServiceServicer):
    """Does the next deed at each call, the last one from then on, and keeps what it heard."""

    deeds: list[Deed] = field(default_factory=lambda: [answers])
    heard: list[Heard] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def _play(self, request: Any, context: Context) -> None:
        # The stubs do not say that a call may have no deadline, and metadata that is bytes.
        remaining: Any = context.time_remaining()
        metadata: Any = context.invocation_metadata()
        self.heard.append(Heard(request.SerializeToString(), remaining, dict(metadata)))
        self.called.set()
        deed = self.deeds.pop(0) if len(self.deeds) > 1 else self.deeds[0]
        await deed(context)

    async def PostTransaction(
        self, request: posting_pb.PostTransactionRequest, context: Context
    ) -> posting_pb.PostTransactionResponse:
        """Do the next deed, and answer."""
        await self._play(request, context)
        return posting_pb.PostTransactionResponse()

    async def ExportEntries(
        self, request: journal_pb.ExportEntriesRequest, context: Context
    ) -> AsyncIterator[journal_pb.ExportEntriesResponse]:
        """Answer once, do the next deed, and answer again."""
        yield journal_pb.ExportEntriesResponse()
        await self._play(request, context)
        yield journal_pb.ExportEntriesResponse()


@asynccontextmanager
async def playing(script: Script, **settings: Any) -> AsyncIterator[RunningServer]:
    """Serve the script as a ledger on a free port, with all that surrounds an RPC of ours."""
    server = RunningServer(
        Service(
            name="ledger",
            servicers=[
                Servicer(
                    "vezne.ledger.v1.PostingService", add_PostingServiceServicer_to_server, script
                ),
                Servicer(
                    "vezne.ledger.v1.JournalService", add_JournalServiceServicer_to_server, script
                ),
            ],
        ),
        GrpcServerSettings(drain_grace_s=1, **settings),
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
