"""The webhook door's benchmark: signed deliveries, each durable before it is answered.

64 senders deliver different events to the gateway's own process; an empty Starlette on the same
uvicorn answers the same requests. The events concern nobody, so that what is applied in the
background beside the storing is the least there is. Run by `make bench`.
"""

import argparse
import asyncio
import itertools
import json
import os
import secrets
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from services.local.databases import Databases
from services.local.mock_psp.webhooks import Dispatch, signed_headers
from tests.bench.harness import database, free_port, process, record
from tests.fakes.gateway_server import ACCOUNT, PROVIDER, mock_account, write_settings

SENDERS = 64
TENANT = "bench"
PATH = f"/webhooks/{PROVIDER}/{ACCOUNT}"
KEY = secrets.token_bytes(32)


def deliveries(first: int, count: int) -> list[bytes]:
    """Return whole HTTP requests, each of an event of its own."""
    now = int(time.time())
    found = []
    for number in range(first, first + count):
        event_id = f"evt_{number}"
        body = json.dumps(
            {
                "id": event_id,
                "type": "risk.scored",
                "created": "2026-03-02T09:30:00Z",
                "account": ACCOUNT,
                "mode": "test",
                "data": {
                    "object_id": f"pi_{number}",
                    "movement_id": f"pi_{number}",
                    "payment_intent_id": "",
                    "reference": f"d-{number}",
                    "currency": "EUR",
                    "amount_minor": 2_500,
                    "fee_minor": 45,
                    "number": 1,
                    "state": "",
                    "code": "",
                    "origin": "operator",
                },
            }
        ).encode()
        headers = signed_headers(
            Dispatch(event_id, "", "", "", body), now, key=KEY, old_key=None
        ) | {"content-length": str(len(body)), "host": "127.0.0.1"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        found.append(f"POST {PATH} HTTP/1.1\r\n{lines}\r\n".encode() + body)
    return found


async def rate(port: int, requests: list[bytes]) -> float:
    """Deliver them all, by 64 senders with a connection each; return deliveries a second."""
    waiting: Iterator[bytes] = iter(requests)

    async def sender() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for request in waiting:
                writer.write(request)
                answer = await reader.readuntil(b"\r\n\r\n")
                if not answer.startswith(b"HTTP/1.1 200 "):
                    raise AssertionError(answer)
        finally:
            writer.close()

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(SENDERS):
            group.create_task(sender())
    return len(requests) / (time.perf_counter() - started)


def environment(databases: Databases, folder: Path, port: int) -> dict[str, str]:
    """Write what the gateway needs, and return the variables that name it."""
    write_settings(folder, databases, TENANT, "http://127.0.0.1:1", mock_account(KEY))
    prefix = "VEZNE_PSP_GATEWAY_"
    return {
        f"{prefix}DATABASE__URL": databases.url("psp_gateway"),
        f"{prefix}GRPC__PORT": "0",
        f"{prefix}GRPC__HEALTH_PORT": "0",
        f"{prefix}WEBHOOKS__PORT": str(port),
        f"{prefix}LEDGER__TARGET": "127.0.0.1:1",
        f"{prefix}PROVIDER_ACCOUNTS_FILE": str(folder / "providers.toml"),
        f"{prefix}INBOX_KEY_FILE": str(folder / "inbox.key"),
        f"{prefix}LOG__LEVEL": "warning",
    }


async def reachable(port: int) -> None:
    """Wait until somebody listens."""
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            return


async def bench(count: int, rounds: int) -> dict[str, float]:
    """Start everything, measure, check; return the promised ratio."""
    stored, echoed = [], []
    async with database() as (databases, folder):
        port, numbers = free_port(), itertools.count(1, count)
        gateway = [sys.executable, "-c", "from services.psp_gateway.main import main; main()"]
        echo = [sys.executable, str(Path(__file__).with_name("echo.py"))]
        variables = environment(databases, folder, port)
        with process(*gateway, **variables), process(*echo) as echoing:
            assert echoing.stdout is not None
            echo_port = int(echoing.stdout.readline())
            await reachable(port)
            for number in range(rounds):
                requests = deliveries(next(numbers), count)
                stored.append(await rate(port, requests))
                echoed.append(await rate(echo_port, requests))
                for name, found in (("stored and answered", stored), ("empty Starlette", echoed)):
                    print(f"  round {number + 1}/{rounds}  {name:<28} {found[-1]:>10,.0f} /s")
        connection = await asyncpg.connect(databases.owner_url)
        kept = await connection.fetchval("SELECT count(*) FROM psp_gateway.inbox_events")
        await connection.close()
        print(f"  every answered delivery is stored: {'yes' if kept == count * rounds else 'NO'}")
        if kept != count * rounds:
            raise SystemExit(1)
    return {"gateway.webhooks_over_echo": statistics.median(stored) / statistics.median(echoed)}


def main() -> None:
    """Run the benchmark, print the ratio, and add it to `.vezne/bench.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=10_000, help="in each round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    record(asyncio.run(bench(arguments.deliveries, arguments.rounds)))


if __name__ == "__main__":
    main()
