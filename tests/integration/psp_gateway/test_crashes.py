"""What a crash, a lost ledger or a storm of deliveries leaves is finished, once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from services.kernel.money import Money
from services.local.databases import Databases
from services.local.mock_psp.webhooks import Dispatch, signed_headers
from services.psp_gateway.application.facts import Brought, News
from services.psp_gateway.application.records import FactSource, Origin
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.facts import Fact
from services.psp_gateway.domain.machine import Verdict
from tests.fakes.failing_ledger import FailingLedger
from tests.fakes.gateway_server import Stack, running_stack
from tests.fakes.ledger_server import transfer
from vezne.psp_gateway.v1 import deposit_pb2


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


@pytest.fixture
def ledger(failing: FailingLedger) -> FailingLedger:
    """The ledger, sound at the start of each test."""
    failing.mend()
    return failing


@pytest.mark.parametrize("point", ["dies_before", "dies_after", "is_away"])
async def test_the_janitor_finishes_what_the_ledger_was_not_asked(
    stack: Stack, ledger: FailingLedger, point: str
) -> None:
    """A fact that is committed is booked once, wherever the way to the ledger broke."""
    player = f"crash-{point.replace('_', '-')}"
    await stack.pay(f"{player}-warm", player=player, minor_units=1)
    waiting = await stack.pay(player, player=player, card=False)
    setattr(ledger, point, True)
    await stack.player_pays(waiting.next_action.redirect.url)

    async def committed() -> bool:
        return "captured" in await stack.facts_of(waiting.deposit_id)

    async with asyncio.timeout(10):
        while not await committed():
            await asyncio.sleep(0.02)
    assert (await stack.deposit(waiting.deposit_id)).postings_pending == 1
    setattr(ledger, point, False)
    await stack.until_state(waiting.deposit_id, "CAPTURED")

    assert await stack.cash(player) == 2_501


@pytest.mark.parametrize("point", ["dies_before", "dies_after", "dies_recovering"])
async def test_a_debt_is_recovered_whatever_comes_between(
    stack: Stack, ledger: FailingLedger, point: str
) -> None:
    """A credit stands as posted only once what the player owed has been taken from it."""
    player = f"owes-{point.replace('_', '-')}"
    await stack.pay(f"{player}-warm", player=player, minor_units=1)
    receivable = f"asset/player/{player}/receivable/eur"
    await stack.ledger.post(
        "acme", f"{player}-debt", transfer(receivable, "equity/conversion/eur", 2_000)
    )
    waiting = await stack.pay(player, player=player, minor_units=3_000, card=False)
    setattr(ledger, point, True)
    await stack.player_pays(waiting.next_action.redirect.url)
    async with asyncio.timeout(10):
        while not ledger.deaths:
            await asyncio.sleep(0.02)
    ledger.mend()

    await stack.until_state(waiting.deposit_id, "CAPTURED")

    assert await stack.balance(receivable) == 0
    assert await stack.cash(player) == 1_001


async def test_a_lost_ledger_refuses_a_new_deposit_and_keeps_nothing(
    stack: Stack, ledger: FailingLedger
) -> None:
    """Without the ledger no player has accounts, so nothing is stored and the id stays free."""
    ledger.is_away = True
    with pytest.raises(Exception, match="UNAVAILABLE"):
        await stack.pay("lost-ledger", player="nobody-yet")
    ledger.is_away = False

    deposit = await stack.pay("lost-ledger", player="nobody-yet")

    assert deposit.state == deposit_pb2.DEPOSIT_STATE_CAPTURED


async def test_the_same_webhook_a_hundred_times_at_once_counts_once(
    stack: Stack, ledger: FailingLedger
) -> None:
    """Copies that race are all answered 200, stored once and booked once."""
    assert ledger.is_away is False
    deposit = await stack.pay("storm", words=("webhook_never",), player="storm", card=False)
    await stack.player_pays(deposit.next_action.redirect.url)
    listed = await stack.http.get(
        f"{stack.mock.base_url}/admin/accounts/main/deliveries",
        headers={"authorization": f"Bearer {stack.mock.admin_token}"},
        params={"reference": deposit.reference},
    )
    [delivery] = listed.json()["data"]
    dispatch = Dispatch(
        delivery["webhook_id"],
        delivery["type"],
        delivery["object_id"],
        deposit.reference,
        delivery["body"].encode(),
    )

    async def deliver(client: httpx.AsyncClient) -> int:
        now = int(datetime.now(UTC).timestamp())
        headers = signed_headers(dispatch, now, key=stack.webhook_key, old_key=None)
        response = await client.post(stack.webhook_url, content=dispatch.body, headers=headers)
        return response.status_code

    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        answers = await asyncio.gather(*(deliver(client) for _ in range(100)))

    assert set(answers) == {200}
    await stack.until_state(deposit.deposit_id, "CAPTURED")
    assert await stack.cash("storm") == 2_500
    [row] = await stack.rows(
        "SELECT count(*) AS stored FROM psp_gateway.inbox_events WHERE dedupe_key = $1",
        dispatch.webhook_id,
    )
    assert row["stored"] == 1


async def test_a_fact_waits_for_the_posting_that_it_builds_on(
    stack: Stack, ledger: FailingLedger
) -> None:
    """What the player has is read only once what this deposit brought him is in it."""
    await stack.pay("builds-warm", player="builds", minor_units=1)
    waiting = await stack.pay("builds", player="builds", card=False)
    await stack.admin("endpoint", {"url": None})
    await stack.player_pays(waiting.next_action.redirect.url)
    ledger.held, ledger.posted = asyncio.Event(), asyncio.Event()
    common = {"object_id": waiting.deposit_id, "occurred_at": stack.clock()}
    key = waiting.provider_object_id

    async def bring(fact: Fact) -> Brought:
        origin = Origin(FactSource.WORKFLOW)
        news = News(tenant_id=stack.tenant, fact=fact, at=waiting_at, origin=origin)
        return await stack.gateway.facts.bring(news)

    async def captured() -> None:
        amount = Money("EUR", 2_500)
        await bring(facts.DepositCaptured(**common, amount=amount, capture_key=key))
        ledger.posted.set()

    waiting_at = ProviderAccount("mock", "main")
    capturing = asyncio.create_task(captured())
    async with asyncio.timeout(10):
        while "captured" not in await stack.facts_of(waiting.deposit_id):
            await asyncio.sleep(0.01)
    failed = facts.DepositCaptureFailed(**common, amount=Money("EUR", 2_500), failure_key=key)
    first = await bring(failed)
    ledger.held.set()
    await capturing
    ledger.held = None
    second = await bring(failed)

    assert (first.verdict, second.verdict) == (Verdict.DEFERRED, Verdict.APPLIED)
    assert await stack.cash("builds") == 1
    assert await stack.balance("asset/player/builds/receivable/eur") == 0
    await stack.admin("endpoint", {"url": stack.webhook_url})


async def test_a_replayed_request_takes_up_what_a_crash_left(
    stack: Stack, ledger: FailingLedger
) -> None:
    """An attempt that was stored and never called is called by whoever asks again."""
    assert ledger.is_away is False
    request = stack.deposit_request("crashed", player="crashed")
    await stack.scenario("error_before")
    first = await stack.deposits.CreateDeposit(request)
    assert first.deposit.state == deposit_pb2.DEPOSIT_STATE_SUBMIT_UNKNOWN
    stack.clock.advance(minutes=1)

    again = await stack.deposits.CreateDeposit(request)

    assert again.replayed
    assert again.deposit.deposit_id == first.deposit.deposit_id
    assert again.deposit.state == deposit_pb2.DEPOSIT_STATE_CAPTURED
    assert await stack.cash("crashed") == 2_500
