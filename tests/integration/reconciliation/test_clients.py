"""The other services through their stubs: what they send, and how they fail, in our words."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

import grpc
import pytest

from services.kernel.errors import Category, DomainError
from services.local.databases import Databases
from services.platform.channel import open_channel
from services.platform.errors import RemoteError
from services.platform.settings import GrpcClientSettings
from services.reconciliation.adapters.gateway import GatewayClient
from services.reconciliation.adapters.ledger import LedgerClient
from services.reconciliation.application.ports import UnavailableError
from services.reconciliation.domain.inputs import RunScope, ScannedRange
from services.reconciliation.domain.pots import pots_of
from services.reconciliation.domain.reasons import ReconciliationError
from services.reconciliation.domain.rows import Side
from services.reconciliation.domain.steps import ReportState
from tests.fakes.ledger_server import LedgerClient as PostingClient
from tests.fakes.ledger_server import running_ledger, settings, transfer
from tests.fakes.recon_world import MONDAY, World
from tests.fakes.telling_gateway_server import FakeGateway, running_gateway
from vezne.psp_gateway.v1.event_pb2 import EventMovement
from vezne.type.v1.movement_pb2 import MOVEMENT_KIND_UNSPECIFIED, POT_CLEARING

SCOPE = RunScope("acme", "mock", "main", MONDAY)
TIMEOUT_S = 5.0

Item = TypeVar("Item")


@pytest.fixture
async def gateway() -> AsyncIterator[tuple[FakeGateway, GatewayClient]]:
    """A gateway, and our client of it."""
    made = FakeGateway("acme")
    async with running_gateway(made) as target, _channel(target) as channel:
        yield made, GatewayClient(channel, TIMEOUT_S)


@pytest.fixture(scope="module")
async def ledger(databases: Databases) -> AsyncIterator[tuple[PostingClient, LedgerClient]]:
    """A ledger, and our client of it."""
    async with (
        running_ledger(settings(databases.url("ledger"))) as made,
        _channel(f"127.0.0.1:{made.port}") as channel,
    ):
        yield made, LedgerClient(channel, TIMEOUT_S)


def _channel(target: str) -> grpc.aio.Channel:
    return open_channel(GrpcClientSettings(target=target))


async def whole(
    exported: AsyncIterator[Sequence[Item] | ScannedRange],
) -> tuple[list[Item], ScannedRange]:
    """Return all items of an export, and what was scanned."""
    items: list[Item] = []
    async for page in exported:
        if isinstance(page, ScannedRange):
            return items, page
        items += page
    raise AssertionError("an export ends with what was scanned")


async def test_the_ledger_is_read_whole_at_its_cut(
    ledger: tuple[PostingClient, LedgerClient],
) -> None:
    """Export and balances are those of the cut, in debits less credits, of the asked accounts."""
    posting, client = ledger
    world = World(f"t-{uuid4().hex[:8]}", posting, FakeGateway("nobody"))
    await world.open()
    account = replace(SCOPE.account, tenant_id=world.tenant_id)
    await world.deposit(1)
    clearing = "liability/psp/mock/main/withdrawal_clearing/eur"
    submitted = transfer("liability/player/p1/cash/eur", clearing, 250)
    await posting.post(world.tenant_id, "withdrawal-1", submitted)
    cut = await client.cut(world.tenant_id)
    await world.deposit(2)
    accounts = pots_of(await client.account_ids(account))

    items, scanned = await whole(client.export(world.tenant_id, 0, cut, list(accounts)))
    balances = await client.balances(world.tenant_id, list(accounts), cut)

    assert cut == 3
    assert len(accounts) == 7
    assert [item.sequence for item in items] == [1, 2, 3]
    assert [[entry.debit_less_credit_minor for entry in item.entries] for item in items] == [
        [1_000],
        [-30],
        [-250],
    ]
    assert items[0].metadata["movement_key"] == "ch_1"
    assert scanned == ScannedRange(Side.LEDGER, 0, 3, 3, 3)
    assert {
        balance.account_id: balance.debit_less_credit_minor
        for balance in balances
        if balance.debit_less_credit_minor
    } == {"asset/psp/mock/main/pending/eur": 970, clearing: -250}


async def test_an_account_without_ledger_accounts_exports_nothing(
    ledger: tuple[PostingClient, LedgerClient],
) -> None:
    """Without accounts to name, nothing is exported: no filter would mean everything."""
    _, client = ledger

    assert await whole(client.export("anybody", 3, 7, [])) == (
        [],
        ScannedRange(Side.LEDGER, 3, 7, 4, 0),
    )


async def test_an_unknown_tenant_is_our_refusal(
    ledger: tuple[PostingClient, LedgerClient], gateway: tuple[FakeGateway, GatewayClient]
) -> None:
    """What another service refuses for a reason of ours, we refuse for that reason."""
    unknown = replace(SCOPE.account, tenant_id="nobody")

    for call in (ledger[1].cut("nobody"), gateway[1].check_provider_account(unknown)):
        with pytest.raises(ReconciliationError) as refused:
            await call
        assert refused.value.reason == "TENANT_NOT_FOUND"


async def test_gateway_events_are_read_whole(gateway: tuple[FakeGateway, GatewayClient]) -> None:
    """Events come in pages and are all there; a movement of none at the provider has no kind."""
    known, client = gateway
    inside = EventMovement(
        pot=POT_CLEARING,
        amount_minor=-5,
        currency_code="EUR",
        movement_kind=MOVEMENT_KIND_UNSPECIFIED,
    )
    for number in range(5):
        known.happen(f"withdrawal-{number}", "submitted", inside)

    items, scanned = await whole(client.export(SCOPE.account, 1, await client.cut("acme")))

    assert [item.event_sequence for item in items] == [2, 3, 4, 5]
    assert items[0].movements[0].movement_kind is None
    assert items[0].movements[0].amount_minor == -5
    assert scanned == ScannedRange(Side.GATEWAY, 1, 5, 4, 4)


async def test_reports_are_fetched_listed_and_read(
    gateway: tuple[FakeGateway, GatewayClient],
) -> None:
    """A report that is not there is no report; one that is there is read with its bytes."""
    known, client = gateway
    world = World("acme", PostingClient(grpc.aio.insecure_channel("127.0.0.1:1"), 1), known)
    before = await client.fetch_reports(SCOPE.account, MONDAY, "r-1")
    world.report(MONDAY, booked=False)
    held = world.report(MONDAY - timedelta(days=40))

    [fetched] = await client.fetch_reports(SCOPE.account, MONDAY, "r-1")
    listed = await client.list_reports(SCOPE, None)
    recent = await client.list_reports(SCOPE, MONDAY)
    stored = await client.read_report("acme", listed[1].input)

    assert before == ()
    assert fetched.state is ReportState.BOOKING
    assert [report.input.batch_number for report in listed] == [1, 2]
    assert [report.input.batch_number for report in recent] == [1]
    assert stored.content == held.content


async def test_a_report_that_came_short_is_asked_for_again(
    gateway: tuple[FakeGateway, GatewayClient],
) -> None:
    """Bytes that are not those of the report's hash never get through."""
    known, client = gateway
    world = World("acme", PostingClient(grpc.aio.insecure_channel("127.0.0.1:1"), 1), known)
    world.report(MONDAY)
    [report] = await client.list_reports(SCOPE, None)

    with pytest.raises(UnavailableError):
        await client.read_report("acme", replace(report.input, sha256="00" * 32))


@pytest.mark.parametrize(
    ("category", "passes"),
    [
        (Category.INTERNAL, True),
        (Category.LIMIT, True),
        (Category.STATE, False),
        (Category.RANGE, False),
    ],
)
async def test_failures_are_those_that_may_pass_and_others(
    gateway: tuple[FakeGateway, GatewayClient], category: Category, passes: bool
) -> None:
    """What may pass is UNAVAILABLE and tried again; what nobody expected stays what it is."""
    known, client = gateway
    known.fail_next = [DomainError("SOMETHING", category, "said the gateway")]

    with pytest.raises(UnavailableError if passes else RemoteError):
        await client.cut("acme")
