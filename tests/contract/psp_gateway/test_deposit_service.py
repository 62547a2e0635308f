"""DepositService: each RPC, what it answers and what it refuses."""

import asyncio
from collections.abc import Callable

import pytest
from google.protobuf.message import Message

from tests.fakes.gateway_server import Stack
from tests.fakes.refusals import refusal
from vezne.psp_gateway.v1 import deposit_pb2
from vezne.psp_gateway.v1 import deposit_service_pb2 as pb
from vezne.type.v1.money_pb2 import Money

NOBODY = "01900000-0000-7000-8000-000000000000"


def _set(path: str, value: object) -> Callable[[Message], None]:
    """Return what sets one field of a request."""

    def change(message: Message) -> None:
        target: object = message
        *parents, name = path.split(".")
        for parent in parents:
            target = getattr(target, parent)
        setattr(target, name, value)

    return change


REFUSED = [
    (_set("amount.currency_code", "XYZ"), "UNKNOWN_CURRENCY"),
    (_set("amount.currency_code", "GBP"), "CURRENCY_NOT_SUPPORTED"),
    (_set("amount.minor_units", 0), "INVALID_REQUEST"),
    (_set("amount.minor_units", -5), "INVALID_REQUEST"),
    (_set("provider", "other"), "PROVIDER_ACCOUNT_NOT_FOUND"),
    (_set("provider_account", "second"), "PROVIDER_ACCOUNT_NOT_FOUND"),
    (_set("tenant_id", "globex"), "PROVIDER_ACCOUNT_NOT_FOUND"),
    (_set("tenant_id", "Acme"), "INVALID_REQUEST"),
    (_set("request_id", ""), "INVALID_REQUEST"),
    (_set("player_id", "a b"), "INVALID_REQUEST"),
    (_set("return_url", "ftp://x"), "INVALID_REQUEST"),
    (_set("capture_mode", deposit_pb2.CAPTURE_MODE_MANUAL), "NOT_IMPLEMENTED"),
]


@pytest.mark.parametrize(("change", "reason"), REFUSED, ids=range(len(REFUSED)))
async def test_create_refuses(stack: Stack, change: Callable[[Message], None], reason: str) -> None:
    """Each wrong field is refused by its reason, nothing is stored, and the id stays free."""
    request = stack.deposit_request(f"refused-{reason.lower()}", player="careful")
    change(request)

    error = await refusal(stack.deposits.CreateDeposit(request))

    assert error.reason == reason
    assert not await stack.rows(
        "SELECT 1 FROM psp_gateway.requests WHERE request_id = $1", request.request_id
    )


async def test_create_is_answered_again_by_its_request_id(stack: Stack) -> None:
    """The same request is the same deposit, as it is now, however often it is asked at once."""
    request = stack.deposit_request("again", player="again")

    answers = await asyncio.gather(*(stack.deposits.CreateDeposit(request) for _ in range(20)))

    assert len({one.deposit.deposit_id for one in answers}) == 1
    assert sum(not one.replayed for one in answers) == 1
    await stack.until_state(answers[0].deposit.deposit_id, "CAPTURED")
    assert await stack.cash("again") == 2_500


async def test_a_request_id_is_not_used_twice(stack: Stack) -> None:
    """The same id with another body, or for another RPC, is refused and does nothing."""
    await stack.pay("taken", player="taken")
    other_body = stack.deposit_request("taken", 2_501, "taken")
    refund = pb.CreateRefundRequest(
        tenant_id="acme",
        request_id="taken",
        deposit_id=NOBODY,
        amount=Money(currency_code="EUR", minor_units=1),
        requested_by="agent",
    )

    first = await refusal(stack.deposits.CreateDeposit(other_body))
    second = await refusal(stack.deposits.CreateRefund(refund))

    assert (first.reason, second.reason) == ("REQUEST_ID_REUSED", "REQUEST_ID_REUSED")
    assert await stack.cash("taken") == 2_500


async def test_create_refuses_what_it_does_not_know(stack: Stack) -> None:
    """A field that this release does not know is refused: it may have asked for less."""
    request = stack.deposit_request("unknown-field")
    unknown = pb.CreateDepositRequest.FromString(request.SerializeToString() + b"\xfa\x3f\x04true")

    error = await refusal(stack.deposits.CreateDeposit(unknown))

    assert error.reason == "UNKNOWN_FIELD"


