"""Deposits end to end: the gateway, a real ledger, the real mock PSP."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.local.databases import Databases
from tests.fakes.gateway_server import ACCOUNT, PROVIDER, Stack, running_stack
from vezne.ledger.v1.account_service_pb2 import GetBalancesRequest
from vezne.psp_gateway.v1 import deposit_pb2
from vezne.psp_gateway.v1.deposit_service_pb2 import CreateDepositRequest
from vezne.type.v1.money_pb2 import Money


@pytest.fixture(scope="module")
async def stack(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """A running gateway."""
    async with running_stack(databases, tmp_path_factory.mktemp("gateway"), "acme") as running:
        yield running


def request(request_id: str, minor_units: int = 2_500, **others: str) -> CreateDepositRequest:
    """A deposit of player 42."""
    return CreateDepositRequest(
        tenant_id="acme",
        request_id=request_id,
        player_id="p42",
        amount=Money(currency_code="EUR", minor_units=minor_units),
        provider=PROVIDER,
        provider_account=ACCOUNT,
        **others,
    )


async def cash(stack: Stack, player: str = "p42") -> int:
    path = f"liability/player/{player}/cash/eur"
    found = await stack.ledger.accounts.GetBalances(
        GetBalancesRequest(tenant_id="acme", account_ids=[path])
    )
    return found.balances[0].posted_minor


async def test_a_stored_card_is_captured_and_credited_at_once(stack: Stack) -> None:
    """A deposit that the provider captures in its answer is the player's when the RPC returns."""
    answer = await stack.deposits.CreateDeposit(request("card-1", source_token="card_1"))

    assert answer.deposit.state == deposit_pb2.DEPOSIT_STATE_CAPTURED
    assert answer.deposit.postings_pending == 0
    assert answer.deposit.expected_fee.minor_units == 45
    assert await cash(stack) == 2_500
