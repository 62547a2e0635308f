"""WithdrawalService: each RPC, what it answers and what it refuses."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from services.psp_gateway.application.object_records import WithdrawalDecision
from tests.fakes.gateway_server import Stack
from tests.fakes.refusals import refusal
from tests.fakes.withdrawal_desk import Desk
from vezne.psp_gateway.v1 import withdrawal_pb2
from vezne.psp_gateway.v1 import withdrawal_service_pb2 as pb

NOBODY = "01900000-0000-7000-8000-000000000000"
INT64_MAX = 2**63 - 1

Change = Callable[[pb.CreateWithdrawalRequest], None]


@pytest.fixture(scope="module")
async def desk(stack: Stack) -> Desk:
    """The callers of a gateway without Temporal: what they ask for stays REQUESTED."""
    return Desk(stack)


def field(name: str, value: object) -> Change:
    """Return what sets a field of a request, or of its amount."""

    def change(request: pb.CreateWithdrawalRequest) -> None:
        parent, _, child = name.rpartition(".")
        setattr(getattr(request, parent) if parent else request, child, value)

    return change


def approval(person: str, now: datetime) -> WithdrawalDecision:
    """Return a person's approval."""
    return WithdrawalDecision(
        decision_id=f"d-{person}", kind="APPROVED", decided_by=person, comment="", decided_at=now
    )


REFUSED: list[tuple[Change, str, grpc.StatusCode]] = [
    (field("tenant_id", "Not A Tenant"), "INVALID_REQUEST", grpc.StatusCode.INVALID_ARGUMENT),
    (field("player_id", ""), "INVALID_REQUEST", grpc.StatusCode.INVALID_ARGUMENT),
    (field("destination_token", ""), "INVALID_REQUEST", grpc.StatusCode.INVALID_ARGUMENT),
    (field("requested_by", ""), "INVALID_REQUEST", grpc.StatusCode.INVALID_ARGUMENT),
    (field("amount.minor_units", 0), "INVALID_REQUEST", grpc.StatusCode.INVALID_ARGUMENT),
    (field("player_fee_minor", -1), "INVALID_REQUEST", grpc.StatusCode.INVALID_ARGUMENT),
    (field("amount.currency_code", "XXQ"), "UNKNOWN_CURRENCY", grpc.StatusCode.INVALID_ARGUMENT),
    (field("tenant_id", "nobody"), "PROVIDER_ACCOUNT_NOT_FOUND", grpc.StatusCode.NOT_FOUND),
    (field("provider_account", "other"), "PROVIDER_ACCOUNT_NOT_FOUND", grpc.StatusCode.NOT_FOUND),
    (
        field("amount.currency_code", "GBP"),
        "CURRENCY_NOT_SUPPORTED",
        grpc.StatusCode.FAILED_PRECONDITION,
    ),
    (field("player_fee_minor", INT64_MAX), "OUT_OF_RANGE", grpc.StatusCode.OUT_OF_RANGE),
]


@pytest.mark.parametrize(
    ("change", "reason", "code"), REFUSED, ids=[f"{n}-{one[1]}" for n, one in enumerate(REFUSED)]
)
async def test_a_wrong_request_is_refused_with_its_reason(
    desk: Desk, change: Change, reason: str, code: grpc.StatusCode
) -> None:
    """Nothing is stored for it: the same request id may be used for a right one."""
    request = desk.request("refused", 2_500)
    change(request)

    refused = await refusal(desk.create(request))

    assert (refused.reason, refused.code) == (reason, code)
    assert refused.domain == "psp_gateway.vezne"
    right = desk.request("refused", 2_500, request_id=request.request_id)
    assert not (await desk.create(right)).replayed


async def test_a_provider_account_that_cannot_pay_is_refused(desk: Desk) -> None:
    """A provider declares what it can do; paying third parties is no matter of course."""
    desk.stack.add_account("bare", withdrawals=None)

    refused = await refusal(desk.create(desk.request("p1", 1, provider_account="bare")))

    assert (refused.reason, refused.metadata) == (
        "CAPABILITY_MISSING",
        {"capability": "WITHDRAWALS"},
    )


