"""What a failure of the driver says: the connection is gone, the database is busy, or neither."""

import asyncpg
import pytest
from asyncpg.exceptions import _base
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services.platform.database import async_url, is_lost, is_unavailable

LOST = [
    ConnectionRefusedError(),
    FileNotFoundError("no socket"),
    TimeoutError(),
    asyncpg.ConnectionDoesNotExistError(),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
    asyncpg.CannotConnectNowError(),
    asyncpg.AdminShutdownError(),
    asyncpg.CrashShutdownError(),
    asyncpg.InvalidPasswordError(),
    asyncpg.InvalidCatalogNameError(),
    asyncpg.ReadOnlySQLTransactionError(),
]
BUSY = [
    PoolTimeoutError(),
    asyncpg.QueryCanceledError(),
    asyncpg.LockNotAvailableError(),
    asyncpg.TooManyConnectionsError(),
    asyncpg.DiskFullError(),
]
# A bug, or a statement that is to blame itself: retrying it elsewhere cannot help.
NEITHER = [
    _base.DataError("invalid input for query argument $1: value out of int64 range"),
    asyncpg.UniqueViolationError(),
    asyncpg.CheckViolationError(),
    asyncpg.UndefinedTableError(),
    asyncpg.CharacterNotInRepertoireError(),
    asyncpg.RestrictViolationError(),
    ValueError(),
    KeyError(),
]


def wrapped(error: BaseException) -> DBAPIError:
    """The failure as SQLAlchemy raises it: around its own, around the driver's."""
    own = Exception("SQLAlchemy's")
    own.__cause__ = error
    return DBAPIError("SELECT 1", {}, own)


@pytest.mark.parametrize(
    ("errors", "lost", "unavailable"),
    [(LOST, True, True), (BUSY, False, True), (NEITHER, False, False)],
    ids=["lost", "busy", "neither"],
)
def test_a_failure_is_what_it_is(
    errors: list[BaseException], lost: bool, unavailable: bool
) -> None:
    """By itself and inside SQLAlchemy's error alike; a statement's own fault is never an outage."""
    for error in errors:
        for found in (error, wrapped(error)):
            assert is_lost(found) is lost, repr(error)
            assert is_unavailable(found) is unavailable, repr(error)


def test_a_url_names_its_driver_once() -> None:
    """The operator writes postgresql://, SQLAlchemy needs the driver's name."""
    assert async_url("postgresql://u@h/d") == "postgresql+asyncpg://u@h/d"
    assert async_url("postgresql+asyncpg://u@h/d") == "postgresql+asyncpg://u@h/d"
