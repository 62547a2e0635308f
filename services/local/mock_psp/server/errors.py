"""Errors as JSON: `{"error": {"type": ..., "code": ..., "message": ...}}`."""

import logging
from collections.abc import Mapping

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.kernel.errors import Category, DomainError

_LOG = logging.getLogger("vezne.mock_psp")

_BY_CATEGORY: Mapping[Category, tuple[int, str]] = {
    Category.SHAPE: (400, "invalid_request_error"),
    Category.NOT_FOUND: (404, "invalid_request_error"),
    Category.CONFLICT: (409, "idempotency_error"),
    Category.STATE: (422, "refusal"),
    Category.LIMIT: (429, "rate_limit_error"),
    Category.UNAVAILABLE: (503, "api_error"),
}


class AuthenticationError(Exception):
    """The bearer token is missing or nobody's."""


def error_response(
    status_code: int,
    error_type: str,
    code: str,
    message: str,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an error in the API's shape."""
    body = {"error": {"type": error_type, "code": code, "message": message}}
    return JSONResponse(body, status_code, headers)


def refused(error: DomainError) -> JSONResponse:
    """Return an expected failure; its code is the reason in lower case."""
    status_code, error_type = _BY_CATEGORY[error.category]
    return error_response(status_code, error_type, error.reason.lower(), error.message)


def malformed(error: ValidationError) -> JSONResponse:
    """Return what is wrong with a body, field by field."""
    faults = [
        f"{'.'.join(str(part) for part in one['loc']) or 'body'}: {one['msg']}"
        for one in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return error_response(400, "invalid_request_error", "body_invalid", "; ".join(faults))


async def on_error(_request: Request, error: Exception) -> Response:
    """Answer any exception of a handler."""
    match error:
        case DomainError():
            return refused(error)
        case ValidationError():
            return malformed(error)
        case AuthenticationError():
            return error_response(
                401, "authentication_error", "token_invalid", "The bearer token is not known"
            )
        case _:
            _LOG.error("A request failed unexpectedly", exc_info=error)
            return error_response(500, "api_error", "internal", "Something went wrong here")