async def test_too_much_metadata_is_refused(desk: Desk) -> None:
    """A caller's free data has a limit as a whole."""
    refused = await refusal(desk.create(desk.request("p1", 1, metadata={"a": "x" * 2_048})))

    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("metadata",))


async def test_a_withdrawal_is_stored_as_it_was_asked_for(desk: Desk) -> None:
    """It is answered at once, REQUESTED, with its first event and the id of its workflow."""
    request = desk.request("p2", 2_500, player_fee_minor=50, metadata={"a": "b"})

    response = await desk.create(request)

    made = response.withdrawal
    assert not response.replayed
    assert made.state == withdrawal_pb2.WITHDRAWAL_STATE_REQUESTED
    assert made.waiting_for == withdrawal_pb2.WITHDRAWAL_WAIT_UNSPECIFIED
    assert (made.request_id, made.player_id) == (request.request_id, "p2")
    assert (made.amount, made.player_fee_minor) == (request.amount, 50)
    assert (made.destination_token, made.requested_by) == ("iban_tok_1", "p2")
    assert made.metadata == {"a": "b"}
    assert not made.HasField("approvals_required")
    assert made.workflow_id == f"withdrawal/acme/{made.withdrawal_id}"
    assert await desk.stack.facts_of(made.withdrawal_id) == ["created"]
    assert made == await desk.get(made.withdrawal_id)


async def test_the_same_request_is_one_withdrawal(desk: Desk) -> None:
    """However often and at the same moment it comes, one is made, and the others are replays."""
    request = desk.request("p3", 2_500)

    responses = await asyncio.gather(*(desk.create(request) for _ in range(8)))

    assert len({one.withdrawal.withdrawal_id for one in responses}) == 1
    assert sum(not one.replayed for one in responses) == 1


async def test_a_request_id_with_another_body_is_refused(desk: Desk) -> None:
    """An id names one request for ever."""
    request = desk.request("p4", 2_500)
    await desk.create(request)
    request.amount.minor_units = 2_501

    refused = await refusal(desk.create(request))

    assert (refused.reason, refused.code) == (
        "REQUEST_ID_REUSED",
        grpc.StatusCode.ALREADY_EXISTS,
    )


async def test_a_withdrawal_is_found_by_its_id_or_its_request(desk: Desk) -> None:
    """Another tenant's, and what is no withdrawal, is not found."""
    made = (await desk.create(desk.request("p5", 2_500))).withdrawal
    await desk.stack.pay("a-deposit", player="p5")

    async def by(**which: str) -> withdrawal_pb2.Withdrawal:
        request = pb.GetWithdrawalRequest(**{"tenant_id": "acme", **which})  # type: ignore[arg-type]  # Fields of the caller's choice.
        return (await desk.withdrawals.GetWithdrawal(request)).withdrawal

    assert await by(withdrawal_id=made.withdrawal_id) == made
    assert await by(request_id=made.request_id) == made
    for which in (
        {"withdrawal_id": NOBODY},
        {"request_id": "never-used"},
        {"request_id": "a-deposit"},
        {"tenant_id": "other", "withdrawal_id": made.withdrawal_id},
    ):
        refused = await refusal(by(**which))
        assert (refused.reason, refused.code) == (
            "WITHDRAWAL_NOT_FOUND",
            grpc.StatusCode.NOT_FOUND,
        )


async def test_withdrawals_are_listed_the_newest_first_page_by_page(desk: Desk) -> None:
    """A page goes on where the one before ended, and a token fits its own request only."""
    made = [
        (await desk.create(desk.request("p6", 100 + number))).withdrawal.withdrawal_id
        for number in range(5)
    ]
    request = pb.ListWithdrawalsRequest(tenant_id="acme", player_id="p6", page_size=2)

    found: list[str] = []
    while True:
        page = await desk.withdrawals.ListWithdrawals(request)
        found += [one.withdrawal_id for one in page.withdrawals]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token

    assert found == made[::-1]
    request.player_id = "p7"
    refused = await refusal(desk.withdrawals.ListWithdrawals(request))
    assert refused.reason == "INVALID_PAGE_TOKEN"


