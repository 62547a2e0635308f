"""Logs: structlog; JSON where machines read and pretty on a terminal; secrets never appear."""

import logging
import re
import sys
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from services.platform.settings import LogSettings

REDACTED = "[redacted]"
_SECRET_KEY = re.compile(
    r"(secret|password|passwd|token|authorization|api_?key|private_?key|signature|cookie|dsn)",
    re.IGNORECASE,
)
_PERSONAL_KEY = re.compile(r"^(email|phone|iban|card_number|full_name|address|birth_date)$")
_URL_PASSWORD = re.compile(r"(?P<scheme>[a-z+]+://[^:/@\s]*):[^/\s]+@")
# What PostgreSQL says of a row that it refuses: the row.
_ROW = re.compile(r"(?P<label>\bDETAIL: ).*")
_KEYED_SECRET = re.compile(r"\b(whsec_|whsk_|sk_|Bearer\s+)[A-Za-z0-9+/=_.-]{6,}")


def redact(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Replace secrets and personal data in an event, at any depth and inside texts."""
    return {key: _redact(key, value) for key, value in event.items()}


def _redact(key: str, value: Any) -> Any:
    if _SECRET_KEY.search(key) or _PERSONAL_KEY.search(key):
        return REDACTED
    if isinstance(value, str):
        value = _URL_PASSWORD.sub(rf"\g<scheme>:{REDACTED}@", value)
        return _KEYED_SECRET.sub(REDACTED, _ROW.sub(rf"\g<label>{REDACTED}", value))
    if isinstance(value, dict):
        return {str(inner): _redact(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact("", item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    # Whatever else it is, an exception say, is logged as its text, which may hold a secret.
    return _redact("", str(value))


def configure(settings: LogSettings, service: str) -> None:
    """Set up structlog and the standard library's logging for this process.

    Call once, in a composition root. Every event carries the service's name.
    """
    level = getattr(logging, settings.level.upper())
    pretty = settings.format == "pretty" or (settings.format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(service),
    ]
    # Failures become text before secrets are looked for, so that theirs are found too.
    final: list[Processor] = [
        structlog.processors.format_exc_info,
        redact,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if pretty
        else structlog.processors.JSONRenderer(serializer=_json),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _named(service: str) -> Processor:
    def add(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add


def _json(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
