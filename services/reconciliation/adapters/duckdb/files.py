"""The files of a run: where they stand in its folder, and what is recorded of each.

inputs/{settlement,gateway,ledger}.parquet     staged rows, in the order of the source
{booking,provider}/open.parquet                rows that are carried to the next date
{booking,provider}/closed.parquet              rows that are matched, with their match
{booking,provider}/breaks.parquet              one row an open group, and those resolved
manifest.json                                  the seal
"""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.reconciliation.adapters.duckdb.engine import Engine, literal
from services.reconciliation.domain.rows import SCOPES, Comparison, Side

_CHUNK = 1 << 20
_INPUT_OF = {
    Side.SETTLEMENT: "inputs/settlement.parquet",
    Side.GATEWAY: "inputs/gateway.parquet",
    Side.LEDGER: "inputs/ledger.parquet",
}
STAGED_SIDES = tuple(_INPUT_OF)
RESULTS = ("open", "closed", "breaks")

_PARQUET = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"


@dataclass(frozen=True, slots=True)
class RunFolders:
    """Where a run finds what it needs."""

    folder: Path
    """Its own folder, with the staged inputs."""
    predecessor: Path | None
    """The folder of the last published complete run, or of the baseline; None at the very first."""
    history: tuple[Path, ...]
    """Folders of earlier published runs whose keys are remembered, predecessor included."""

    def carried(self, name: str) -> Path | None:
        """Return this file of the predecessor, if there is one."""
        return None if self.predecessor is None else self.predecessor / name

    def remembered(self, name: str) -> list[Path]:
        """Return this file of all runs whose keys are remembered, this one last."""
        return [folder / name for folder in (*self.history, self.folder)]


def input_name(side: Side) -> str:
    """Return the staged file of a side, relative to the run's folder."""
    return _INPUT_OF[side]


def result_name(comparison: Comparison, result: str) -> str:
    """Return a result file of a comparison, relative to the run's folder."""
    return f"{comparison}/{result}.parquet"


def result_names() -> list[str]:
    """Return all result files of a run, in order."""
    return [result_name(comparison, result) for comparison in SCOPES for result in RESULTS]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is recorded of a file, so that any change to it is seen."""

    sha256: str
    """Of the file's bytes; equal for equal inputs and the same engine."""
    size_bytes: int
    row_count: int
    rows_sha256: str
    """Of the rows as CSV, in the file's order; equal for equal inputs whatever the engine.

    RFC 4180 without a header, LF after each row, UTF-8; text is quoted where it must be and where
    it is empty.
    """


def write_parquet(engine: Engine, query: str, path: Path) -> FileFacts:
    """Write what `query`, which must have a total order, returns, and describe the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A crash leaves the unfinished file under another name: a file that is there is whole.
    unfinished = path.with_suffix(".unfinished")
    engine.run(f"COPY ({query}) TO {literal(unfinished)} ({_PARQUET})")
    unfinished.replace(path)
    return describe(engine, path)


def describe(engine: Engine, path: Path) -> FileFacts:
    """Read a Parquet file and return its facts."""
    source = f"read_parquet({literal(path)})"
    [(row_count,)] = engine.run(f"SELECT count(*) FROM {source}")  # noqa: S608 - our own path.
    with _hashing_pipe(engine.work / "rows.pipe") as (pipe, digest):
        # The engine writes CSV into a pipe and this process hashes it, so it never lies on disk.
        engine.run(f"COPY (FROM {source}) TO {literal(pipe)} (FORMAT csv, HEADER false)")
    return FileFacts(file_sha256(path), path.stat().st_size, row_count, digest.hexdigest())


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _hashing_pipe(pipe: Path) -> Iterator[tuple[Path, "hashlib._Hash"]]:
    """Offer a named pipe, and the hash of what was written to it once the block has ended."""
    digest = hashlib.sha256()

    def read() -> None:
        with pipe.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)

    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    reader = threading.Thread(target=read, name="row-hash", daemon=True)
    reader.start()
    try:
        yield pipe, digest
    finally:
        _release(pipe)
        reader.join()
        pipe.unlink()


def _release(pipe: Path) -> None:
    """Let go of a reader who still waits for a writer: the query failed before it opened one."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        # Nobody reads any more: all went well.
        if error.errno != errno.ENXIO:
            raise
