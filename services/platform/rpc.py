"""What surrounds every RPC, in one visible order: logging, metrics, errors, deadline, checks.

(Authentication takes its place between the deadline and the checks.)
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast
from uuid import uuid4

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status
from prometheus_client import Counter, Gauge, Histogram

from services.kernel.errors import Category, DomainError
from services.platform import validation
from services.platform.errors import CODES, to_status

# Quoted: grpc's classes take parameters in the stubs only.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
"""What handlers annotate their context with; the generated types are not covariant."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"

DEADLINE: ContextVar[float | None] = ContextVar("deadline", default=None)
"""The event loop's time by which the RPC in progress must answer; client calls inherit it."""

TRACEPARENT: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The W3C trace context that the RPC in progress came with; client calls pass it on as it is."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace_id>[0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

# A caller gives up at his deadline a little before it is reached here.
_DEADLINE_SLACK_S = 0.05

HANDLED = Counter(
    "grpc_server_handled_total", "RPCs that ended, by code.", ["grpc_method", "grpc_code"]
)
SECONDS = Histogram(
    "grpc_server_handling_seconds",
    "How long RPCs took, in seconds.",
    ["grpc_method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
IN_PROGRESS = Gauge("grpc_server_in_progress", "RPCs in progress.", ["grpc_method"])

log = structlog.get_logger("vezne.rpc")


@dataclass(frozen=True, slots=True)
class RpcPolicy:
    """How the RPCs of a service are treated.

    Args:
        domain: the ErrorInfo domain, such as `ledger.vezne`.
        default_deadline_s: for a unary RPC whose caller set none.
        max_deadline_s: the longest that a unary RPC may take.
        reads: methods by their short names (`GetAccount`) that change nothing, and so may hold
            fields that this release does not know.
        own_shape: methods that check their request's shape themselves, because the general check is
            too dear for them.
    """

    domain: str
    default_deadline_s: float
    max_deadline_s: float
    reads: Callable[[str], bool] = field(
        default=lambda name: name.startswith(("Get", "List", "Export", "Watch", "Stream"))
    )
    own_shape: Collection[str] = ()


class RpcInterceptor(grpc.aio.ServerInterceptor):
    """Surrounds each handler once; a method's surrounded handler is kept."""

    def __init__(self, policy: RpcPolicy) -> None:
        self._policy = policy
        self._kept: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        method = handler_call_details.method
        kept = self._kept.get(method)
        if kept is not None:
            return kept
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith("/vezne."):
            return handler
        surrounded = _surround(handler, method, self._policy)
        self._kept[method] = surrounded
        return surrounded


def _surround(
    handler: "grpc.RpcMethodHandler[Any, Any]", method: str, policy: RpcPolicy
) -> "grpc.RpcMethodHandler[Any, Any]":
    """Return the handler with all that surrounds an RPC around it."""
    check = _checks(method.rpartition("/")[2], policy)
    rpc = _Rpc(method, policy)
    read = _reader(cast("Callable[[bytes], Message]", handler.request_deserializer))
    if not handler.request_streaming and not handler.response_streaming:
        # The stubs know a handler as its synchronous kind only.
        behaviour = cast("Callable[[Message, Context], Awaitable[Message]]", handler.unary_unary)

        async def unary(request: Message, context: Context) -> Message:
            async with (
                rpc.logged(request, context),
                rpc.counted(context),
                rpc.refused(context),
                rpc.limited_in_time(context),
            ):
                check(request)
                return await behaviour(request, context)

        return grpc.unary_unary_rpc_method_handler(unary, read, handler.response_serializer)
    if not handler.request_streaming:
        streaming = cast(
            "Callable[[Message, Context], AsyncIterator[Message]]", handler.unary_stream
        )

        async def stream(request: Message, context: Context) -> AsyncIterator[Message]:
            async with (
                rpc.logged(request, context),
                rpc.counted(context),
                rpc.refused(context),
            ):
                check(request)
                async for response in streaming(request, context):
                    yield response

        return grpc.unary_stream_rpc_method_handler(stream, read, handler.response_serializer)
    raise NotImplementedError(f"{method} streams requests, which nothing of ours does")


def _reader(deserialize: Callable[[bytes], Message]) -> Callable[[bytes], Message | DecodeError]:
    """Return a deserializer that hands a failure on, to be refused like any other wrong request.

    gRPC itself would answer UNKNOWN with the exception's text.
    """

    def read(raw: bytes) -> Message | DecodeError:
        try:
            return deserialize(raw)
        except DecodeError as error:
            return error

    return read


def _checks(name: str, policy: RpcPolicy) -> Callable[[Message | DecodeError], None]:
    """Return the check of a method's request: shape, and unknown fields of a mutation.

    Shape is answered first (the order of reasons in the contracts), so where there are unknown
    fields it is looked at even for a method that checks its shape itself, later.
    """
    mutates = not policy.reads(name)
    checks_shape = name not in policy.own_shape

    def check(request: Message | DecodeError) -> None:
        if isinstance(request, DecodeError):
            raise DomainError(
                "INVALID_REQUEST",
                Category.SHAPE,
                "The bytes are no request of this method; texts must be UTF-8",
            )
        unknown = mutates and validation.has_unknown_fields(request)
        if (checks_shape or unknown) and (violations := validation.shape_violations(request)):
            raise DomainError(
                "INVALID_REQUEST",
                Category.SHAPE,
                f"{violations[0].field}: {violations[0].description}",
                violations=violations,
            )
        if unknown:
            raise DomainError(
                "UNKNOWN_FIELD",
                Category.SHAPE,
                "The request holds a field that this release does not know; nothing was done",
            )

    return check


class _Rpc:
    """The surroundings of one method."""

    def __init__(self, method: str, policy: RpcPolicy) -> None:
        self._method = method
        self._policy = policy
        self._seconds = SECONDS.labels(method)
        self._in_progress = IN_PROGRESS.labels(method)

    @asynccontextmanager
    async def logged(self, request: Message, context: Context) -> AsyncIterator[None]:
        """Bind what every log line of this RPC says. Each RPC is a task of its own."""
        structlog.contextvars.bind_contextvars(
            method=self._method,
            tenant=getattr(request, "tenant_id", ""),
            request_id=getattr(request, "request_id", ""),
        )
        for key, value in context.invocation_metadata() or ():
            if key == "traceparent" and (trace := _TRACEPARENT.fullmatch(str(value))):
                TRACEPARENT.set(trace.group())
                structlog.contextvars.bind_contextvars(trace_id=trace["trace_id"])
        yield

    @asynccontextmanager
    async def counted(self, context: Context) -> AsyncIterator[None]:
        """Measure the RPC, and count and tell how it ended."""
        started = time.perf_counter()
        code = grpc.StatusCode.OK
        self._in_progress.inc()
        try:
            yield
        except asyncio.CancelledError:
            code = _why_cancelled(context)
            raise
        except BaseException:
            # The stubs do not say that the code is None until it is set.
            code = cast("grpc.StatusCode | None", context.code()) or grpc.StatusCode.UNKNOWN
            raise
        finally:
            seconds = time.perf_counter() - started
            self._in_progress.dec()
            HANDLED.labels(self._method, code.name).inc()
            self._seconds.observe(seconds)
            # Not at info: a line for every posting would cost as much as the posting.
            log.debug("rpc_ended", code=code.name, duration_s=round(seconds, 6))

    @asynccontextmanager
    async def refused(self, context: Context) -> AsyncIterator[None]:
        """Turn a failure into a status; nothing unexpected reaches a client as text."""
        try:
            yield
        except DomainError as error:
            if error.category in {Category.INTERNAL, Category.UNAVAILABLE}:
                log.warning("rpc_failed", reason=error.reason, message=error.message)
            await self._abort(context, error)
        except (grpc.aio.AbortError, asyncio.CancelledError):
            raise
        except Exception:
            incident = uuid4().hex[:12]
            log.exception("rpc_crashed", incident=incident)
            await self._abort(
                context,
                DomainError(
                    "INTERNAL",
                    Category.INTERNAL,
                    f"An internal error; the incident {incident} is in the log",
                    {"incident": incident},
                ),
            )

    async def _abort(self, context: Context, error: DomainError) -> None:
        status = rpc_status.to_status(to_status(error, self._policy.domain))
        # Not abort_with_status: tracing reads the code from the context, which only abort sets.
        await context.abort(CODES[error.category], status.details, status.trailing_metadata)

    @asynccontextmanager
    async def limited_in_time(self, context: Context) -> AsyncIterator[None]:
        """Hold the RPC to its caller's deadline, or to ours where he set none or too long a one."""
        remaining = cast("float | None", context.time_remaining())
        if remaining is not None and remaining <= self._policy.max_deadline_s:
            # gRPC itself cancels the handler then.
            DEADLINE.set(asyncio.get_running_loop().time() + remaining)
            yield
            return
        limit_s = (
            self._policy.default_deadline_s if remaining is None else self._policy.max_deadline_s
        )
        DEADLINE.set(asyncio.get_running_loop().time() + limit_s)
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError as error:
            raise DomainError(
                "DEADLINE_EXCEEDED",
                Category.DEADLINE,
                f"Not done within {limit_s:g} s; ask again with the same request id",
            ) from error


def _why_cancelled(context: Context) -> grpc.StatusCode:
    """Tell a caller whose deadline has passed from one who left; gRPC cancels the handler alike."""
    remaining = cast("float | None", context.time_remaining())
    if remaining is not None and remaining <= _DEADLINE_SLACK_S:
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED
