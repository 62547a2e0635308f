"""A report that is booked while the ledger is away: when it may say that its postings are in."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from services.local.databases import Databases
from tests.fakes.failing_ledger import FailingLedger
from tests.fakes.gateway_reports import booked, close_day, fetch, reports
from tests.fakes.gateway_server import Stack, running_stack
from vezne.ledger.v1.journal_service_pb2 import GetCutRequest
from vezne.psp_gateway.v1 import settlement_service_pb2 as pb

BOOKING = pb.SETTLEMENT_REPORT_STATE_BOOKING


@pytest.fixture(scope="module")
def ledger() -> FailingLedger:
    """The ledger of the running gateway."""
    return FailingLedger()


@pytest.fixture(scope="module")
async def stack(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, ledger: FailingLedger
) -> AsyncIterator[Stack]:
    """A gateway whose ledger can be made to fail, and which hears no webhooks."""
    folder = tmp_path_factory.mktemp("gateway")
    async with running_stack(databases, folder, "acme", wrap_ledger=ledger.around) as running:
        await running.admin("endpoint", {"url": None})
        yield running


async def test_a_report_is_booked_only_once_its_last_posting_is_in(
    stack: Stack, ledger: FailingLedger
) -> None:
    """Every line is decided, and the ledger is away: it stays BOOKING, without a sequence.

    It does so still when the ledger is back, until the janitor has asked for the last of them.
    """
    # What only a report tells: nothing of it was posted before, and no line waits for another.
    await stack.admin("top_ups", {"key": "top-up", "currency": "EUR", "amount_minor": 10_000})
    await stack.admin("account_fees", {"currency": "EUR", "fee_minor": 120})
    business_date = await close_day(stack)
    ledger.is_away = True
    [begun] = (await fetch(stack, business_date, "day")).reports

    async def decided() -> bool:
        [report] = await reports(stack)
        return report.processed_line_count == report.line_count > 1

    await stack.until(decided)
    for _ in range(3):
        stack.clock.advance(minutes=10)
        await stack.gateway.janitor.sweep("acme")
        [waiting] = await reports(stack)
        assert (waiting.state, waiting.posted_sequence) == (BOOKING, 0)
    ledger.mend()
    stack.clock.advance(hours=1)
    for _ in range(begun.line_count - 1):
        assert await stack.gateway.janitor.finish_intents("acme", limit=1) == 1
        await stack.gateway.settlement.book("acme", UUID(begun.report_id))
        [waiting] = await reports(stack)
        assert (waiting.state, waiting.posted_sequence) == (BOOKING, 0)

    report = await booked(stack, business_date)

    cut = await stack.ledger.journal.GetCut(GetCutRequest(tenant_id="acme"))
    [posted] = await stack.rows(
        "SELECT count(*) AS all, max(ledger_sequence) AS last FROM psp_gateway.posting_intents"
        " WHERE state = 'POSTED'"
    )
    assert posted["all"] == report.line_count
    assert report.posted_sequence == posted["last"] == cut.cut.sequence
    assert report.exception_count == 0
