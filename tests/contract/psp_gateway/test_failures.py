"""What a caller is told when the gateway, or what it depends on, fails; and what he can do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import grpc
import pytest

from services.local.databases import Databases
from tests.fakes.failing_ledger import FailingLedger
from tests.fakes.gateway_reports import close_day, fetch
from tests.fakes.gateway_rpcs import RPCS, World, create_refund, open_world
from tests.fakes.gateway_server import Stack, running_stack
from tests.fakes.ledger_server import asset
from tests.fakes.refusals import refusal

END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")


@pytest.fixture(scope="module")
def failing() -> FailingLedger:
    """The ledger of the running gateway."""
    return FailingLedger()


@pytest.fixture(scope="module")
async def stack(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, failing: FailingLedger
) -> AsyncIterator[Stack]:
    """A gateway whose ledger can be made to fail."""
    folder = tmp_path_factory.mktemp("gateway")
    async with running_stack(databases, folder, "acme", wrap_ledger=failing.around) as running:
        yield running


@pytest.fixture(scope="module")
async def world(stack: Stack) -> World:
    """An object of each kind."""
    return await open_world(stack)


@pytest.fixture
def ledger(failing: FailingLedger) -> FailingLedger:
    """The ledger, sound at the start of each test."""
    failing.mend()
    return failing


@asynccontextmanager
async def renamed(databases: Databases, server_url: str) -> AsyncIterator[None]:
    """Take the database away: it has another name, and who was connected is so no more."""
    name = databases.owner_url.rpartition("?")[0].rpartition("/")[2]
    server = await asyncpg.connect(server_url)
    async with asyncio.timeout(10):
        while True:
            try:
                await server.execute(END_SESSIONS, name)
                await server.execute(f"ALTER DATABASE {name} RENAME TO {name}_away")
                break
            except asyncpg.ObjectInUseError:
                await asyncio.sleep(0.01)
    try:
        yield
    finally:
        await server.execute(f"ALTER DATABASE {name}_away RENAME TO {name}")
        await server.close()


@pytest.mark.parametrize("name", ["CreateDeposit", "CreateWithdrawal"])
async def test_without_the_ledger_nothing_is_begun(
    stack: Stack, world: World, ledger: FailingLedger, name: str
) -> None:
    """UNAVAILABLE, nothing is stored, and the same request passes later as a new one."""
    request = RPCS[name].sound(world, f"away-{name}")
    request.player_id = f"new-{name.lower()}"  # type: ignore[attr-defined]  # Both have one.
    ledger.is_away = True
    refused = await refusal(RPCS[name].call(stack.channel, request))
    ledger.is_away = False

    assert (refused.code, refused.reason) == UNAVAILABLE
    assert not (await RPCS[name].call(stack.channel, request)).replayed


@pytest.mark.parametrize("name", ["CreateDeposit", "CreateWithdrawal"])
async def test_what_the_ledger_refuses_is_told_with_its_reason(
    stack: Stack, world: World, name: str
) -> None:
    """An account that is another kind of account in the ledger is somebody's to mend."""
    player = f"odd-{name.lower()}"
    await stack.ledger.open("acme", asset(f"liability/player/{player}/cash/eur"))
    request = RPCS[name].sound(world, f"odd-{name}")
    request.player_id = player  # type: ignore[attr-defined]  # Both have one.
    refused = await refusal(RPCS[name].call(stack.channel, request))

    assert (refused.code, refused.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "LEDGER_REFUSED",
    )
    assert refused.metadata == {"ledger_reason": "ACCOUNT_EXISTS_DIFFERENT"}
    assert not await stack.rows(
        "SELECT 1 FROM psp_gateway.requests WHERE request_id = $1", f"odd-{name}"
    )


async def test_a_refund_waits_for_the_deposits_posting(
    stack: Stack, world: World, ledger: FailingLedger
) -> None:
    """Until the deposit is in the books its refund is POSTINGS_PENDING, and may be asked again."""
    assert world
    waiting = await stack.pay("unposted", player="unposted", card=False)
    ledger.is_away = True
    await stack.player_pays(waiting.next_action.redirect.url)

    async def captured() -> bool:
        return "captured" in await stack.facts_of(waiting.deposit_id)

    await stack.until(captured)
    request = create_refund(world, "unposted-refund")
    request.deposit_id = waiting.deposit_id
    refused = await refusal(stack.deposits.CreateRefund(request))
    ledger.is_away = False
    await stack.until_state(waiting.deposit_id, "CAPTURED")

    assert (refused.code, refused.reason) == (grpc.StatusCode.ABORTED, "POSTINGS_PENDING")
    assert not (await stack.deposits.CreateRefund(request)).replayed


async def test_without_the_provider_a_report_is_unavailable(stack: Stack, world: World) -> None:
    """UNAVAILABLE while it is down; the same request passes once it is back."""
    assert world
    business_date = await close_day(stack)
    await stack.admin("outage", {"seconds": 3600})
    refused = await refusal(fetch(stack, business_date, "outage"))
    await stack.admin("outage", {"seconds": 0})

    assert (refused.code, refused.reason) == UNAVAILABLE
    answer = await fetch(stack, business_date, "outage")
    assert (answer.replayed, len(answer.reports)) == (False, 1)


async def test_a_bug_is_told_by_its_incident_only(stack: Stack, world: World) -> None:
    """What nobody foresaw is INTERNAL, with the number of its log line and not a word of it."""
    stack.add_account("broken", deposits=object(), withdrawals=object(), reports=object())
    for name in ("CreateDeposit", "CreateWithdrawal", "FetchSettlementReport"):
        request = RPCS[name].sound(world, f"broken-{name}")
        request.provider_account = "broken"  # type: ignore[attr-defined]  # Each has one.
        refused = await refusal(RPCS[name].call(stack.channel, request))

        assert (refused.code, refused.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
        assert refused.domain == "psp_gateway.vezne"
        assert set(refused.metadata) == {"incident"}
        assert "object" not in refused.message


async def test_without_the_database_everything_is_unavailable(
    stack: Stack, world: World, databases: Databases, server_url: str
) -> None:
    """Every RPC says so, none crashes, and all are served again once it is back."""
    async with renamed(databases, server_url):
        for rpc in RPCS.values():
            request = rpc.sound(world, f"no-database-{rpc.name}")
            refused = await refusal(rpc.call(stack.channel, request))
            assert (refused.code, refused.reason) == UNAVAILABLE, rpc.name

    for rpc in RPCS.values():
        await rpc.call(stack.channel, rpc.sound(world, f"no-database-{rpc.name}"))
