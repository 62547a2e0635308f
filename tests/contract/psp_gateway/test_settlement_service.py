"""SettlementService: each RPC, what it answers and what it refuses."""

import hashlib
from collections.abc import Sequence

import grpc
import pytest

from tests.fakes.gateway_reports import booked, close_day, fetch
from tests.fakes.gateway_rpcs import RPCS
from tests.fakes.gateway_server import ACCOUNT, PROVIDER, Stack
from tests.fakes.refusals import refusal
from vezne.psp_gateway.v1 import settlement_service_pb2 as pb
from vezne.psp_gateway.v1.settlement_service_pb2_grpc import SettlementServiceStub
from vezne.type.v1 import movement_pb2

NOBODY = "01900000-0000-7000-8000-000000000000"
NEVER = "1999-12-31"
ANOTHERS = "second"


@pytest.fixture(scope="module")
async def days(stack: Stack) -> Sequence[str]:
    """Two days that are booked, and the second of another account too: refused, it is not its."""
    made = []
    for number in range(2):
        await stack.pay(f"pay-{number}", player="anna")
        made.append(await close_day(stack))
        await fetch(stack, made[-1], f"day-{number}")
        await booked(stack, made[-1])
    stack.add_account(ANOTHERS)
    await ask(stack, request_id="anothers", provider_account=ANOTHERS, business_date=made[1])
    return made


async def ask(stack: Stack, **fields: str) -> pb.FetchSettlementReportResponse:
    """Ask for the reports of a date."""
    asked = {"tenant_id": "acme", "provider": PROVIDER, "provider_account": ACCOUNT, **fields}
    return await SettlementServiceStub(stack.channel).FetchSettlementReport(
        pb.FetchSettlementReportRequest(**asked)
    )


async def listed(stack: Stack, **filters: object) -> Sequence[pb.SettlementReport]:
    """List reports."""
    request = pb.ListSettlementReportsRequest(tenant_id="acme", **filters)  # type: ignore[arg-type]  # Fields of the caller's choice.
    return (await SettlementServiceStub(stack.channel).ListSettlementReports(request)).reports


async def streamed(stack: Stack, report_id: str) -> tuple[pb.SettlementReport, bytes]:
    """Read a report to its end: what is known of it, and its bytes."""
    request = pb.StreamSettlementReportRequest(tenant_id="acme", report_id=report_id)
    first, *rest = await RPCS["StreamSettlementReport"].call(stack.channel, request)
    assert not any(one.HasField("report") for one in rest)
    return first.report, b"".join(one.chunk for one in rest)


async def test_a_report_says_what_it_holds(stack: Stack, days: Sequence[str]) -> None:
    """The file, its period, its sums and balances by pot, and how far it is booked."""
    [report] = await listed(
        stack, states=[pb.SETTLEMENT_REPORT_STATE_BOOKED], from_business_date=days[1]
    )

    assert (report.provider, report.provider_account) == (PROVIDER, ACCOUNT)
    assert (report.business_date, report.report_format) == (days[1], "mock")
    assert (report.batch_number, len(report.sha256)) == (2, 32)
    assert report.period_start_time.ToDatetime() < report.period_end_time.ToDatetime()
    assert report.line_count == report.processed_line_count > 0
    assert report.posted_sequence > 0
    assert report.book_time.ToDatetime() >= report.create_time.ToDatetime()
    [total] = report.totals
    assert total.currency_code == "EUR"
    assert total.gross_minor - total.fee_minor == total.net_minor
    moved = {one.pot: one.closing_minor - one.opening_minor for one in report.balances}
    assert moved[movement_pb2.POT_PROVIDER] == total.net_minor
    assert not report.refusal_message


async def test_a_report_of_another_provider_account_is_refused(
    stack: Stack, days: Sequence[str]
) -> None:
    """A file that names another account is never booked into this one's; a person hears of it."""
    [report] = await listed(stack, provider_account=ANOTHERS)

    assert report.state == pb.SETTLEMENT_REPORT_STATE_REFUSED
    assert report.refusal_message == f"It is of the account {ACCOUNT!r}"
    assert report.line_count == report.posted_sequence == 0
    assert report.business_date == days[1]
    [row] = await stack.rows(
        "SELECT kind, report_id::text FROM psp_gateway.exceptions WHERE provider_account = $1",
        ANOTHERS,
    )
    assert (row["kind"], row["report_id"]) == ("REPORT_REFUSED", report.report_id)


