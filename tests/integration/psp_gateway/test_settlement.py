"""Settlement reports end to end: fetched, stored, booked once, and handed on as they came."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime

import grpc
import pytest

from services.formats import parse
from services.local.databases import Databases
from services.local.mock_psp.books import Bucket
from services.platform.errors import from_rpc_error
from services.psp_gateway.application.providers import Connection
from services.psp_gateway.application.reading import Request
from services.psp_gateway.application.settlement import FetchReport
from services.psp_gateway.domain.accounts import ProviderAccount
from tests.fakes.gateway_reports import booked, close_day, fetch
from tests.fakes.gateway_server import ACCOUNT, PROVIDER, Stack, running_stack
from vezne.ledger.v1.journal_service_pb2 import GetCutRequest, GetTrialBalanceRequest
from vezne.psp_gateway.v1 import settlement_service_pb2 as pb
from vezne.psp_gateway.v1.settlement_service_pb2_grpc import SettlementServiceStub

STEM = f"psp/{PROVIDER}/{ACCOUNT}"


@pytest.fixture
async def stack(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """A gateway of a tenant of its own, whose provider keeps a reserve."""
    tenant = f"tenant-{secrets.token_hex(4)}"
    async with running_stack(
        databases,
        tmp_path_factory.mktemp("gateway"),
        tenant,
        rolling_reserve_basis_points=500,
    ) as running:
        yield running


async def ledger_sequence(stack: Stack) -> int:
    """Return the ledger's sequence."""
    cut = await stack.ledger.journal.GetCut(GetCutRequest(tenant_id=stack.tenant))
    return cut.cut.sequence


async def everything_agrees(stack: Stack) -> None:
    """Check every bucket, the way to the bank included, and that the books balance."""
    await stack.until(stack.agree)
    world = stack.mock.world
    buckets = world.account(ACCOUNT, world.clock.now()).books.buckets("EUR")
    assert await stack.balance(f"asset/{STEM}/in_transit/eur") == buckets[Bucket.IN_TRANSIT]
    trial = await stack.ledger.journal.GetTrialBalance(
        GetTrialBalanceRequest(tenant_id=stack.tenant)
    )
    assert [one.debit_minor - one.credit_minor for one in trial.totals] == [0]


async def test_a_day_is_booked_and_carries_the_ledgers_sequence(stack: Stack) -> None:
    """When every line is in, the report says at which sequence, and both sides agree."""
    first = await stack.pay("one", player="anna")
    await stack.pay("two", player="bert", minor_units=900, words=("chargeback_lost",))
    await stack.admin("account_fees", {"currency": "EUR", "fee_minor": 120})
    await stack.until(stack.agree)
    business_date = await close_day(stack)

    answer = await fetch(stack, business_date, "day-1")
    report = await booked(stack, business_date)

    assert [one.report_id for one in answer.reports] == [report.report_id]
    assert report.batch_number == 1
    assert report.line_count == report.processed_line_count > 4
    assert report.exception_count == 0
    assert 0 < report.posted_sequence <= await ledger_sequence(stack)
    assert report.totals[0].net_minor == 0, "a swept day nets to zero"
    await everything_agrees(stack)
    found = await stack.deposit(first.deposit_id)
    assert found.settlement_state == 3, "SWEPT"


async def test_a_day_without_webhooks_is_booked_from_its_report(stack: Stack) -> None:
    """What no webhook told the report tells; what nobody asked us for is for people."""
    await stack.admin("endpoint", {"url": None})
    paid = await stack.pay("quiet", player="anna", card=False)
    await stack.player_pays(paid.next_action.redirect.url)
    disputed = await stack.pay("quiet-2", player="bert")
    await stack.admin("disputes", {"payment_intent_id": disputed.provider_object_id})
    business_date = await close_day(stack)
    await fetch(stack, business_date, "day-1")

    report = await booked(stack, business_date)

    assert await stack.cash("anna") == 2_500
    # The dispute is a money movement that nobody told: it is not booked, and a person hears of it.
    assert report.exception_count == 1
    [row] = await stack.rows(
        "SELECT kind, amount_minor FROM psp_gateway.exceptions WHERE tenant_id = $1", stack.tenant
    )
    assert (row["kind"], row["amount_minor"]) == ("REPORT_UNKNOWN_OBJECT", -4_000)


async def test_a_file_that_is_sent_twice_posts_once(stack: Stack) -> None:
    """Fetching a date again, by any request id and however often at once, books nothing more."""
    await stack.pay("once", player="anna")
    business_date = await close_day(stack)
    await asyncio.gather(*(fetch(stack, business_date, f"day-{n}") for n in range(8)))
    report = await booked(stack, business_date)
    before = await ledger_sequence(stack)

    again = await fetch(stack, business_date, "day-again")
    await stack.gateway.janitor.sweep(stack.tenant)

    assert [one.report_id for one in again.reports] == [report.report_id]
    assert await ledger_sequence(stack) == before
    await everything_agrees(stack)


async def test_another_file_for_an_accepted_batch_is_refused(stack: Stack) -> None:
    """Two versions of a batch that both tie are never both booked: a person hears of the second."""
    for player in ("anna", "bert"):
        await stack.pay(f"versions-{player}", player=player)
    business_date = await close_day(stack)
    await fetch(stack, business_date, "day-1")
    await booked(stack, business_date)
    before = await ledger_sequence(stack)
    connection, [content] = await files_of(stack, business_date)

    await stack.gateway.settlement._store_one(
        asked_for(stack, business_date), connection, other_version(content)
    )

    found = (await fetch(stack, business_date, "day-2")).reports
    assert sorted(one.state for one in found) == [
        pb.SETTLEMENT_REPORT_STATE_BOOKED,
        pb.SETTLEMENT_REPORT_STATE_REFUSED,
    ]
    assert await ledger_sequence(stack) == before
    assert await refused_reports(stack) == 1


