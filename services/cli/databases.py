"""Databases of services as their owners see them: where they are, and how their tables stand."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.local.postgres import LocalPostgres
from services.local.stack import DATABASE
from services.platform.database import (
    DatabaseUnavailableError,
    DatabaseUnfitError,
    async_url,
    sentence_of,
)
from services.platform.migrations import SERVICES, current, head

__all__ = ["SERVICES", "Tables", "owner_url_of", "shown", "tables_of", "variable_of"]

FAILURES = (
    OSError,
    asyncpg.PostgresError,
    DBAPIError,
    DatabaseUnavailableError,
    DatabaseUnfitError,
)
"""What a database that is away, lets nobody in, or is another release's, raises."""


class Tables(StrEnum):
    """How a service's tables stand."""

    CURRENT = "current"
    OLD = "another release's"
    NONE = "not migrated"
    UNREACHABLE = "unreachable"


def variable_of(service: str) -> str:
    """Return the variable that says where a service's database is."""
    return f"VEZNE_{service.upper()}_DATABASE__URL"


def owner_url_of(service: str, stack_folder: Path | None, environ: Mapping[str, str]) -> str | None:
    """Return where a service's database is, or None if nothing says so.

    Args:
        service: such as `ledger`.
        stack_folder: of a stack that runs here, if one does.
        environ: the environment, which goes first.
    """
    named = environ.get(variable_of(service))
    if named:
        return named
    if stack_folder is None:
        return None
    return LocalPostgres(stack_folder / "postgres").url(DATABASE)


async def tables_of(service: str, url: str) -> tuple[Tables, str]:
    """Return how a service's tables stand, and the revision or what is wrong."""
    engine = create_async_engine(async_url(url), poolclass=NullPool)
    try:
        found = await current(engine, service)
    except FAILURES as error:
        return Tables.UNREACHABLE, sentence_of(error)
    finally:
        await engine.dispose()
    if found is None:
        return Tables.NONE, ""
    return (Tables.CURRENT if found == head(service) else Tables.OLD), f"revision {found}"


def shown(url: str) -> str:
    """Return a database's URL without its password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    where = host or parts.query.removeprefix("host=")
    return f"{where}{parts.path}"
