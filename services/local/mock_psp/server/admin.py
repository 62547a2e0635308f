"""The admin API under /admin, with its own token: time, scenarios, what providers do unasked."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.kernel.errors import Category, DomainError
from services.local.mock_psp.account import Account
from services.local.mock_psp.books import Done
from services.local.mock_psp.scenarios import SCENARIOS
from services.local.mock_psp.server.deliveries import Endpoint
from services.local.mock_psp.server.requests import body_of, world_of, write_down
from services.local.mock_psp.server.shapes import (
    Amount,
    Body,
    Code,
    Json,
    Nothing,
    OptionalAmount,
    Reference,
    balance_json,
    delivery_json,
    dispute_json,
    intent_json,
    moment,
    refund_json,
    report_json,
    row_json,
    transfer_json,
)
from services.local.mock_psp.server.world import World

Value = TypeVar("Value")

_SECONDS_MAX = 400 * 86_400


class Advance(Body):
    """How far to move the clock."""

    seconds: int = Field(ge=0, le=_SECONDS_MAX)


class Choose(Body):
    """Words for a reference, or for the next object of a kind: exactly one of the two."""

    words: tuple[str, ...] = Field(min_length=1, max_length=10, strict=False)
    reference: Reference | None = None
    next: Literal["payment_intent", "refund", "transfer"] | None = None


class OpenDispute(Body):
    """A dispute of a payment intent, wholly unless an amount is given."""

    payment_intent_id: str
    amount_minor: Amount | None = None
    code: Code = "fraud"
    inquiry: bool = False


class WinDispute(Body):
    """What a dispute gives back: the whole round unless an amount is given."""

    amount_minor: Amount | None = None
    fee_returned_minor: int = Field(default=0, ge=0)


class Because(Body):
    """Why something failed."""

    code: Code = "account_closed"


class GiveBack(Because):
    """How much of a transfer comes back, and why; all that is left unless an amount is given."""

    amount_minor: Amount | None = None


class RefundUnasked(Body):
    """A refund that the operator did not ask for."""

    payment_intent_id: str
    amount_minor: Amount | None = None


class ChargeFee(Body):
    """A fee, below zero to give one back."""

    fee_minor: Annotated[int, Field(ge=-(10**15), le=10**15)]


class Sum(Body):
    """An amount of a currency."""

    currency: str
    amount_minor: Amount


class ChargeAccount(ChargeFee):
    """A fee that belongs to no object."""

    currency: str


class TopUp(Sum):
    """Money from the operator's bank; the same key tops up once."""

    key: Reference


class Sweep(Body):
    """Which currency to sweep."""

    currency: str


class SetEndpoint(Body):
    """Where webhooks go; none to withhold them."""

    url: Annotated[str, Field(pattern=r"^https?://", max_length=2048)] | None


class Outage(Body):
    """How long the API answers 503, in the provider's time; 0 ends it."""

    seconds: int = Field(ge=0, le=_SECONDS_MAX)


@dataclass(frozen=True, slots=True)
class Call:
    """One admin call about an account, with all done that was due by `now`."""

    request: Request
    world: World
    account: Account
    now: datetime

    @property
    def id(self) -> str:
        """The id in the path."""
        return str(self.request.path_params["id"])

    def tell(self, done: Done[Value]) -> Value:
        """Send the webhooks of what was done, and return what it made."""
        return self.account.tell(done, self.now)


Act = Callable[[Call, Any], Json]
"""What a call does with a body of the shape that stands beside it in the table of routes."""


def _on_account(shape: type[Body], act: Act) -> Callable[[Request], Awaitable[Response]]:
    """Wrap what is done to an account: token, body, due things first, webhooks afterwards."""

    async def handle(request: Request) -> Response:
        world = world_of(request)
        world.check_admin(request.headers.get("authorization", ""))
        asked = await body_of(request, shape)
        # After the body there is no await: nothing can happen between `now` and the act.
        now = world.clock.now()
        account = world.account(request.path_params["account"], now)
        if request.method == "POST":
            write_down(request, account, now)
        answer = act(Call(request, world, account, now), asked)
        world.flush(account)
        return JSONResponse(answer)

    return handle


