"""The ledger's benchmark: everything on one PostgreSQL with durable commits, in one run.

Each figure is a median of rounds that alternate between what is compared, and what is promised is a
ratio of two of them: this machine's speed, and its noise, cancel out. Run by `make bench`.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from services.local.databases import Databases
from tests.bench.harness import database, free_port, process, record
from tests.bench.ledger.loads import (
    TENANT,
    Baseline,
    Copy,
    Ledger,
    echo_rate,
    hot_pair,
    random_pair,
)

INVARIANTS = {
    "every transaction balances": """
        SELECT count(*) FROM (
            SELECT e.sequence FROM ledger.entries e
            JOIN ledger.accounts a USING (tenant_id, account_key)
            WHERE tenant_id = $1 GROUP BY e.sequence, a.currency_code HAVING sum(amount) <> 0
        ) broken""",
    "each entry follows the one before": """
        SELECT count(*) FROM (
            SELECT posted, account_version, amount * CASE WHEN kind IN (1, 5) THEN 1 ELSE -1 END AS
                change,
                lag(posted, 1, 0::bigint) OVER account AS before,
                lag(account_version, 1, 0::bigint) OVER account AS version_before
            FROM ledger.entries JOIN ledger.accounts USING (tenant_id, account_key)
            WHERE tenant_id = $1
            WINDOW account AS (PARTITION BY account_key ORDER BY sequence, entry_number)
        ) e WHERE posted <> before + change OR account_version <> version_before + 1""",
    "sequences have no gap": """
        SELECT abs(count(*) - max(sequence)) + abs(count(*) - max(head))
        FROM (SELECT t.sequence, h.sequence AS head FROM ledger.transactions t
            JOIN ledger.heads h USING (tenant_id) WHERE tenant_id = $1) s""",
}


async def check_invariants(url: str) -> None:
    """Check the ledger from outside, by SQL."""
    connection = await asyncpg.connect(url)
    try:
        for name, query in INVARIANTS.items():
            broken = await connection.fetchval(query, TENANT)
            print(f"  {name}: {'yes' if broken == 0 else f'NO ({broken} broken)'}")
            if broken:
                raise SystemExit(1)
        count = await connection.fetchval(
            "SELECT sequence FROM ledger.heads WHERE tenant_id = $1", TENANT
        )
        print(f"  transactions: {count:,}")
    finally:
        await connection.close()


async def measure(databases: Databases, ledger_port: int, echo_port: int, seconds: float,
                  rounds: int) -> dict[str, float]:  # fmt: skip
    """Run all loads, round by round; return the median rates, a second."""
    baseline = await Baseline.make(databases.owner_url)
    copy = await Copy.make(databases.owner_url)
    ledger = await Ledger.make(f"127.0.0.1:{ledger_port}")
    loads: dict[str, Callable[[], Awaitable[float]]] = {
        "baseline, random accounts": lambda: baseline.rate(seconds, random_pair),
        "batch, random accounts": lambda: ledger.batch_rate(seconds, random_pair),
        "baseline, one hot account": lambda: baseline.rate(seconds, hot_pair),
        "batch, one hot account": lambda: ledger.batch_rate(seconds, hot_pair),
        "raw COPY of the same rows": lambda: copy.rate(seconds),
        "unary, random accounts": lambda: ledger.unary_rate(seconds, random_pair),
        "empty grpc.aio echo": lambda: echo_rate(f"127.0.0.1:{echo_port}", seconds),
    }
    rates: dict[str, list[float]] = {name: [] for name in loads}
    try:
        for number in range(rounds):
            for name, load in loads.items():
                rate = await load()
                rates[name].append(rate)
                print(f"  round {number + 1}/{rounds}  {name:<28} {rate:>10,.0f} /s", flush=True)
    finally:
        for load_ in (baseline, copy, ledger):
            await load_.close()
    return {name: statistics.median(found) for name, found in rates.items()}


async def bench(seconds: float, rounds: int) -> dict[str, float]:
    """Start everything, measure, check; return the promised ratios."""
    async with database() as (databases, _folder):
        port = free_port()
        environment = {
            "VEZNE_LEDGER_DATABASE__URL": databases.url("ledger"),
            "VEZNE_LEDGER_GRPC__PORT": str(port),
            "VEZNE_LEDGER_GRPC__HEALTH_PORT": "0",
            "VEZNE_LEDGER_LOG__LEVEL": "warning",
        }
        ledger = [sys.executable, "-c", "from services.ledger.main import main; main()"]
        echo = [sys.executable, str(Path(__file__).with_name("echo.py"))]
        with process(*ledger, **environment), process(*echo) as echoing:
            assert echoing.stdout is not None
            echo_port = int(echoing.stdout.readline())
            rates = await measure(databases, port, echo_port, seconds, rounds)
        print("the ledger after the run:")
        await check_invariants(databases.owner_url)
    return {
        "ledger.batch_over_baseline_random": rates["batch, random accounts"]
        / rates["baseline, random accounts"],
        "ledger.batch_over_baseline_hot": rates["batch, one hot account"]
        / rates["baseline, one hot account"],
        "ledger.batch_over_copy": rates["batch, random accounts"]
        / rates["raw COPY of the same rows"],
        "ledger.unary_over_echo": rates["unary, random accounts"] / rates["empty grpc.aio echo"],
    }


def main() -> None:
    """Run the benchmark, print the ratios, and add them to `.vezne/bench.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each load in each round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    record(asyncio.run(bench(arguments.seconds, arguments.rounds)))


if __name__ == "__main__":
    main()
