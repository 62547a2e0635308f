"""Failures to gRPC and back: the one place that knows both our categories and gRPC's codes.

Every error that a client sees carries a `google.rpc.ErrorInfo` (reason, domain, metadata), and a
`BadRequest` where fields are wrong (AIP-193).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from services.kernel.errors import Category, DomainError

CODES: Mapping[Category, grpc.StatusCode] = {
    Category.SHAPE: grpc.StatusCode.INVALID_ARGUMENT,
    Category.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Category.CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    Category.STATE: grpc.StatusCode.FAILED_PRECONDITION,
    Category.RANGE: grpc.StatusCode.OUT_OF_RANGE,
    Category.LIMIT: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Category.RETRY_WHOLE: grpc.StatusCode.ABORTED,
    Category.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Category.DEADLINE: grpc.StatusCode.DEADLINE_EXCEEDED,
    Category.NOT_IMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
    Category.INTERNAL: grpc.StatusCode.INTERNAL,
}


def code_number(category: Category) -> int:
    """Return the `google.rpc.Code` of a category, for refusals inside a response."""
    return int(CODES[category].value[0])


def to_status(error: DomainError, domain: str) -> Status:
    """Return the rich status of a failure; `domain` is the service's, such as `ledger.vezne`."""
    details = [_packed(ErrorInfo(reason=error.reason, domain=domain, metadata=error.metadata))]
    if error.violations:
        details.append(
            _packed(
                BadRequest(
                    field_violations=[
                        BadRequest.FieldViolation(
                            field=violation.field, description=violation.description
                        )
                        for violation in error.violations
                    ]
                )
            )
        )
    return Status(code=code_number(error.category), message=error.message, details=details)


def _packed(detail: ErrorInfo | BadRequest) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed


# Not frozen: Python itself sets the traceback of an exception that passes a context manager.
@dataclass(eq=False)
class RemoteError(Exception):
    """What another service answered instead of a response.

    `reason` is empty if the failure did not come from a service of ours (a broken connection, say).
    """

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: Mapping[str, str]
    violations: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.reason or self.code.name}: {self.message}"

    @property
    def may_be_retried(self) -> bool:
        """Whether the same request, with the same request id, may yet succeed."""
        return self.code in {
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            grpc.StatusCode.ABORTED,
            grpc.StatusCode.CANCELLED,
            grpc.StatusCode.UNKNOWN,
            grpc.StatusCode.INTERNAL,
        }


def from_rpc_error(error: grpc.aio.AioRpcError) -> RemoteError:
    """Read a failed call: the reason where the other side gave one."""
    info, violations = ErrorInfo(), BadRequest()
    # An AioRpcError has what from_call reads; the stubs ask for the synchronous kind.
    status = rpc_status.from_call(cast("grpc.Call", error))
    for detail in status.details if status else ():
        if detail.Is(ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(BadRequest.DESCRIPTOR):
            detail.Unpack(violations)
    return RemoteError(
        code=error.code(),
        reason=info.reason,
        message=error.details() or Code.Name(error.code().value[0]),
        metadata=dict(info.metadata),
        violations=tuple(
            (violation.field, violation.description) for violation in violations.field_violations
        ),
    )