# The clock


async def get_clock(request: Request) -> Response:
    """GET /admin/clock."""
    world = world_of(request)
    world.check_admin(request.headers.get("authorization", ""))
    return JSONResponse({"now": moment(world.clock.now()), "runs": world.clock.runs})


async def advance(request: Request) -> Response:
    """POST /admin/clock/advance {seconds}: everything due on the way happens, in order."""
    world = world_of(request)
    world.check_admin(request.headers.get("authorization", ""))
    asked = await body_of(request, Advance)
    return JSONResponse({"now": moment(await world.advance(timedelta(seconds=asked.seconds)))})


async def close_day(request: Request) -> Response:
    """POST /admin/clock/close_day: move on to midnight, so that every account's day is closed."""
    world = world_of(request)
    world.check_admin(request.headers.get("authorization", ""))
    await body_of(request, Nothing)
    world.catch_up()
    closing = {name: account.days.period for name, account in world.accounts.items()}
    end = max(period.end for period in closing.values())
    await world.advance(end - world.clock.now())
    return JSONResponse(
        {
            "now": moment(world.clock.now()),
            "closed": {
                name: {
                    "batch_number": period.batch_number,
                    "date": period.start.date().isoformat(),
                }
                for name, period in closing.items()
            },
        }
    )


async def list_scenarios(request: Request) -> Response:
    """GET /admin/scenarios."""
    world_of(request).check_admin(request.headers.get("authorization", ""))
    return JSONResponse(
        {
            "data": [
                {"word": one.word, "applies_to": one.applies_to, "about": one.about}
                for one in SCENARIOS.values()
            ]
        }
    )


# What an account holds


def get_books(call: Call, _asked: Nothing) -> Json:
    """GET books: every balance and every row."""
    return {
        **balance_json(call.account),
        "rows": [row_json(row) for row in call.account.books.rows],
        "reports": [report_json(one) for one in call.account.days.reports],
    }


def list_bank_lines(call: Call, _asked: Nothing) -> Json:
    """GET bank_lines: what the operator's bank statement shows of this account's sweeps."""
    return {
        "data": [
            {
                "sweep_id": sweep.sweep_id,
                "currency": sweep.currency,
                "amount_minor": sweep.amount_minor - sweep.bank_fee_minor,
                "bank_fee_minor": sweep.bank_fee_minor,
                "booked": moment(sweep.paid_at),
                "state": sweep.state,
            }
            for sweep in call.account.books.funds.sweeps()
            if sweep.paid_at is not None
        ]
    }


def list_deliveries(call: Call, _asked: Nothing) -> Json:
    """GET deliveries, all or those of ?reference=."""
    reference = call.request.query_params.get("reference")
    return {
        "data": [
            delivery_json(one)
            for one in call.world.deliveries.of_account(call.account.name)
            if reference is None or one.dispatch.reference == reference
        ]
    }


def resend(call: Call, _asked: Nothing) -> Json:
    """POST deliveries/{id}/resend: deliver a webhook once more, soundly signed."""
    delivery = call.world.deliveries.resend(call.account.name, call.id)
    if delivery is None:
        raise DomainError("NOT_FOUND", Category.NOT_FOUND, "This webhook is not kept")
    return delivery_json(delivery)


def set_endpoint(call: Call, asked: SetEndpoint) -> Json:
    """POST endpoint {url}: where this account's webhooks go from now on."""
    old = call.world.endpoints[call.account.name]
    call.world.endpoints[call.account.name] = Endpoint(asked.url, old.key, old.old_key)
    return {"url": asked.url}


def set_outage(call: Call, asked: Outage) -> Json:
    """POST outage {seconds}: the API of this account answers 503 for so long."""
    until = call.now + timedelta(seconds=asked.seconds)
    call.world.outages_until[call.account.name] = until
    return {"until": moment(until)}