async def test_get_finds_a_deposit_by_either_name(stack: Stack) -> None:
    """By id and by the request that created it the same deposit is found; another tenant's not."""
    deposit = await stack.pay("named", player="named", card=False)
    by_request = await stack.deposits.GetDeposit(
        pb.GetDepositRequest(tenant_id="acme", request_id="named")
    )

    assert by_request.deposit == await stack.deposit(deposit.deposit_id)
    assert by_request.deposit.next_action.redirect.url
    for request in (
        pb.GetDepositRequest(tenant_id="acme", deposit_id=NOBODY),
        pb.GetDepositRequest(tenant_id="acme", request_id="nobody"),
        pb.GetDepositRequest(tenant_id="globex", deposit_id=deposit.deposit_id),
    ):
        assert (await refusal(stack.deposits.GetDeposit(request))).reason == "DEPOSIT_NOT_FOUND"


async def test_list_pages_and_filters(stack: Stack) -> None:
    """Pages hold each deposit once, the newest first, and never what only the player may have."""
    made = [
        (await stack.pay(f"page-{n}", 100 + n, player="pager", card=n % 2 == 0)).deposit_id
        for n in range(5)
    ]
    request = pb.ListDepositsRequest(tenant_id="acme", player_id="pager", page_size=2)
    found: list[deposit_pb2.Deposit] = []
    while True:
        page = await stack.deposits.ListDeposits(request)
        found += page.deposits
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token

    assert [one.deposit_id for one in found] == made[::-1]
    assert not any(one.HasField("next_action") for one in found)
    captured = await stack.deposits.ListDeposits(
        pb.ListDepositsRequest(
            tenant_id="acme", player_id="pager", states=[deposit_pb2.DEPOSIT_STATE_CAPTURED]
        )
    )
    assert [one.deposit_id for one in captured.deposits] == [made[4], made[2], made[0]]
    unsettled = await stack.deposits.ListDeposits(
        pb.ListDepositsRequest(
            tenant_id="acme",
            player_id="pager",
            settlement_states=[deposit_pb2.SETTLEMENT_STATE_UNSETTLED],
        )
    )
    assert len(unsettled.deposits) == 3, "what is not captured has no settlement state"
    request.player_id = "other"
    assert (await refusal(stack.deposits.ListDeposits(request))).reason == "INVALID_PAGE_TOKEN"


async def test_refund_and_dispute_are_refused_by_their_reasons(stack: Stack) -> None:
    """What is not there is not found, and what was not captured is not refunded."""
    waiting = await stack.pay("waiting", player="waiting", card=False)
    paid = await stack.pay("paid", player="paid")

    def ask(request_id: str, deposit_id: str, code: str = "EUR") -> pb.CreateRefundRequest:
        return pb.CreateRefundRequest(
            tenant_id="acme",
            request_id=request_id,
            deposit_id=deposit_id,
            amount=Money(currency_code=code, minor_units=1),
            requested_by="agent",
        )

    for request, reason in (
        (ask("refund-1", NOBODY), "DEPOSIT_NOT_FOUND"),
        (ask("refund-2", waiting.deposit_id), "DEPOSIT_NOT_REFUNDABLE"),
        (ask("refund-3", paid.deposit_id, "JPY"), "CURRENCY_MISMATCH"),
        (ask("refund-4", paid.deposit_id, "XYZ"), "UNKNOWN_CURRENCY"),
        (ask("refund-5", "not-a-uuid"), "INVALID_REQUEST"),
    ):
        assert (await refusal(stack.deposits.CreateRefund(request))).reason == reason
    missing = pb.GetRefundRequest(tenant_id="acme", refund_id=NOBODY)
    assert (await refusal(stack.deposits.GetRefund(missing))).reason == "REFUND_NOT_FOUND"
    nothing = pb.GetDisputeRequest(tenant_id="acme", dispute_id=NOBODY)
    assert (await refusal(stack.deposits.GetDispute(nothing))).reason == "DISPUTE_NOT_FOUND"


async def test_a_refund_is_answered_again_by_its_request_id(stack: Stack) -> None:
    """The same request is the same refund, however often it is asked at once."""
    deposit = await stack.pay("refund-again", player="refund-again")
    request = pb.CreateRefundRequest(
        tenant_id="acme",
        request_id="refund-once",
        deposit_id=deposit.deposit_id,
        amount=Money(currency_code="EUR", minor_units=1_000),
        requested_by="agent",
    )

    answers = await asyncio.gather(*(stack.deposits.CreateRefund(request) for _ in range(10)))

    assert len({one.refund.refund_id for one in answers}) == 1
    assert sum(not one.replayed for one in answers) == 1
    by_request = await stack.deposits.GetRefund(
        pb.GetRefundRequest(tenant_id="acme", request_id="refund-once")
    )
    assert by_request.refund.refund_id == answers[0].refund.refund_id

    async def left() -> bool:
        return await stack.cash("refund-again") == 1_500

    await stack.until(left)