async def test_every_filter_of_a_list_filters(desk: Desk) -> None:
    """What is asked for is found, and what is not is left out, for each filter alone."""
    asked = desk.request("p8", 2_500, requested_by="agent-8")
    made = (await desk.create(asked)).withdrawal
    steps = desk.stack.gateway.withdrawal_steps
    await desk.fund("p8", 10_000)
    await steps.reserve("acme", made.withdrawal_id)
    await steps.ask_rules("acme", made.withdrawal_id)
    before, after = Timestamp(), Timestamp()
    before.FromMilliseconds(made.create_time.ToMilliseconds() - 60_000)
    after.FromMilliseconds(made.create_time.ToMilliseconds() + 86_400_000)

    async def finds(**filters: object) -> bool:
        request = pb.ListWithdrawalsRequest(tenant_id="acme", page_size=200, **filters)  # type: ignore[arg-type]  # Fields of the caller's choice.
        page = await desk.withdrawals.ListWithdrawals(request)
        return made.withdrawal_id in [one.withdrawal_id for one in page.withdrawals]

    in_review = withdrawal_pb2.WITHDRAWAL_STATE_IN_REVIEW
    approvals = withdrawal_pb2.WITHDRAWAL_WAIT_APPROVALS
    assert await finds()
    for fits, does_not in (
        ({"player_id": "p8"}, {"player_id": "p9"}),
        ({"provider": "mock"}, {"provider": "other"}),
        ({"provider_account": "main"}, {"provider_account": "other"}),
        ({"states": [in_review]}, {"states": [withdrawal_pb2.WITHDRAWAL_STATE_PAID]}),
        (
            {"waiting_for": [approvals]},
            {"waiting_for": [withdrawal_pb2.WITHDRAWAL_WAIT_FUNDING]},
        ),
        ({"requested_by": "agent-8"}, {"requested_by": "agent-9"}),
        ({"from_create_time": before}, {"from_create_time": after}),
        ({"before_create_time": after}, {"before_create_time": before}),
    ):
        assert await finds(**fits), fits
        assert not await finds(**does_not), does_not


async def test_a_withdrawal_is_listed_by_an_attempt_and_shows_its_last(desk: Desk) -> None:
    """Our reference, or the provider's id, of one of its attempts leads to it."""
    await desk.fund("p10", 10_000)
    withdrawal_id = await desk.withdraw("p10", 2_500, words=["rate_limited"])
    steps = desk.stack.gateway.withdrawal_steps
    await steps.reserve("acme", withdrawal_id)
    await steps.ask_rules("acme", withdrawal_id)
    for person in ("boris", "dana"):
        await steps.decide("acme", withdrawal_id, approval(person, desk.stack.clock()))
    await steps.submit("acme", withdrawal_id)
    await steps.submit("acme", withdrawal_id)
    attempts = (await desk.get(withdrawal_id)).attempts

    async def listed(**filters: str) -> list[withdrawal_pb2.Withdrawal]:
        request = pb.ListWithdrawalsRequest(tenant_id="acme", **filters)  # type: ignore[arg-type]  # Fields of the caller's choice.
        return list((await desk.withdrawals.ListWithdrawals(request)).withdrawals)

    assert [one.attempt_number for one in attempts] == [1, 2]
    assert attempts[0].outcome == withdrawal_pb2.ATTEMPT_OUTCOME_NOT_SENT
    [by_reference] = await listed(reference=attempts[0].reference)
    assert [one.attempt_number for one in by_reference.attempts] == [2]
    [by_provider] = await listed(provider_object_id=attempts[1].provider_object_id)
    assert by_provider.withdrawal_id == withdrawal_id
    assert await listed(reference="w-nobody") == []
