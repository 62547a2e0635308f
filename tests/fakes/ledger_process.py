"""The ledger as a process of its own, as an operator runs it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

import grpc
import orjson

from tests.fakes.ledger_server import LedgerClient

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 30.0
_COMMAND = [sys.executable, "-c", "from services.ledger.main import main; main()"]


def environment(url: str, **others: str) -> dict[str, str]:
    """The variables of a ledger on free ports; `others` by their names after VEZNE_LEDGER_."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VEZNE_")}
    ours = {"DATABASE__URL": url, "GRPC__PORT": "0", "GRPC__HEALTH_PORT": "0", **others}
    return {
        **kept,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
        **{f"VEZNE_LEDGER_{name}": value for name, value in ours.items() if value},
    }


async def run_to_the_end(variables: Mapping[str, str]) -> tuple[int | None, str]:
    """Run a ledger that cannot start; return its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, env=variables, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            _, said = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    return process.returncode, said.decode()


class LedgerProcess:
    """A ledger that serves; its ports are the real ones."""

    def __init__(self, process: asyncio.subprocess.Process, serving: Mapping[str, int]) -> None:
        self._process = process
        self.port, self.health_port = serving["port"], serving["health_port"]
        # What it goes on to say is read, so that it never waits for a reader.
        assert process.stderr is not None
        self._reading = asyncio.create_task(process.stderr.read())
        self.said = ""

    @classmethod
    async def start(cls, url: str, port: int = 0, **others: str) -> Self:
        """Start it, and wait until it says that it serves."""
        variables = environment(url, GRPC__PORT=str(port), **others)
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, env=variables, cwd=ROOT, stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None
        said = []
        async with asyncio.timeout(START_TIMEOUT_S):
            async for line in process.stderr:
                said.append(line.decode())
                with suppress(orjson.JSONDecodeError):
                    event = orjson.loads(line)
                    if event["event"] == "serving":
                        return cls(process, event)
        raise AssertionError(f"the ledger did not start: {said}")

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> None:
        """Ask it to end; do not wait."""
        self._process.send_signal(signal.SIGTERM)

    async def wait(self) -> int:
        """Wait until it has ended; return its exit code."""
        async with asyncio.timeout(START_TIMEOUT_S):
            code = await self._process.wait()
            self.said = (await self._reading).decode()
        return code

    async def _end(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        await self.wait()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[LedgerClient]:
        """Open a channel that connects again at once after its server was away."""
        options = [(f"grpc.{name}_reconnect_backoff_ms", 50) for name in ("initial", "min", "max")]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", options) as channel:
            yield LedgerClient(channel, self.port)
