"""PostgreSQL: the engine, the unit of work, and what a lost database looks like."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import asyncpg
import orjson
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.kernel.invariant import present
from services.platform.failures import CannotRunError
from services.platform.settings import DatabaseSettings

VERSION_MIN = 15
_DURABLE = {"on", "local", "remote_write", "remote_apply"}


class DatabaseUnavailableError(CannotRunError):
    """The database cannot be reached, or was lost; what was in progress has an unknown outcome."""


class DatabaseUnfitError(CannotRunError):
    """The database is there and cannot be used: the message says why and what to do."""


def async_url(url: str) -> str:
    """Return a `postgresql://` URL as SQLAlchemy names the asyncpg driver."""
    return url.replace("postgresql://", "postgresql+asyncpg://", 1)


def create_engine(settings: DatabaseSettings, application_name: str) -> AsyncEngine:
    """Create the engine of a process; every limit is set here, none is left to a default."""
    engine = create_async_engine(
        async_url(settings.url.get_secret_value()),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.pool_timeout_s,
        pool_recycle=1800,
        isolation_level="READ COMMITTED",
        json_deserializer=orjson.loads,
        # A failure is logged with its text, which would else hold the values of the statement.
        hide_parameters=True,
        connect_args={
            "timeout": settings.pool_timeout_s,
            "command_timeout": settings.statement_timeout_s + 5,
            "server_settings": {
                "application_name": application_name,
                "statement_timeout": _ms(settings.statement_timeout_s),
                "lock_timeout": _ms(settings.lock_timeout_s),
                "idle_in_transaction_session_timeout": _ms(2 * settings.statement_timeout_s),
                "timezone": "UTC",
            },
        },
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Let the pool replace a connection that was lost while it lay idle.

    The driver knows without asking the server, so that after a restart no caller is failed for a
    connection that somebody used before, and a checkout costs nothing.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _ms(seconds: float) -> str:
    return str(int(seconds * 1000))


class UnitOfWork:
    """One database transaction: what is not committed when the block ends is rolled back.

    It is begun by the first statement on `connection`, or by `driver` if that comes first.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None
        self._drivers_own: asyncpg.transaction.Transaction | None = None

    @property
    def connection(self) -> AsyncConnection:
        """The connection; only inside the block."""
        return present(self._connection, "a unit of work is used inside its block")

    async def driver(self) -> asyncpg.Connection:
        """Return asyncpg's own connection, in the transaction: for COPY, or for all of the work.

        Work that begins with it uses nothing but it.
        """
        driver = await _driver_of(self.connection)
        if not driver.is_in_transaction():
            self._drivers_own = driver.transaction()
            await self._drivers_own.start()
        return driver

    async def commit(self) -> None:
        """Make it durable."""
        if self._drivers_own is None:
            await self.connection.commit()
        else:
            await self._end(self._drivers_own.commit())

    async def __aenter__(self) -> Self:
        self._connection = await self._engine.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and is_lost(error):
            # A dead connection has nothing to roll back, and nobody else should get it.
            await self.connection.invalidate()
        try:
            if self._drivers_own is not None and not self.connection.invalidated:
                await self._end(self._drivers_own.rollback())
        finally:
            # Closing rolls back what else was not committed, and gives the connection back to the
            # pool.
            await self.connection.close()

    async def _end(self, ending: Coroutine[Any, Any, None]) -> None:
        """End the driver's own transaction."""
        self._drivers_own = None
        try:
            await ending
        except BaseException:
            # Whether it has ended nobody knows, so nobody else should get the connection.
            await self.connection.invalidate()
            raise


async def _driver_of(connection: AsyncConnection) -> asyncpg.Connection:
    raw = await connection.get_raw_connection()
    return raw.driver_connection


@asynccontextmanager
async def unit_of_work(engine: AsyncEngine) -> AsyncIterator[UnitOfWork]:
    """Open a unit of work.

    Raises:
        DatabaseUnavailableError: the database cannot be reached or was lost inside the block.
    """
    try:
        async with UnitOfWork(engine) as work:
            yield work
    except DatabaseUnavailableError:
        raise
    except Exception as error:
        if not is_unavailable(error):
            raise
        raise DatabaseUnavailableError(sentence_of(error)) from error


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """Open asyncpg's own connection outside any transaction: each statement is one of its own.

    Raises:
        DatabaseUnavailableError: as `unit_of_work`.
    """
    async with unit_of_work(engine) as work:
        yield await _driver_of(work.connection)


def is_lost(error: BaseException) -> bool:
    """Whether the failure says that the connection is gone, or could not be made."""
    cause = driver_error(error)
    # The driver's ValueErrors are about the values of a statement, which is then to blame itself.
    return isinstance(
        cause,
        OSError
        | asyncpg.PostgresConnectionError
        | asyncpg.InterfaceError
        | asyncpg.CannotConnectNowError
        | asyncpg.AdminShutdownError
        | asyncpg.CrashShutdownError
        # What the driver says of a backend that was ended between two statements.
        | asyncpg.InternalClientError
        # A password that was changed, a database that is away: connecting anew may help.
        | asyncpg.InvalidAuthorizationSpecificationError
        | asyncpg.InvalidCatalogNameError
        # The server became a standby; its successor is found by connecting anew.
        | asyncpg.ReadOnlySQLTransactionError,
    ) and not isinstance(cause, ValueError)


def is_unavailable(error: BaseException) -> bool:
    """Whether the failure says that the database is away or busy, not that a statement is wrong."""
    return is_lost(error) or isinstance(
        driver_error(error),
        PoolTimeoutError
        | TimeoutError
        | asyncpg.QueryCanceledError
        | asyncpg.InsufficientResourcesError
        | asyncpg.LockNotAvailableError,
    )


def driver_error(error: BaseException) -> BaseException:
    """Return asyncpg's error behind SQLAlchemy's, or the error itself."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def sentence_of(error: BaseException) -> str:
    """Return the first line of what the driver says, or the failure's name if it says nothing."""
    first = str(driver_error(error)).strip().splitlines()
    return first[0] if first else type(driver_error(error)).__name__


async def ping(engine: AsyncEngine) -> None:
    """Raise unless the database answers."""
    async with unit_of_work(engine) as work:
        await work.connection.execute(text("SELECT 1"))


async def check_fit(engine: AsyncEngine) -> None:
    """Check what a service relies on: the version, and that a commit is durable when it returns.

    Raises:
        DatabaseUnfitError: it is too old, or commits are not durable.
        DatabaseUnavailableError: it cannot be reached.
    """
    async with unit_of_work(engine) as work:
        row = (
            await work.connection.execute(
                text(
                    "SELECT current_setting('server_version_num')::int / 10000,"
                    " current_setting('synchronous_commit'), current_setting('fsync')"
                )
            )
        ).one()
    version, synchronous_commit, fsync = row
    if version < VERSION_MIN:
        raise DatabaseUnfitError(
            f"PostgreSQL {VERSION_MIN} or newer is needed, and this server is {version}"
        )
    if synchronous_commit not in _DURABLE or fsync != "on":
        raise DatabaseUnfitError(
            f"commits are not durable here (synchronous_commit={synchronous_commit}, fsync={fsync})"
            "; set both to on"
        )
