"""Days over HTTP: what the admin makes happen, and the report that ends each day."""

from datetime import date

import pytest

from services.formats import parse
from services.kernel.movements import MovementKind, Pot
from tests.integration.mock_psp.conftest import Desk


async def test_a_casino_day(desk: Desk) -> None:
    """Deposits, a withdrawal, a refund and a chargeback end in a report that agrees to the cent."""
    await desk.act("top_ups", key="float", currency="EUR", amount_minor=100_000)
    intents = [await desk.deposit(f"d-{n}", 10_000) for n in range(3)]
    await desk.act("make_available")
    await desk.post(
        "transfers", reference="w-1", amount_minor=40_000, currency="EUR", destination="iban_1"
    )
    await desk.post(
        "refunds", payment_intent_id=intents[0]["id"], amount_minor=10_000, reference="r-1"
    )
    await desk.act("disputes", payment_intent_id=intents[1]["id"])
    await desk.advance(60)
    before = (await desk.get("balance"))["balances"][0]

    closed = await desk.close_day()

    assert closed["closed"]["main"] == {"batch_number": 1, "date": "2026-03-02"}
    by_number = await desk.api.get("/v1/settlement_reports/1")
    by_date = await desk.api.get("/v1/settlement_reports/2026-03-02")
    assert by_number.content == by_date.content
    report = parse("mock", by_number.content)
    sweep = next(line for line in report.lines if line.kind is MovementKind.SWEEP)
    assert -sweep.net_minor == before["available_minor"] + before["pending_minor"]
    after = (await desk.get("balance"))["balances"][0]
    assert (after["available_minor"], after["in_transit_minor"]) == (0, -sweep.net_minor)
    assert [one.closing_minor for one in report.balances if one.pot is Pot.PROVIDER] == [0]
    await desk.close_day()
    (line,) = (await desk.look("bank_lines"))["data"]
    assert (line["sweep_id"], line["amount_minor"]) == (sweep.movement_key, -sweep.net_minor)


async def test_a_day_of_which_there_is_no_report_yet_is_not_found(desk: Desk) -> None:
    """Only closed days have reports, and each has one, with or without lines."""
    assert (await desk.api.get("/v1/settlement_reports/1")).status_code == 404
    await desk.advance(3 * 86_400)

    listed = (await desk.get("settlement_reports"))["data"]

    assert [(one["batch_number"], date.fromisoformat(one["date"]).day) for one in listed] == [
        (1, 2),
        (2, 3),
        (3, 4),
    ]


async def test_the_admin_can_do_what_providers_do(desk: Desk) -> None:
    """Every unasked act has its call, and its rows and webhooks."""
    await desk.act("top_ups", key="float", currency="EUR", amount_minor=100_000)
    one, two, three = [await desk.deposit(f"d-{n}") for n in range(3)]
    await desk.act(f"payment_intents/{one['id']}/fees", fee_minor=12)
    await desk.act(f"payment_intents/{one['id']}/fail", code="no_funds")
    refund = await desk.act("refunds", payment_intent_id=two["id"], amount_minor=500)
    await desk.act(f"refunds/{refund['id']}/fail")
    inquiry = await desk.act("disputes", payment_intent_id=two["id"], inquiry=True)
    await desk.act(f"disputes/{inquiry['id']}/close")
    dispute = await desk.act("disputes", payment_intent_id=three["id"], amount_minor=4_000)
    await desk.act(f"disputes/{dispute['id']}/win", amount_minor=3_000, fee_returned_minor=1_500)
    await desk.act(f"disputes/{dispute['id']}/withdraw_funds")
    await desk.act(f"disputes/{dispute['id']}/lose")
    transfers = [
        (
            await desk.post(
                "transfers",
                reference=f"w-{n}.transfer_never_final",
                amount_minor=1_000,
                currency="EUR",
                destination="iban_1",
            )
        ).json()["id"]
        for n in range(2)
    ]
    await desk.act(f"transfers/{transfers[0]}/fail", code="closed")
    await desk.act(f"transfers/{transfers[0]}/pay")
    await desk.act(f"transfers/{transfers[1]}/pay")
    await desk.act(f"transfers/{transfers[1]}/return", amount_minor=400, code="r02")
    await desk.act("account_fees", currency="EUR", fee_minor=77)
    reserve = await desk.act("reserves", currency="EUR", amount_minor=900)
    await desk.act(f"reserves/{reserve['id']}/release", amount_minor=100)
    sweep = await desk.act("sweeps", currency="EUR")
    await desk.act(f"sweeps/{sweep['id']}/fail")
    await desk.close_day()

    books = await desk.look("books")
    report = parse("mock", (await desk.api.get("/v1/settlement_reports/1")).content)
    assert {line.kind for line in report.lines} >= {
        MovementKind.CAPTURE_FEE,
        MovementKind.CAPTURE_FAILURE,
        MovementKind.REFUND_FAILURE,
        MovementKind.DISPUTE_REVERSAL,
        MovementKind.WITHDRAWAL_RETURN,
        MovementKind.ACCOUNT_FEE,
        MovementKind.ROLLING_RESERVE_RELEASE,
        MovementKind.SWEEP_FAILURE,
    }
    listed = [row for row in books["rows"] if row["type"] not in {"available", "sweep_arrival"}]
    assert [line.row_id for line in report.lines] == [row["id"] for row in listed]
    told = {one["type"] for one in (await desk.look("deliveries"))["data"]}
    assert {"sweep.failed", "reserve.released", "account.fee_charged", "top_up.succeeded"} <= told


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("clock/advance", {"seconds": -1}, "body_invalid"),
        ("clock/advance", {"seconds": 401 * 86_400}, "body_invalid"),
        ("accounts/nobody/make_available", {}, "not_found"),
        ("accounts/main/scenarios", {"words": ["hope"], "reference": "d"}, "scenario_unknown"),
        ("accounts/main/scenarios", {"words": ["approve"]}, "body_invalid"),
        ("accounts/main/deliveries/evt_0/resend", {}, "not_found"),
        ("accounts/main/disputes/dp_0/lose", {}, "not_found"),
        ("accounts/main/disputes/dp_0/explode", {}, "path_unknown"),
        ("accounts/main/endpoint", {"url": "file:///etc/passwd"}, "body_invalid"),
    ],
)
async def test_what_an_admin_cannot_do(
    desk: Desk, path: str, body: dict[str, object], code: str
) -> None:
    """A wrong admin call is refused with a code that says why."""
    answer = await desk.admin.post(f"/admin/{path}", json=body)

    assert answer.is_client_error
    assert answer.json()["error"]["code"] == code


async def test_scenarios_are_listed(desk: Desk) -> None:
    """Whoever starts a scenario can read what there is."""
    listed = (await desk.admin.get("/admin/scenarios")).json()["data"]

    assert {"word": "approve", "applies_to": "any"}.items() <= listed[0].items()
    assert (await desk.admin.get("/admin/clock")).json() == {
        "now": "2026-03-02T09:00:00Z",
        "runs": False,
    }