def choose(call: Call, asked: Choose) -> Json:
    """POST scenarios {words, reference | next}."""
    unknown = [word for word in asked.words if word not in SCENARIOS]
    if unknown:
        raise DomainError("SCENARIO_UNKNOWN", Category.SHAPE, f"There is no scenario {unknown[0]}")
    if asked.reference is not None and asked.next is None:
        call.account.choose(asked.words, asked.reference)
    elif asked.next is not None and asked.reference is None:
        call.account.choose_next(asked.words, asked.next)
    else:
        raise DomainError("BODY_INVALID", Category.SHAPE, "Give either a reference or next")
    return {"words": list(asked.words)}


# What a provider does unasked


def make_available(call: Call, _asked: Nothing) -> Json:
    """POST make_available: do now what the close of the day would."""
    done = call.account.books.funds.make_available(call.now)
    return {"payment_intents": call.tell(done)}


def top_up(call: Call, asked: TopUp) -> Json:
    """POST top_ups {key, currency, amount_minor}."""
    done = call.account.books.funds.top_up(asked.key, asked.currency, asked.amount_minor, call.now)
    return {"id": call.tell(done)}


def charge_account_fee(call: Call, asked: ChargeAccount) -> Json:
    """POST account_fees {currency, fee_minor}."""
    done = call.account.books.funds.charge_account_fee(asked.currency, asked.fee_minor, call.now)
    return {"id": call.tell(done)}


def keep_reserve(call: Call, asked: Sum) -> Json:
    """POST reserves {currency, amount_minor}."""
    done = call.account.books.funds.keep_reserve(asked.currency, asked.amount_minor, call.now)
    return {"id": call.tell(done).reserve_id}


def release_reserve(call: Call, asked: OptionalAmount) -> Json:
    """POST reserves/{id}/release {amount_minor?}."""
    reserve_id = call.id
    done = call.account.books.funds.release_reserve(reserve_id, call.now, asked.amount_minor)
    return {"id": reserve_id, "left_minor": call.tell(done).left_minor}


def sweep(call: Call, asked: Sweep) -> Json:
    """POST sweeps {currency}: send what is available to the bank now."""
    made = call.tell(call.account.books.funds.sweep(asked.currency, call.now))
    if made is None:
        return {"id": None, "amount_minor": 0}
    return {"id": made.sweep_id, "amount_minor": made.amount_minor}


def fail_sweep(call: Call, _asked: Nothing) -> Json:
    """POST sweeps/{id}/fail."""
    failed = call.tell(call.account.books.funds.fail_sweep(call.id, call.now))
    return {"id": failed.sweep_id, "state": failed.state}


def fail_intent(call: Call, asked: Because) -> Json:
    """POST payment_intents/{id}/fail {code}: a captured payment fails after all."""
    done = call.account.books.payment_intents.fail_capture(call.id, asked.code, call.now)
    return intent_json(call.tell(done), call.account, str(call.request.base_url))


def charge_fee(call: Call, asked: ChargeFee) -> Json:
    """POST payment_intents/{id}/fees {fee_minor}."""
    done = call.account.books.payment_intents.charge_fee(call.id, asked.fee_minor, call.now)
    return intent_json(call.tell(done), call.account, str(call.request.base_url))


def refund_unasked(call: Call, asked: RefundUnasked) -> Json:
    """POST refunds {payment_intent_id, amount_minor?}."""
    return refund_json(
        call.account.refund_unasked(asked.payment_intent_id, asked.amount_minor, call.now)
    )


def fail_refund(call: Call, asked: Because) -> Json:
    """POST refunds/{id}/fail {code}: before or after it succeeded."""
    done = call.account.books.refunds.fail(call.id, asked.code, call.now)
    return refund_json(call.tell(done))


