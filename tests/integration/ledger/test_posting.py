"""Posting through gRPC on a real PostgreSQL."""

import asyncio

import grpc
import pytest

from services.platform.errors import from_rpc_error
from tests.fakes.ledger_server import LedgerClient, asset, liability, transfer
from vezne.ledger.v1.account_service_pb2 import GetBalancesRequest

TENANT = "acme"
BANK, PLAYER = "asset/bank/eur", "liability/player/1/cash/eur"


@pytest.fixture(scope="module", autouse=True)
async def books(ledger: LedgerClient) -> None:
    """A bank and a player who may not go negative."""
    await ledger.tenant(TENANT)
    await ledger.open(TENANT, asset(BANK), liability(PLAYER, min_available_minor=0))


async def test_a_posting_moves_both_accounts_and_says_so(ledger: LedgerClient) -> None:
    """The reply carries the sequence and the balances of each account touched."""
    answer = await ledger.post(TENANT, "in-1", transfer(BANK, PLAYER, 500))

    assert answer.posted.sequence == 1
    assert not answer.replayed
    assert [(one.account_id, one.available_minor) for one in answer.posted.balances] == [
        (BANK, 500),
        (PLAYER, 500),
    ]


async def test_a_refusal_is_remembered(ledger: LedgerClient) -> None:
    """What was finally refused stays refused under its request id, though it could pass now."""
    with pytest.raises(grpc.aio.AioRpcError) as first:
        await ledger.post(TENANT, "out-1", transfer(PLAYER, BANK, 10_000))
    await ledger.post(TENANT, "in-2", transfer(BANK, PLAYER, 10_000))
    with pytest.raises(grpc.aio.AioRpcError) as second:
        await ledger.post(TENANT, "out-1", transfer(PLAYER, BANK, 10_000))

    assert vars(from_rpc_error(first.value)) == vars(from_rpc_error(second.value))
    assert from_rpc_error(first.value).reason == "INSUFFICIENT_AVAILABLE"


async def test_the_same_request_concurrently_posts_once(ledger: LedgerClient) -> None:
    """A hundred copies of one request make one transaction; all but one are replays."""
    answers = await asyncio.gather(
        *(ledger.post(TENANT, "once", transfer(BANK, PLAYER, 7)) for _ in range(100))
    )

    assert len({answer.posted.transaction_id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert len({answer.posted.SerializeToString() for answer in answers}) == 1


async def test_balances_are_those_of_the_last_entry(ledger: LedgerClient) -> None:
    """A balance now is the last entry's, and one as of a sequence is that of its moment."""
    before = await ledger.accounts.GetBalances(
        GetBalancesRequest(tenant_id=TENANT, account_ids=[PLAYER])
    )
    await ledger.post(TENANT, "later", transfer(BANK, PLAYER, 1))
    as_of = await ledger.accounts.GetBalances(
        GetBalancesRequest(
            tenant_id=TENANT, account_ids=[PLAYER], as_of_sequence=before.cut.sequence
        )
    )

    assert as_of == before
