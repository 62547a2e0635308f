"""Bounds: what is too large, too slow or too much is refused with a reason, and harms nobody."""

import asyncio

import grpc
import pytest

from services.local.databases import Databases
from tests.fakes.ledger_server import (
    LedgerClient,
    asset,
    entry,
    liability,
    running_ledger,
    settings,
    transfer,
)
from tests.fakes.ledger_sql import head_locked, until_it_waits
from tests.fakes.refusals import refusal
from vezne.ledger.v1.account_pb2 import Account
from vezne.ledger.v1.journal_service_pb2 import ExportEntriesRequest, GetTrialBalanceRequest
from vezne.ledger.v1.posting_service_pb2 import (
    BatchItem,
    BatchPostTransactionsRequest,
    PostTransactionRequest,
)
from vezne.ledger.v1.transaction_pb2 import NewTransaction

TENANT = "acme"
DEFAULT_CLIENT_BYTES = 4 * 1024 * 1024


@pytest.fixture(scope="module", autouse=True)
async def books(ledger: LedgerClient) -> None:
    """A bank and a player."""
    await ledger.tenant(TENANT)
    await ledger.open(TENANT, asset("bank"), liability("player"))


@pytest.mark.parametrize(
    ("limit", "timeout_s"),
    [("default_deadline_s", None), ("max_deadline_s", 10)],
    ids=["none", "too long"],
)
async def test_a_caller_without_a_deadline_or_with_too_long_a_one_gets_ours(
    databases: Databases, limit: str, timeout_s: float | None
) -> None:
    """Past it he is told DEADLINE_EXCEEDED, with our reason; the retry finds what was decided."""
    async with running_ledger(
        settings(databases.url("ledger"), grpc={"port": 0, "health_port": 0, limit: 0.2})
    ) as client:
        asked = PostTransactionRequest(
            tenant_id=TENANT, request_id=limit, transaction=transfer("bank", "player", 1)
        )
        async with head_locked(databases, TENANT):
            late = await refusal(client.posting.PostTransaction(asked, timeout=timeout_s))
        answer = await client.posting.PostTransaction(asked)

    assert (late.code, late.reason) == (
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "DEADLINE_EXCEEDED",
    )
    assert late.domain == "ledger.vezne"
    assert answer.replayed


async def test_a_full_queue_refuses_at_once(databases: Databases) -> None:
    """Past the bound callers get QUEUE_FULL, and the same request passes later."""
    async with running_ledger(settings(databases.url("ledger"), queue_max=1)) as client:
        async with head_locked(databases, TENANT):
            in_commit = asyncio.create_task(
                client.post(TENANT, "q-0", transfer("bank", "player", 1))
            )
            await until_it_waits(databases)
            more = [
                asyncio.create_task(
                    client.post(TENANT, f"q-{number}", transfer("bank", "player", 1))
                )
                for number in range(1, 6)
            ]
            while sum(task.done() for task in more) < len(more) - 1:
                await asyncio.wait(
                    [task for task in more if not task.done()],
                    return_when=asyncio.FIRST_COMPLETED,
                )
            [waiting] = [task for task in more if not task.done()]
            refused = [await refusal(task) for task in more if task is not waiting]
        assert not (await in_commit).replayed
        assert not (await waiting).replayed

    assert {(one.code, one.reason) for one in refused} == {
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
    }


def name(number: int) -> str:
    """The longest path there is."""
    return f"{number:05}/".ljust(128, "x")


async def opened(ledger: LedgerClient, count: int, *, limit: int | None = None) -> None:
    accounts: list[Account] = [asset(name(number)) for number in range(count)]
    if limit is not None:
        for account in accounts:
            account.min_available_minor = limit
    for start in range(0, count, 1000):
        await ledger.open(TENANT, *accounts[start : start + 1000])


async def test_the_reply_to_the_largest_batch_fits_any_client(ledger: LedgerClient) -> None:
    """2,000 transactions over 10,000 accounts of the longest names: under 4 MiB."""
    await opened(ledger, 10_000, limit=-(2**62))
    items = []
    for number in range(2000):
        own = [name(number * 5 + leg) for leg in range(5)]
        legs = [entry(own[0], 2**60 + 3), *(entry(one, -(2**58)) for one in own[1:4])]
        legs.append(entry(own[4], -(2**60 + 3 - 3 * 2**58)))
        items.append(
            BatchItem(
                request_id=f"{number}".rjust(128, "r"),
                transaction=NewTransaction(kind="k" * 64, entries=legs),
            )
        )
    request = BatchPostTransactionsRequest(tenant_id=TENANT, items=items)
    posted = await ledger.posting.BatchPostTransactions(request)
    again = await ledger.posting.BatchPostTransactions(request)

    assert all(result.HasField("posted") for result in posted.results)
    assert all(result.replayed for result in again.results)
    assert posted.ByteSize() < DEFAULT_CLIENT_BYTES
    assert again.ByteSize() < DEFAULT_CLIENT_BYTES


async def test_the_reply_to_a_batch_of_refusals_fits_any_client(ledger: LedgerClient) -> None:
    """2,000 refusals with the longest names and numbers: under 4 MiB."""
    await opened(ledger, 1, limit=-(2**62))
    items = [
        BatchItem(
            request_id=f"no-{number}",
            transaction=transfer("bank", name(0), 2**63 - 1),
        )
        for number in range(2000)
    ]
    answer = await ledger.posting.BatchPostTransactions(
        BatchPostTransactionsRequest(tenant_id=TENANT, items=items)
    )

    assert all(result.HasField("refusal") for result in answer.results)
    assert answer.ByteSize() < DEFAULT_CLIENT_BYTES


async def test_an_export_of_large_transactions_fits_any_client(ledger: LedgerClient) -> None:
    """300 transactions of 100 entries and 2 KB of metadata each arrive in messages under 4 MiB."""
    await ledger.tenant("wide")
    await ledger.open("wide", *(asset(name(number)) for number in range(100)))
    legs = [entry(name(number), 1 if number % 2 else -1) for number in range(100)]
    wide = NewTransaction(kind="k", entries=legs, metadata={"k": "v" * 2047}, description="é" * 256)
    for batch in range(3):
        await ledger.batch("wide", *((f"w-{batch}-{number}", wide) for number in range(100)))
    sizes, transactions = [], 0
    async for answer in ledger.journal.ExportEntries(
        ExportEntriesRequest(tenant_id="wide", through_sequence=300)
    ):
        sizes.append(answer.ByteSize())
        transactions += len(answer.transactions)

    assert transactions == 300
    assert answer.summary.entries_sent == 30_000
    assert max(sizes) < DEFAULT_CLIENT_BYTES


async def test_a_trial_balance_of_too_many_lines_is_refused(ledger: LedgerClient) -> None:
    """Grouped by more prefixes than a reply holds, it asks for a smaller depth."""
    await ledger.tenant("deep")
    for start in range(0, 11_000, 1000):
        await ledger.open("deep", *(asset(f"a/{start + n:05}") for n in range(1000)))
    refused = await refusal(
        ledger.journal.GetTrialBalance(GetTrialBalanceRequest(tenant_id="deep", group_depth=2))
    )
    whole = await ledger.journal.GetTrialBalance(
        GetTrialBalanceRequest(tenant_id="deep", group_depth=1)
    )

    assert (refused.code, refused.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "REQUEST_TOO_LARGE",
    )
    assert refused.metadata == {"lines_max": "10000"}
    assert whole.lines[0].account_count == 11_000
