"""Calls to the services: where they are, one call or a list of pages, failures in sentences."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import grpc
from google.protobuf.message import Message

from services.cli import environment
from services.cli.failures import ExitCode, Failure, wrong_use
from services.local.folder import read_manifest
from services.local.ports import Ports, address
from services.platform.channel import open_channel
from services.platform.errors import RemoteError, from_rpc_error
from services.platform.settings import GrpcClientSettings
from vezne.ledger.v1.journal_service_pb2 import GetCutRequest
from vezne.ledger.v1.journal_service_pb2_grpc import JournalServiceStub

TIMEOUT_S = 20.0
_PAGE_MAX = 1_000
_POLL_FIRST_S = 0.1
_POLL_SLOWEST_S = 2.0
_AWAY_MAX_S = 60.0

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Item = TypeVar("Item", bound=Message)
Result = TypeVar("Result")

# Quoted: grpc's classes take parameters in the stubs only.
Unary: TypeAlias = (
    "Callable[[grpc.aio.Channel], grpc.aio.UnaryUnaryMultiCallable[Request, Response]]"
)
Streaming: TypeAlias = (
    "Callable[[grpc.aio.Channel], grpc.aio.UnaryStreamMultiCallable[Request, Response]]"
)


@dataclass(frozen=True, slots=True)
class Service:
    """A service that commands call: its name for people, and the variable that says where it is."""

    name: str
    variable: str
    port: Callable[[Ports], int]


LEDGER = Service("ledger", "VEZNE_CLI_LEDGER_TARGET", lambda ports: ports.ledger)
PSP_GATEWAY = Service(
    "PSP gateway", "VEZNE_CLI_PSP_GATEWAY_TARGET", lambda ports: ports.psp_gateway
)
RECONCILIATION = Service(
    "reconciliation service",
    "VEZNE_CLI_RECONCILIATION_TARGET",
    lambda ports: ports.reconciliation,
)


class _PagedRequest(Protocol):
    page_size: int
    page_token: str


class _PagedResponse(Protocol):
    next_page_token: str


def target_of(service: Service) -> str:
    """Return where a service is: as its variable says, else the stack here, else its own port."""
    named = os.environ.get(service.variable)
    if named:
        return named
    manifest = read_manifest(environment.data_folder())
    return address(service.port(manifest.ports if manifest else Ports()))


def talk(
    service: Service, conversation: Callable[[grpc.aio.Channel], Coroutine[Any, Any, Result]]
) -> Result:
    """Open a channel to a service for a conversation of several calls.

    Raises:
        Failure: something was refused, or the service is not there.
    """

    async def call() -> Result:
        async with _channel(service) as channel:
            return await conversation(channel)

    try:
        return asyncio.run(call())
    except grpc.aio.AioRpcError as error:
        raise failure_of_call(service, from_rpc_error(error)) from error


def ask(service: Service, method: Unary[Request, Response], request: Request) -> Response:
    """Call a method once.

    Raises:
        Failure: as `talk`.
    """

    async def conversation(channel: grpc.aio.Channel) -> Response:
        return await method(channel)(request)

    return talk(service, conversation)


def ask_pages(
    service: Service,
    method: Unary[Request, Response],
    request: Request,
    items: Callable[[Response], Sequence[Item]],
    limit: int,
) -> list[Item]:
    """Call a list method page by page until there is no more, or `limit` items.

    Raises:
        Failure: as `talk`; there is no such tenant.
    """

    async def conversation(channel: grpc.aio.Channel) -> list[Item]:
        found: list[Item] = []
        asked = cast("_PagedRequest", request)
        while True:
            asked.page_size = min(limit - len(found), _PAGE_MAX)
            response = await method(channel)(request)
            found += items(response)
            asked.page_token = cast("_PagedResponse", response).next_page_token
            if not asked.page_token or len(found) >= limit:
                return found[:limit]

    found = talk(service, conversation)
    tenant_id = getattr(request, "tenant_id", "")
    if not found and tenant_id and service is not LEDGER:
        _check_tenant(tenant_id)
    return found


def _check_tenant(tenant_id: str) -> None:
    """Refuse a tenant that is not there: only the ledger knows, and elsewhere it has just nothing.

    A ledger that is away says nothing about it.

    Raises:
        Failure: there is no such tenant.
    """

    async def cut(channel: grpc.aio.Channel) -> None:
        await JournalServiceStub(channel).GetCut(GetCutRequest(tenant_id=tenant_id))

    try:
        talk(LEDGER, cut)
    except Failure as failure:
        if failure.reason == "TENANT_NOT_FOUND":
            raise


def follow(
    service: Service,
    method: Streaming[Request, Response],
    request: Request,
    each: Callable[[Response], None],
) -> None:
    """Call a streaming method and give each message to `each`, until the stream ends.

    The method begins with how things stand, so that a stream that breaks off can be asked for anew.

    Raises:
        Failure: as `talk`.
    """

    async def conversation(channel: grpc.aio.Channel) -> None:
        while True:
            heard = False
            try:
                async for response in method(channel)(request):
                    heard = True
                    each(response)
            except grpc.aio.AioRpcError as error:
                # Servers ask their callers to connect anew now and then, and are restarted.
                if not heard or error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            else:
                return

    talk(service, conversation)


def ask_until(
    service: Service,
    method: Unary[Request, Response],
    request: Request,
    is_over: Callable[[Response], bool],
) -> None:
    """Call a reading method again and again until its answer is the last.

    Raises:
        Failure: as `talk`; a service that was there may be away for a minute, to be restarted.
    """

    async def conversation(channel: grpc.aio.Channel) -> None:
        pause_s, heard_at = _POLL_FIRST_S, 0.0
        while True:
            try:
                response = await method(channel)(request)
            except grpc.aio.AioRpcError as error:
                is_away = error.code() is grpc.StatusCode.UNAVAILABLE
                if not heard_at or not is_away or time.monotonic() - heard_at > _AWAY_MAX_S:
                    raise
            else:
                heard_at = time.monotonic()
                if is_over(response):
                    return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _POLL_SLOWEST_S)

    talk(service, conversation)


def _channel(service: Service) -> grpc.aio.Channel:
    text = os.environ.get("VEZNE_CLI_TIMEOUT_S") or str(TIMEOUT_S)
    try:
        timeout_s = float(text)
        settings = GrpcClientSettings(target=target_of(service), timeout_s=timeout_s)
    except ValueError:
        raise wrong_use(f"VEZNE_CLI_TIMEOUT_S={text} is no number of seconds above 0") from None
    return open_channel(settings)


def failure_of_call(service: Service, error: RemoteError) -> Failure:
    """Return the failure that a service's answer, or its silence, is for whoever asked."""
    if not error.reason and error.code is grpc.StatusCode.UNAVAILABLE:
        return Failure(
            f"the {service.name} is not there: nothing answers at {target_of(service)}",
            ExitCode.NOT_THERE,
            f"start the stack with `vezne up`, or say where it is with {service.variable}",
        )
    if not error.reason and error.code is grpc.StatusCode.UNIMPLEMENTED:
        return Failure(
            f"what answers at {target_of(service)} is not the {service.name}, or an older one",
            ExitCode.NOT_THERE,
            f"say where it is with {service.variable}",
        )
    if not error.reason and error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Failure(
            f"the {service.name} at {target_of(service)} did not answer in time; "
            "whether it did what was asked is not known",
            ExitCode.NOT_THERE,
            "ask again with the same --request-id",
        )
    exit_code = _EXIT_CODES.get(error.code, ExitCode.REFUSED)
    known = f"vezne errors {error.reason} explains it" if error.reason else ""
    sentence = f"{error.message} ({error.reason or error.code.name})"
    return Failure(sentence, exit_code, known, error.reason)


_EXIT_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: ExitCode.WRONG_USE,
    grpc.StatusCode.UNAVAILABLE: ExitCode.NOT_THERE,
}
