"""The one place that opens DuckDB: bounded, offline, and interruptible from outside."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import duckdb

_POLL_S = 0.05


class RunCancelledError(Exception):
    """The run was cancelled while the engine worked; nothing that it was writing is complete."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What one step may use. Past the memory it spills to disk, up to `disk_mb`."""

    threads: int = 2
    memory_mb: int = 512
    disk_mb: int = 20_000


class Engine:
    """A DuckDB connection that runs SQL text and stops when it is told to."""

    version = f"duckdb {duckdb.__version__}"

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, work: Path, cancelled: threading.Event | None
    ) -> None:
        self._connection = connection
        self._cancelled = cancelled
        self.work = work
        """A folder for what only this step needs."""

    def check(self) -> None:
        """Raise RunCancelledError if the run was cancelled."""
        if self._cancelled is not None and self._cancelled.is_set():
            raise RunCancelledError

    def run(self, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement with named parameters (`$name`) and return its rows."""
        self.check()
        try:
            return self._connection.execute(sql, parameters or None).fetchall()
        except duckdb.InterruptException as error:
            raise RunCancelledError from error

    def insert(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        """Put a few rows of rules into a table."""
        if rows:
            places = ", ".join(f"({', '.join('?' * len(row))})" for row in rows)
            values = [value for row in rows for value in row]
            self._connection.execute(f"INSERT INTO {table} VALUES {places}", values)  # noqa: S608 - our own table.

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Run one statement and yield its rows, a bounded number in memory.

        Nothing else may run on this engine before the last of them.
        """
        self.check()
        try:
            result = self._connection.execute(sql)
            while rows := result.fetchmany(10_000):
                yield from rows
        except duckdb.InterruptException as error:
            raise RunCancelledError from error

    def script(self, package: str, name: str, **names: str) -> None:
        """Run the statements of the resource `name` of `package`.

        `${name}` in the text stands for SQL text of ours: a table, a path made by `literal`.
        """
        text = Template(files(package).joinpath(name).read_text("utf-8")).substitute(names)
        for statement in self._connection.extract_statements(text):
            self.run(statement.query)


@contextmanager
def open_engine(
    work: Path, limits: EngineLimits, cancelled: threading.Event | None = None
) -> Iterator[Engine]:
    """Open an engine that keeps its temporary files in `work`, and close it.

    Once `cancelled` is set, the running query is interrupted and RunCancelledError raised.

    An engine serves one step: each names its tables as it likes. It never loads an extension from
    outside, and its time zone is UTC. Results do not depend on `limits`: every query that writes a
    file has a total order.
    """
    work.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": limits.threads,
            "memory_limit": f"{limits.memory_mb}MB",
            "temp_directory": str(work / "spill"),
            "max_temp_directory_size": f"{limits.disk_mb}MB",
            "preserve_insertion_order": True,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        },
    )
    engine = Engine(connection, work, cancelled)
    done = threading.Event()
    watcher = None
    if cancelled is not None:
        watcher = threading.Thread(
            target=_interrupt, args=(connection, cancelled, done), name="engine-watch", daemon=True
        )
        watcher.start()
    try:
        engine.run("SET TimeZone = 'UTC'")
        engine.run("SET lock_configuration = true")
        yield engine
    finally:
        done.set()
        if watcher is not None:
            watcher.join()
        connection.close()


def _interrupt(
    connection: duckdb.DuckDBPyConnection, cancelled: threading.Event, done: threading.Event
) -> None:
    while not done.wait(_POLL_S):
        if cancelled.is_set():
            # An interrupt between two statements is lost, so it is repeated until the step ends.
            connection.interrupt()


def literal(value: str | Path) -> str:
    """Return the value as an SQL string literal."""
    return "'" + str(value).replace("'", "''") + "'"
