"""What the benchmark runs: each load works for some seconds and returns transactions a second."""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import asyncpg
import grpc

from services.kernel.ids import uuid7
from vezne.ledger.v1.account_pb2 import Account, AccountKind
from vezne.ledger.v1.account_service_pb2 import CreateAccountsRequest
from vezne.ledger.v1.account_service_pb2_grpc import AccountServiceStub
from vezne.ledger.v1.entry_pb2 import DIRECTION_CREDIT, DIRECTION_DEBIT
from vezne.ledger.v1.posting_service_pb2 import (
    BatchItem,
    BatchPostTransactionsRequest,
    PostTransactionRequest,
)
from vezne.ledger.v1.posting_service_pb2_grpc import PostingServiceStub
from vezne.ledger.v1.tenant_service_pb2 import CreateTenantRequest
from vezne.ledger.v1.tenant_service_pb2_grpc import TenantServiceStub
from vezne.ledger.v1.transaction_pb2 import NewEntry, NewTransaction
from vezne.type.v1.money_pb2 import Money

ACCOUNTS = 10_000
BASELINE_CONNECTIONS = 20
BATCH = 1_000
BATCH_CALLERS = 4
UNARY_CALLERS = 256
TENANT = "bench"
HOUSE = "asset/house/eur"

Pair = Callable[[], tuple[int, int]]
"""Draws the two accounts of a transfer."""


def random_pair() -> tuple[int, int]:
    """Draw any two accounts."""
    first = random.randrange(ACCOUNTS)
    return first, (first + 1 + random.randrange(ACCOUNTS - 1)) % ACCOUNTS


def hot_pair() -> tuple[int, int]:
    """Draw any account against the house account, which is in every transfer."""
    return 0, 1 + random.randrange(ACCOUNTS - 1)


async def _for_seconds(seconds: float, callers: Sequence[Callable[[], Awaitable[int]]]) -> float:
    """Let the callers work side by side; return how much they did a second."""
    end = time.perf_counter() + seconds
    done = 0

    async def work(call: Callable[[], Awaitable[int]]) -> None:
        nonlocal done
        while time.perf_counter() < end:
            # Not `done += await …`: that reads `done` before it waits, and loses what others did.
            made = await call()
            done += made

    started = time.perf_counter()
    await asyncio.gather(*(work(call) for call in callers))
    return done / (time.perf_counter() - started)


class Baseline:
    """One PL/pgSQL function a transfer, on prepared statements."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._numbers = itertools.count()

    @classmethod
    async def make(cls, url: str) -> "Baseline":
        """Make the tables and accounts."""
        pool = await asyncpg.create_pool(
            url, min_size=BASELINE_CONNECTIONS, max_size=BASELINE_CONNECTIONS
        )
        await pool.execute(Path(__file__).with_name("baseline.sql").read_text())
        await pool.execute(
            "INSERT INTO baseline.accounts SELECT n, 0, 0, true FROM generate_series(0, $1) n",
            ACCOUNTS - 1,
        )
        return cls(pool)

    async def rate(self, seconds: float, pair: Pair) -> float:
        """Transfer on all connections."""
        connections = [await self._pool.acquire() for _ in range(BASELINE_CONNECTIONS)]
        try:
            statements = [
                await connection.prepare("SELECT baseline.transfer($1, $2, $3, $4)")
                for connection in connections
            ]

            def caller(
                statement: asyncpg.prepared_stmt.PreparedStatement,
            ) -> Callable[[], Awaitable[int]]:
                async def call() -> int:
                    debit, credit = pair()
                    await statement.fetchval(f"transfer-{next(self._numbers)}", debit, credit, 1)
                    return 1

                return call

            return await _for_seconds(seconds, [caller(statement) for statement in statements])
        finally:
            for connection in connections:
                await self._pool.release(connection)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()


class Copy:
    """The store's limit: raw COPY of a posting's rows into the ledger's own tables."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._sequence = 0

    @classmethod
    async def make(cls, url: str) -> "Copy":
        """Open the one connection."""
        connection = await asyncpg.connect(url)
        await connection.set_type_codec(
            "jsonb",
            encoder=lambda value: b"\x01" + value.encode(),
            decoder=bytes,
            schema="pg_catalog",
            format="binary",
        )
        return cls(connection)

    async def rate(self, seconds: float) -> float:
        """Copy batches, a commit each; the rows are made before the clock starts."""
        batches = [self._rows() for _ in range(max(8, int(seconds * 60)))]
        started = time.perf_counter()
        done = 0
        for transactions, entries in batches:
            async with self._connection.transaction():
                await self._connection.copy_records_to_table(
                    "transactions", schema_name="ledger", records=transactions
                )
                await self._connection.copy_records_to_table(
                    "entries", schema_name="ledger", records=entries
                )
            done += len(transactions)
            if time.perf_counter() - started > seconds:
                break
        return done / (time.perf_counter() - started)

    def _rows(self) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
        from datetime import UTC, datetime

        now = datetime.now(UTC)
        transactions: list[tuple[object, ...]] = []
        entries: list[tuple[object, ...]] = []
        for _ in range(2 * BATCH):
            self._sequence += 1
            number = self._sequence
            name = uuid7(int(now.timestamp() * 1000), random.getrandbits(74))
            hash_ = random.randbytes(32)
            transactions.append(
                ("copy", number, name, f"copy-{name}", hash_, "bench.transfer", None, now, "", "",
                 "{}", hash_)
            )  # fmt: skip
            for leg, account in enumerate(random_pair(), 1):
                entries.append(("copy", account, number, leg, number, 1, number, 0, 0))
        return transactions, entries

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()


