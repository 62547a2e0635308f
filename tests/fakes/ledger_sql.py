"""The ledger's database from outside: locks that make it wait, and an audit of what it holds."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from itertools import pairwise

import asyncpg
import orjson

from services.local.databases import Databases
from tests.fakes.chain_auditor import Export, first_break


@asynccontextmanager
async def owner(databases: Databases) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the owner of the tables, with JSON read."""
    connection = await asyncpg.connect(databases.owner_url)
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=orjson.dumps, decoder=orjson.loads, format="text"
    )
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def head_locked(databases: Databases, tenant_id: str) -> AsyncIterator[None]:
    """Hold a tenant's head row, as another writer would, so that every posting waits."""
    async with owner(databases) as connection, connection.transaction():
        await connection.execute(
            "SELECT FROM ledger.heads WHERE tenant_id = $1 FOR UPDATE", tenant_id
        )
        yield


@asynccontextmanager
async def heads_locked(databases: Databases) -> AsyncIterator[None]:
    """Hold the table of heads, so that whatever the ledger is asked waits."""
    async with owner(databases) as connection, connection.transaction():
        await connection.execute("LOCK TABLE ledger.heads IN ACCESS EXCLUSIVE MODE")
        yield


_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'vezne-ledger' AND wait_event_type = 'Lock'
    AND datname = current_database()
"""


async def until_it_waits(databases: Databases) -> None:
    """Return once the ledger waits for a lock, which somebody holds."""
    async with owner(databases) as connection, asyncio.timeout(10):
        while not await connection.fetchval(_WAITING):
            await asyncio.sleep(0.005)


_SEQUENCES = """
SELECT count(*) AS count, coalesce(min(sequence), 1) AS first, coalesce(max(sequence), 0) AS last
FROM ledger.transactions WHERE tenant_id = $1
"""
_UNBALANCED = """
SELECT e.sequence, a.currency_code FROM ledger.entries e
JOIN ledger.accounts a USING (tenant_id, account_key) WHERE tenant_id = $1
GROUP BY 1, 2 HAVING sum(e.amount) <> 0
"""
# What follows wrongly from the entry before it: the version or the balance.
_UNFOLLOWED = """
SELECT * FROM (
    SELECT e.account_key, e.sequence, e.account_version,
        lag(e.account_version, 1, 0::bigint) OVER entry AS version_before,
        e.posted, lag(e.posted, 1, 0::bigint) OVER entry AS posted_before,
        CASE WHEN a.kind IN (1, 5) THEN e.amount ELSE -e.amount END AS change
    FROM ledger.entries e JOIN ledger.accounts a USING (tenant_id, account_key)
    WHERE tenant_id = $1
    WINDOW entry AS (PARTITION BY account_key ORDER BY e.sequence, e.entry_number)
) AS entries
WHERE account_version <> version_before + 1 OR posted <> posted_before + change
"""
_BELOW_ZERO = """
SELECT a.account_id, e.sequence FROM ledger.entries e
JOIN ledger.accounts a USING (tenant_id, account_key)
WHERE tenant_id = $1 AND a.account_id = ANY ($2) AND e.posted - e.pending_out < 0
"""
_TWICE = """
SELECT request_id FROM ledger.transactions WHERE tenant_id = $1
INTERSECT SELECT request_id FROM ledger.refusals WHERE tenant_id = $1
"""


async def audit(
    databases: Databases, tenant_id: str, never_negative: Collection[str] = ()
) -> set[str]:
    """Check a tenant's whole book by SQL and by the chain; return the request ids that posted.

    Sums are zero, sequences and versions are gapless, running balances follow, times rise, each
    request id was decided once, every hash is the chain's, and the accounts named never fell below
    zero.
    """
    async with (
        owner(databases) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        sequences = await connection.fetchrow(_SEQUENCES, tenant_id)
        assert (sequences["first"], sequences["last"]) == (1, sequences["count"])
        for query in (_UNBALANCED, _UNFOLLOWED, _TWICE):
            assert await connection.fetch(query, tenant_id) == []
        assert await connection.fetch(_BELOW_ZERO, tenant_id, list(never_negative)) == []
        head = await connection.fetchrow(
            "SELECT * FROM ledger.heads WHERE tenant_id = $1", tenant_id
        )
        tables = [
            await connection.fetch(f"SELECT * FROM ledger.{name} WHERE tenant_id = $1", tenant_id)
            for name in ("accounts", "account_events", "transactions", "entries")
        ]
    export = Export(tenant_id, *tables)
    assert first_break(export) is None
    transactions = sorted(export.transactions, key=lambda row: row["sequence"])
    assert all(one["create_time"] < two["create_time"] for one, two in pairwise(transactions))
    assert head["sequence"] == len(transactions)
    later = [row for row in export.events if row["follows_sequence"] == head["sequence"]]
    later.sort(key=lambda row: row["event_number"])
    assert head["hash"] == [b"", *(row["hash"] for row in (*transactions[-1:], *later))][-1]
    return {row["request_id"] for row in transactions}
