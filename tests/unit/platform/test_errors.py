"""Failures to gRPC and back: every category has its code, and nothing is lost on the way."""

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

from services.kernel.errors import Category, DomainError, Violation
from services.platform.errors import CODES, RemoteError, code_number, to_status


def test_every_category_has_one_code() -> None:
    """No category is without a code, and no two mean the same to a client."""
    assert set(CODES) == set(Category)
    assert len(set(CODES.values())) == len(CODES)
    assert grpc.StatusCode.UNKNOWN not in CODES.values()
    assert grpc.StatusCode.OK not in CODES.values()


@pytest.mark.parametrize(
    ("category", "number"),
    [
        (Category.SHAPE, 3),
        (Category.NOT_FOUND, 5),
        (Category.CONFLICT, 6),
        (Category.STATE, 9),
        (Category.LIMIT, 8),
        (Category.RETRY_WHOLE, 10),
        (Category.RANGE, 11),
        (Category.NOT_IMPLEMENTED, 12),
        (Category.INTERNAL, 13),
        (Category.UNAVAILABLE, 14),
        (Category.DEADLINE, 4),
    ],
)
def test_codes_are_those_of_the_documents(category: Category, number: int) -> None:
    """What clients were promised: shape 3, state 9, a reused id 6, and so on."""
    assert code_number(category) == number


def test_a_status_carries_reason_domain_metadata_and_fields() -> None:
    """ErrorInfo always, BadRequest where fields are wrong."""
    error = DomainError(
        "SOME_REASON",
        Category.SHAPE,
        "A sentence",
        {"key": "value"},
        [Violation("items[3].kind", "must be there")],
    )
    status = to_status(error, "ledger.vezne")
    info, wrong = ErrorInfo(), BadRequest()
    status.details[0].Unpack(info)
    status.details[1].Unpack(wrong)

    assert (status.code, status.message) == (3, "A sentence")
    assert (info.reason, info.domain, dict(info.metadata)) == (
        "SOME_REASON",
        "ledger.vezne",
        {"key": "value"},
    )
    assert [(one.field, one.description) for one in wrong.field_violations] == [
        ("items[3].kind", "must be there")
    ]


def test_a_failure_of_state_has_no_fields() -> None:
    """Without violations there is no BadRequest."""
    status = to_status(DomainError("R", Category.STATE, "No"), "ledger.vezne")

    assert len(status.details) == 1


@pytest.mark.parametrize(
    ("code", "again"),
    [
        (grpc.StatusCode.UNAVAILABLE, True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, True),
        (grpc.StatusCode.INTERNAL, True),
        (grpc.StatusCode.FAILED_PRECONDITION, False),
        (grpc.StatusCode.INVALID_ARGUMENT, False),
        (grpc.StatusCode.ALREADY_EXISTS, False),
        (grpc.StatusCode.NOT_FOUND, False),
        (grpc.StatusCode.UNIMPLEMENTED, False),
    ],
)
def test_a_final_refusal_is_not_retried(code: grpc.StatusCode, again: bool) -> None:
    """Business refusals are final; what says nothing of the outcome may be asked again."""
    assert RemoteError(code, "R", "", {}).may_be_retried is again