async def test_a_wrong_question_is_refused_with_its_reason(
    stack: Stack, days: Sequence[str]
) -> None:
    """Nothing is stored for it: the same request id may be used for a right one."""
    stack.add_account("bare", reports=None)
    for changed, reason, code in (
        ({"tenant_id": "Acme"}, "INVALID_REQUEST", grpc.StatusCode.INVALID_ARGUMENT),
        ({"request_id": "a b"}, "INVALID_REQUEST", grpc.StatusCode.INVALID_ARGUMENT),
        ({"business_date": "2026-1-1"}, "INVALID_REQUEST", grpc.StatusCode.INVALID_ARGUMENT),
        ({"business_date": "2026-02-30"}, "INVALID_REQUEST", grpc.StatusCode.INVALID_ARGUMENT),
        ({"provider": "other"}, "PROVIDER_ACCOUNT_NOT_FOUND", grpc.StatusCode.NOT_FOUND),
        ({"provider_account": "no"}, "PROVIDER_ACCOUNT_NOT_FOUND", grpc.StatusCode.NOT_FOUND),
        ({"provider_account": "bare"}, "CAPABILITY_MISSING", grpc.StatusCode.FAILED_PRECONDITION),
        (
            {"business_date": "2999-01-01"},
            "SETTLEMENT_REPORT_NOT_AVAILABLE",
            grpc.StatusCode.FAILED_PRECONDITION,
        ),
    ):
        asked = {"request_id": "wrong", "business_date": days[0], **changed}
        refused = await refusal(ask(stack, **asked))
        assert (refused.reason, refused.code) == (reason, code), changed
        assert refused.domain == "psp_gateway.vezne"

    right = await ask(stack, request_id="wrong", business_date=days[0])
    assert not right.replayed


async def test_reports_are_listed_the_latest_first(stack: Stack, days: Sequence[str]) -> None:
    """By business date, whenever they were fetched."""
    found = await listed(stack)

    assert [one.business_date for one in found] == [days[1], days[1], days[0]]


async def test_every_filter_of_a_list_filters(stack: Stack, days: Sequence[str]) -> None:
    """What is asked for is found, and what is not is left out, for each filter alone."""
    [report] = await listed(stack, provider_account=ACCOUNT, through_business_date=days[0])

    for fits, does_not in (
        ({"provider": PROVIDER}, {"provider": "other"}),
        ({"provider_account": ACCOUNT}, {"provider_account": ANOTHERS}),
        ({"from_business_date": days[0]}, {"from_business_date": days[1]}),
        ({"through_business_date": days[0]}, {"through_business_date": NEVER}),
        (
            {"states": [pb.SETTLEMENT_REPORT_STATE_BOOKED]},
            {"states": [pb.SETTLEMENT_REPORT_STATE_REFUSED, pb.SETTLEMENT_REPORT_STATE_BOOKING]},
        ),
        ({"report_id": report.report_id}, {"report_id": NOBODY}),
    ):
        assert report.report_id in [one.report_id for one in await listed(stack, **fits)], fits
        found = await listed(stack, **does_not)
        assert report.report_id not in [one.report_id for one in found], does_not


@pytest.mark.parametrize(
    "filters",
    [
        {"from_business_date": "2026-02-30"},
        {"through_business_date": "tomorrow"},
        {"states": [0]},
        {"states": [99]},
        {"states": [1, 1]},
        {"report_id": "x"},
        {"provider": "Mock"},
    ],
    ids=str,
)
async def test_a_wrong_filter_is_refused(stack: Stack, filters: dict[str, object]) -> None:
    """A filter that can let nothing through by its shape is told, not answered with nothing."""
    refused = await refusal(listed(stack, **filters))

    assert (refused.reason, refused.code) == (
        "INVALID_REQUEST",
        grpc.StatusCode.INVALID_ARGUMENT,
    )
    assert refused.fields[0].partition("[")[0] in filters


async def test_whatever_was_stored_is_streamed(stack: Stack, days: Sequence[str]) -> None:
    """A refused file too, byte by byte: a person has to look at it."""
    assert days
    for report in await listed(stack):
        told, content = await streamed(stack, report.report_id)
        assert told == report
        assert hashlib.sha256(content).digest() == report.sha256
        assert len(content) == report.size_bytes > 0


async def test_what_is_not_there_is_not_streamed(stack: Stack) -> None:
    """An id of nothing is not found, and what is no id is invalid."""
    for report_id, reason, code in (
        (NOBODY, "SETTLEMENT_REPORT_NOT_FOUND", grpc.StatusCode.NOT_FOUND),
        ("x", "INVALID_REQUEST", grpc.StatusCode.INVALID_ARGUMENT),
    ):
        refused = await refusal(streamed(stack, report_id))
        assert (refused.reason, refused.code) == (reason, code)
