"""What the benchmarks share: processes that end, one PostgreSQL with durable commits, one file."""

import asyncio
import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from services.local.databases import Databases, migrate_all, prepare
from services.local.postgres import Installation, LocalPostgres

SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers",
            "wal_sync_method")  # fmt: skip


RESULTS = Path(".vezne/bench.json")
"""One JSON object from a figure's name to its number; each benchmark adds its own."""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def process(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process, and end it."""
    running = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)


def flush_latency_us(folder: Path) -> float:
    """Measure one flush of 8 KiB with PostgreSQL's own tool, in microseconds."""
    probe = folder / "flush"
    done = subprocess.run(
        [str(Installation.find().programs / "pg_test_fsync"), "-s", "1", "-f", str(probe)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"fdatasync\s+[0-9.]+ ops/sec\s+([0-9]+) usecs/op", done.stdout)
    return float(found[1]) if found else float("nan")


@asynccontextmanager
async def database() -> AsyncIterator[tuple[Databases, Path]]:
    """Start a PostgreSQL, print what its figures depend on; yield its databases and a folder."""
    with tempfile.TemporaryDirectory(prefix="vezne-bench-") as name:
        # PostgreSQL's own user may enter, where the benchmark runs as root.
        Path(name).chmod(0o755)  # noqa: ASYNC240 - nothing else runs yet.
        folder = Path(name)
        server = LocalPostgres(folder / "postgres")
        server.start()
        try:
            databases = await prepare(server.url(), "bench", secrets.token_hex(12))
            await asyncio.to_thread(migrate_all, databases)
            connection = await asyncpg.connect(server.url())
            shown = [f"{key} {await connection.fetchval(f'SHOW {key}')}" for key in SETTINGS]
            await connection.close()
            print(f"PostgreSQL: {', '.join(shown)}")
            print(f"one flush: {flush_latency_us(folder):.0f} us; {os.cpu_count()} cores, shared")
            yield databases, folder
        finally:
            server.stop()


def record(ratios: Mapping[str, float]) -> None:
    """Print the ratios, and add them to `RESULTS`."""
    for name, ratio in ratios.items():
        print(f"{name:<36} {ratio:.2f}")
    RESULTS.parent.mkdir(exist_ok=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rounded = {name: round(ratio, 3) for name, ratio in ratios.items()}
    RESULTS.write_text(json.dumps({**known, **rounded}, indent=2, sort_keys=True) + "\n")