async def test_of_versions_that_come_at_once_one_is_accepted(stack: Stack) -> None:
    """Two versions that are fetched at the same moment, many times over, end with one of them."""
    for player in ("anna", "bert"):
        await stack.pay(f"at-once-{player}", player=player)
    business_date = await close_day(stack)
    connection, [content] = await files_of(stack, business_date)
    asked = asked_for(stack, business_date)

    await asyncio.gather(
        *(
            stack.gateway.settlement._store_one(asked, connection, version)
            for version in (content, other_version(content)) * 4
        )
    )

    rows = await stack.rows(
        "SELECT state FROM psp_gateway.settlement_reports WHERE tenant_id = $1 ORDER BY state",
        stack.tenant,
    )
    assert [row["state"] for row in rows] == ["BOOKING", "REFUSED"]
    assert await refused_reports(stack) == 1


async def files_of(stack: Stack, business_date: str) -> tuple[Connection, Sequence[bytes]]:
    """Return the provider account, and its files of a date as the provider hands them out."""
    connection = stack.gateway.connections.of(stack.tenant, ProviderAccount(PROVIDER, ACCOUNT))
    assert connection.reports is not None
    files = await connection.reports.fetch(date.fromisoformat(business_date))
    return connection, files or ()


def asked_for(stack: Stack, business_date: str) -> FetchReport:
    """Return the use case's command to fetch a date."""
    request = Request(
        tenant_id=stack.tenant,
        request_id="a-version",
        method="FetchSettlementReport",
        request_hash=b"",
    )
    at = ProviderAccount(PROVIDER, ACCOUNT)
    return FetchReport(request=request, at=at, business_date=date.fromisoformat(business_date))


def other_version(content: bytes) -> bytes:
    """Return another file of the same batch: its two first lines change places, all totals tie."""
    lines = content.splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if line.startswith(b"[lines]")) + 2
    lines[first], lines[first + 1] = lines[first + 1], lines[first]
    return b"".join(lines)


async def refused_reports(stack: Stack) -> int:
    """Return how many refused reports people were told of; nothing else was told."""
    rows = await stack.rows(
        "SELECT kind FROM psp_gateway.exceptions WHERE tenant_id = $1", stack.tenant
    )
    assert {row["kind"] for row in rows} <= {"REPORT_REFUSED"}
    return len(rows)


async def test_a_report_is_handed_on_as_it_came(stack: Stack) -> None:
    """The stream begins with what is known of the file, and its bytes have its hash."""
    await stack.pay("bytes", player="anna")
    business_date = await close_day(stack)
    await fetch(stack, business_date, "day-1")
    report = await booked(stack, business_date)

    stream = SettlementServiceStub(stack.channel).StreamSettlementReport(
        pb.StreamSettlementReportRequest(tenant_id=stack.tenant, report_id=report.report_id)
    )
    messages = [message async for message in stream]

    content = b"".join(message.chunk for message in messages[1:])
    assert str(messages[0].report) == str(report)
    assert hashlib.sha256(content).digest() == report.sha256
    assert len(content) == report.size_bytes
    assert parse(report.report_format, content).batch_number == 1


async def test_a_file_that_does_not_tie_is_refused_whole(stack: Stack) -> None:
    """Nothing of a wrong file is booked, and a person hears of it, with the line."""
    await stack.pay("untied", player="anna", words=("report_wrong_total",))
    await stack.until(stack.agree)
    business_date = await close_day(stack)
    await stack.until(stack.agree)
    before = await ledger_sequence(stack)

    [report] = (await fetch(stack, business_date, "day-1")).reports

    assert report.state == pb.SETTLEMENT_REPORT_STATE_REFUSED
    assert report.refused_line_number > 0
    assert "0.01 EUR" in report.refusal_message
    assert await ledger_sequence(stack) == before
    [row] = await stack.rows(
        "SELECT kind FROM psp_gateway.exceptions WHERE tenant_id = $1", stack.tenant
    )
    assert row["kind"] == "REPORT_REFUSED"


FAULTS = [
    ("report_extra_line", "REPORT_UNKNOWN_OBJECT", 1),
    ("report_altered_line", "CAPTURE_CONTRADICTED", 1),
    ("report_duplicated_line", "", 0),
    ("report_missing_line", "", 0),
]


@pytest.mark.parametrize(("word", "kind", "count"), FAULTS)
async def test_a_line_that_contradicts_us_is_never_booked(
    stack: Stack, word: str, kind: str, count: int
) -> None:
    """The player keeps what he was credited with, and people hear of what they can decide."""
    await stack.pay("fault", player="anna", words=(word,))
    business_date = await close_day(stack)
    await fetch(stack, business_date, "day-1")

    report = await booked(stack, business_date)

    assert await stack.cash("anna") == 2_500
    assert report.exception_count == count
    found = await stack.rows(
        "SELECT kind FROM psp_gateway.exceptions WHERE tenant_id = $1", stack.tenant
    )
    assert [row["kind"] for row in found] == [kind] * count


async def test_a_date_without_a_report_yet_is_told_so(stack: Stack) -> None:
    """The provider has no report of today: the request may be repeated, and its id stays free."""
    today = datetime.now(UTC).date().isoformat()
    for _ in range(2):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await fetch(stack, today, "early")
        assert from_rpc_error(refused.value).reason == "SETTLEMENT_REPORT_NOT_AVAILABLE"