def open_dispute(call: Call, asked: OpenDispute) -> Json:
    """POST disputes {payment_intent_id, amount_minor?, code, inquiry}."""
    disputes = call.account.books.disputes
    begin = disputes.inquire if asked.inquiry else disputes.open
    done = begin(asked.payment_intent_id, asked.code, call.now, asked.amount_minor)
    return dispute_json(call.tell(done))


def win_dispute(call: Call, asked: WinDispute) -> Json:
    """POST disputes/{id}/win {amount_minor?, fee_returned_minor}; even after it was lost."""
    done = call.account.books.disputes.win(
        call.id, call.now, asked.amount_minor, asked.fee_returned_minor
    )
    return dispute_json(call.tell(done))


def move_dispute(call: Call, _asked: Nothing) -> Json:
    """POST disputes/{id}/{withdraw_funds | lose | close}."""
    disputes = call.account.books.disputes
    moves = {
        "withdraw_funds": disputes.withdraw_funds,
        "lose": disputes.lose,
        "close": disputes.close_inquiry,
    }
    move = moves.get(call.request.path_params["move"])
    if move is None:
        raise DomainError("PATH_UNKNOWN", Category.NOT_FOUND, "There is no such call")
    return dispute_json(call.tell(move(call.id, call.now)))


def pay_transfer(call: Call, _asked: Nothing) -> Json:
    """POST transfers/{id}/pay: now, even after it failed."""
    done = call.account.books.transfers.pay(call.id, call.now)
    return transfer_json(call.tell(done))


def fail_transfer(call: Call, asked: Because) -> Json:
    """POST transfers/{id}/fail {code}."""
    done = call.account.books.transfers.fail(call.id, asked.code, call.now)
    return transfer_json(call.tell(done))


def return_transfer(call: Call, asked: GiveBack) -> Json:
    """POST transfers/{id}/return {code, amount_minor?}."""
    done = call.account.books.transfers.give_back(call.id, asked.code, call.now, asked.amount_minor)
    return transfer_json(call.tell(done))


_ACTS: Sequence[tuple[str, str, type[Body], Act]] = (
    ("GET", "books", Nothing, get_books),
    ("GET", "bank_lines", Nothing, list_bank_lines),
    ("GET", "deliveries", Nothing, list_deliveries),
    ("POST", "deliveries/{id}/resend", Nothing, resend),
    ("POST", "endpoint", SetEndpoint, set_endpoint),
    ("POST", "outage", Outage, set_outage),
    ("POST", "scenarios", Choose, choose),
    ("POST", "make_available", Nothing, make_available),
    ("POST", "top_ups", TopUp, top_up),
    ("POST", "account_fees", ChargeAccount, charge_account_fee),
    ("POST", "reserves", Sum, keep_reserve),
    ("POST", "reserves/{id}/release", OptionalAmount, release_reserve),
    ("POST", "sweeps", Sweep, sweep),
    ("POST", "sweeps/{id}/fail", Nothing, fail_sweep),
    ("POST", "payment_intents/{id}/fail", Because, fail_intent),
    ("POST", "payment_intents/{id}/fees", ChargeFee, charge_fee),
    ("POST", "refunds", RefundUnasked, refund_unasked),
    ("POST", "refunds/{id}/fail", Because, fail_refund),
    ("POST", "disputes", OpenDispute, open_dispute),
    ("POST", "disputes/{id}/win", WinDispute, win_dispute),
    ("POST", "disputes/{id}/{move}", Nothing, move_dispute),
    ("POST", "transfers/{id}/pay", Nothing, pay_transfer),
    ("POST", "transfers/{id}/fail", Because, fail_transfer),
    ("POST", "transfers/{id}/return", GiveBack, return_transfer),
)

ROUTES = [
    Route("/admin/clock", get_clock),
    Route("/admin/clock/advance", advance, methods=["POST"]),
    Route("/admin/clock/close_day", close_day, methods=["POST"]),
    Route("/admin/scenarios", list_scenarios),
    *(
        Route(f"/admin/accounts/{{account}}/{path}", _on_account(shape, act), methods=[method])
        for method, path, shape, act in _ACTS
    ),
]
