"""Calls of other services: their refusals in our words."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from services.kernel.clock import from_micros
from services.platform.errors import from_rpc_error
from services.reconciliation.application.ports import UnavailableError
from services.reconciliation.domain.reasons import Reason, ReconciliationError

if TYPE_CHECKING:
    from grpc.aio import UnaryStreamCall

Request = TypeVar("Request")
Response = TypeVar("Response")

# What another service refuses for these reasons, we refuse as well.
_SHARED = {Reason.TENANT_NOT_FOUND, Reason.PROVIDER_ACCOUNT_NOT_FOUND}


@contextmanager
def calling(service: str) -> Iterator[None]:
    """Turn what a call fails with into a refusal of ours.

    Raises:
        UnavailableError: the service is not there, or may answer if it is asked again.
        ReconciliationError: a reason that both services know.
        RemoteError: anything else, which the caller knows or nobody expected.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        remote = from_rpc_error(error)
        if remote.may_be_retried:
            raise UnavailableError(service) from error
        if remote.reason in _SHARED:
            raise ReconciliationError(
                Reason(remote.reason), remote.message, **remote.metadata
            ) from error
        raise remote from error


async def streamed(
    service: str, call: "UnaryStreamCall[Request, Response]"
) -> AsyncIterator[Response]:
    """Yield the messages of a stream; it fails as `calling` does. Left early, it is cancelled."""
    try:
        with calling(service):
            async for message in call:
                yield message
    finally:
        call.cancel()


def moment(timestamp: Timestamp) -> datetime:
    """Return a timestamp as a moment in UTC, to the microsecond."""
    return from_micros(timestamp.seconds * 1_000_000 + timestamp.nanos // 1_000)