def account_id(number: int) -> str:
    """Name a ledger account of the benchmark; the house account is number 0."""
    return f"liability/player/{number}/cash/eur" if number else HOUSE


class Ledger:
    """The ledger through gRPC, in a process of its own."""

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        self._channels = channels
        self._stubs = [PostingServiceStub(channel) for channel in channels]
        self._numbers = itertools.count()

    @classmethod
    async def make(cls, target: str) -> "Ledger":
        """Open the tenant and its accounts."""
        # A channel of its own for each batch caller, as separate client processes would have.
        channels = [
            grpc.aio.insecure_channel(
                target,
                options=[("grpc.use_local_subchannel_pool", 1),
                         ("grpc.max_receive_message_length", -1)],
            )
            for _ in range(BATCH_CALLERS)
        ]  # fmt: skip
        await TenantServiceStub(channels[0]).CreateTenant(
            CreateTenantRequest(tenant_id=TENANT, request_id="bench"), wait_for_ready=True
        )
        accounts = AccountServiceStub(channels[0])
        for start in range(0, ACCOUNTS, 1_000):
            await accounts.CreateAccounts(
                CreateAccountsRequest(
                    tenant_id=TENANT,
                    request_id=f"accounts-{start}",
                    accounts=[
                        Account(
                            account_id=account_id(number),
                            currency_code="EUR",
                            kind=AccountKind.ACCOUNT_KIND_LIABILITY
                            if number
                            else AccountKind.ACCOUNT_KIND_ASSET,
                        )
                        for number in range(start, start + 1_000)
                    ],
                )
            )
        return cls(channels)

    def _transaction(self, pair: Pair) -> NewTransaction:
        debit, credit = pair()
        return NewTransaction(
            kind="bench.transfer",
            entries=[
                NewEntry(
                    account_id=account_id(debit),
                    direction=DIRECTION_DEBIT,
                    amount=Money(currency_code="EUR", minor_units=1),
                ),
                NewEntry(
                    account_id=account_id(credit),
                    direction=DIRECTION_CREDIT,
                    amount=Money(currency_code="EUR", minor_units=1),
                ),
            ],
        )

    async def batch_rate(self, seconds: float, pair: Pair) -> float:
        """Post batches."""

        def caller(stub: PostingServiceStub) -> Callable[[], Awaitable[int]]:
            async def call() -> int:
                request = BatchPostTransactionsRequest(
                    tenant_id=TENANT,
                    items=[
                        BatchItem(
                            request_id=f"batch-{next(self._numbers)}",
                            transaction=self._transaction(pair),
                        )
                        for _ in range(BATCH)
                    ],
                )
                answer = await stub.BatchPostTransactions(request, timeout=60)
                posted = sum(result.WhichOneof("outcome") == "posted" for result in answer.results)
                if posted != BATCH:
                    raise AssertionError(f"{BATCH - posted} of a batch were refused")
                return posted

            return call

        return await _for_seconds(seconds, [caller(stub) for stub in self._stubs])

    async def unary_rate(self, seconds: float, pair: Pair) -> float:
        """Post one at a time, with many callers."""
        stub = self._stubs[0]

        async def call() -> int:
            await stub.PostTransaction(
                PostTransactionRequest(
                    tenant_id=TENANT,
                    request_id=f"unary-{next(self._numbers)}",
                    transaction=self._transaction(pair),
                ),
                timeout=60,
            )
            return 1

        return await _for_seconds(seconds, [call] * UNARY_CALLERS)

    async def close(self) -> None:
        """Close the channels."""
        for channel in self._channels:
            await channel.close()


async def echo_rate(target: str, seconds: float) -> float:
    """Call an empty echo with as many callers as `unary_rate` has."""
    async with grpc.aio.insecure_channel(target) as channel:
        echo = channel.unary_unary("/bench.Echo/Echo")

        async def call() -> int:
            await echo(b"", timeout=60, wait_for_ready=True)
            return 1

        return await _for_seconds(seconds, [call] * UNARY_CALLERS)
