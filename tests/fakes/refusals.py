"""What a client reads of a failed call."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status


@dataclass(frozen=True)
class Refusal:
    """A failed call: its code, its ErrorInfo, and the fields of its BadRequest."""

    code: grpc.StatusCode
    message: str
    reason: str
    domain: str
    metadata: Mapping[str, str]
    fields: tuple[str, ...]


def read(error: grpc.aio.AioRpcError) -> Refusal:
    """Read a failed call's details."""
    info, wrong = ErrorInfo(), BadRequest()
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # It has what is read.
    for detail in status.details if status else ():
        detail.Unpack(info)
        detail.Unpack(wrong)
    return Refusal(
        error.code(),
        error.details() or "",
        info.reason,
        info.domain,
        dict(info.metadata),
        tuple(violation.field for violation in wrong.field_violations),
    )


async def refusal(call: Awaitable[Any]) -> Refusal:
    """Await a call that must fail, and return how."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return read(error.value)
