"""The provider's API: what an operator's gateway calls, under /v1, with the account's token."""

from collections.abc import Callable, Sequence
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.kernel.errors import Category, DomainError
from services.local.mock_psp.account import Account
from services.local.mock_psp.scenarios import Answer, Plan
from services.local.mock_psp.server.errors import error_response, refused
from services.local.mock_psp.server.idempotency import Call, Recorded
from services.local.mock_psp.server.requests import body_bytes, body_of, world_of, write_down
from services.local.mock_psp.server.shapes import (
    CreateIntent,
    CreateRefund,
    CreateTransfer,
    Json,
    Nothing,
    OptionalAmount,
    balance_json,
    dispute_json,
    intent_json,
    refund_json,
    report_json,
    transfer_json,
)
from services.local.mock_psp.server.world import World

_CREATED = 201
_KEY_LENGTH_MAX = 255
_JSON = {"content-type": "application/json"}
_ONCE = (Answer.TIMEOUT_BEFORE, Answer.ERROR_BEFORE, Answer.CONFLICT, Answer.RATE_LIMITED)


def _account(request: Request) -> tuple[World, Account, datetime]:
    """Return whose call this is, and its time; in an outage all is answered 503."""
    world = world_of(request)
    now = world.clock.now()
    account = world.authenticated(request.headers.get("authorization", ""), now)
    until = world.outages_until.get(account.name)
    if until is not None and now < until:
        raise DomainError("UNAVAILABLE", Category.UNAVAILABLE, "The service is down")
    return world, account, now


async def _create(
    request: Request,
    kind: str,
    read: Callable[[bytes], tuple[str, Callable[[Account, str, datetime], Json]]],
) -> Response:
    """Make something once a key, and let the answer suffer what the plan says.

    Args:
        request: the call.
        kind: `payment_intent`, `refund` or `transfer`.
        read: gives the reference that the body names, and what makes the object.
    """
    body = await body_bytes(request)
    world, account, now = _account(request)
    reference, make = read(body)
    key = request.headers.get("idempotency-key", "")
    if not 0 < len(key) <= _KEY_LENGTH_MAX:
        raise DomainError(
            "KEY_MISSING", Category.SHAPE, "The header Idempotency-Key has 1 to 255 characters"
        )
    write_down(request, account, now)
    call = world.calls.begin(account.name, key, request.url.path, body, now)
    if call.recorded is not None:
        return _replayed(call.recorded)
    plan = account.expect(kind, reference)
    if plan.answer in _ONCE and call.attempts == 1:
        return await _fail_before(world, plan.answer)
    # Since the body was read there was no await: the object and its answer are one step.
    answer = _record(call, plan, lambda: make(account, call.books_key, now))
    deliveries = world.flush(account)
    match plan.answer:
        case Answer.TIMEOUT_AFTER:
            await world.hang()
            return _no_answer()
        case Answer.TRUNCATED:
            return Response(answer.body[: len(answer.body) // 2], answer.status_code, _JSON)
        case Answer.AFTER_WEBHOOKS:
            call.in_progress = True
            try:
                await world.until_tried(deliveries)
            finally:
                call.in_progress = False
    return Response(answer.body, answer.status_code, _JSON)


def _record(call: Call, plan: Plan, make: Callable[[], Json]) -> Recorded:
    """Make the object and keep the answer, the wrong one if that is the plan."""
    try:
        made = make()
    except DomainError as error:
        response: Response = refused(error)
    else:
        if plan.answer is Answer.AMOUNT_DIFFERS:
            made["amount_minor"] += 1
        elif plan.answer is Answer.CURRENCY_DIFFERS:
            made["currency"] = "GBP" if made["currency"] != "GBP" else "EUR"
        response = JSONResponse(made, _CREATED)
        if plan.answer is Answer.ERROR_AFTER:
            response = error_response(500, "api_error", "internal", "Something went wrong")
    call.recorded = Recorded(response.status_code, bytes(response.body))
    return call.recorded


def _replayed(recorded: Recorded) -> Response:
    headers = {**_JSON, "idempotency-replayed": "true"}
    return Response(recorded.body, recorded.status_code, headers)


async def _fail_before(world: World, answer: Answer) -> Response:
    match answer:
        case Answer.TIMEOUT_BEFORE:
            await world.hang()
            return _no_answer()
        case Answer.CONFLICT:
            return error_response(
                409, "idempotency_error", "key_in_use", "A call with this key is going on"
            )
        case Answer.RATE_LIMITED:
            return error_response(
                429, "rate_limit_error", "rate_limited", "Too many calls", {"retry-after": "1"}
            )
        case _:
            return error_response(500, "api_error", "internal", "Something went wrong")


def _no_answer() -> Response:
    return error_response(504, "api_error", "timeout", "This took too long")


async def create_intent(request: Request) -> Response:
    """POST /v1/payment_intents."""

    def read(body: bytes) -> tuple[str, Callable[[Account, str, datetime], Json]]:
        asked = CreateIntent.model_validate_json(body)

        def make(account: Account, key: str, now: datetime) -> Json:
            intent = account.create_intent(
                key,
                reference=asked.reference,
                amount_minor=asked.amount_minor,
                currency=asked.currency,
                now=now,
                manual_capture=asked.capture == "manual",
                at_once=asked.stored_card is not None,
            )
            if asked.return_url is not None:
                account.return_urls[intent.intent_id] = asked.return_url
            return intent_json(intent, account, str(request.base_url))

        return asked.reference, make

    return await _create(request, "payment_intent", read)


async def create_refund(request: Request) -> Response:
    """POST /v1/refunds."""

    def read(body: bytes) -> tuple[str, Callable[[Account, str, datetime], Json]]:
        asked = CreateRefund.model_validate_json(body)

        def make(account: Account, key: str, now: datetime) -> Json:
            refund = account.create_refund(
                key,
                intent_id=asked.payment_intent_id,
                amount_minor=asked.amount_minor,
                reference=asked.reference,
                now=now,
            )
            return refund_json(refund)

        return asked.reference, make

    return await _create(request, "refund", read)


async def create_transfer(request: Request) -> Response:
    """POST /v1/transfers."""

    def read(body: bytes) -> tuple[str, Callable[[Account, str, datetime], Json]]:
        asked = CreateTransfer.model_validate_json(body)

        def make(account: Account, key: str, now: datetime) -> Json:
            transfer = account.create_transfer(
                key,
                reference=asked.reference,
                amount_minor=asked.amount_minor,
                currency=asked.currency,
                destination=asked.destination,
                now=now,
            )
            return transfer_json(transfer)

        return asked.reference, make

    return await _create(request, "transfer", read)


async def capture_intent(request: Request) -> Response:
    """POST /v1/payment_intents/{id}/capture; a second capture is refused by the state."""
    asked = await body_of(request, OptionalAmount)
    world, account, now = _account(request)
    write_down(request, account, now)
    intent = account.capture(request.path_params["id"], asked.amount_minor, now)
    world.flush(account)
    return JSONResponse(intent_json(intent, account, str(request.base_url)))


async def cancel_intent(request: Request) -> Response:
    """POST /v1/payment_intents/{id}/cancel."""
    await body_of(request, Nothing)
    world, account, now = _account(request)
    write_down(request, account, now)
    intent = account.tell(account.books.payment_intents.cancel(request.path_params["id"], now), now)
    world.flush(account)
    return JSONResponse(intent_json(intent, account, str(request.base_url)))


async def get_intent(request: Request) -> Response:
    """GET /v1/payment_intents/{id}."""
    _, account, _ = _account(request)
    intent = account.books.payment_intents.get(request.path_params["id"])
    return JSONResponse(intent_json(intent, account, str(request.base_url)))


async def find_intents(request: Request) -> Response:
    """GET /v1/payment_intents?reference=."""
    _, account, _ = _account(request)
    reference = _asked(request, "reference")
    return _found(
        [
            intent_json(one, account, str(request.base_url))
            for one in account.books.payment_intents.all()
            if one.reference == reference
        ]
    )


async def get_refund(request: Request) -> Response:
    """GET /v1/refunds/{id}."""
    _, account, _ = _account(request)
    return JSONResponse(refund_json(account.books.refunds.get(request.path_params["id"])))


async def find_refunds(request: Request) -> Response:
    """GET /v1/refunds?reference=."""
    _, account, _ = _account(request)
    reference = _asked(request, "reference")
    return _found(
        [refund_json(one) for one in account.books.refunds.all() if one.reference == reference]
    )


async def get_dispute(request: Request) -> Response:
    """GET /v1/disputes/{id}."""
    _, account, _ = _account(request)
    return JSONResponse(dispute_json(account.books.disputes.get(request.path_params["id"])))


async def find_disputes(request: Request) -> Response:
    """GET /v1/disputes?payment_intent_id=."""
    _, account, _ = _account(request)
    intent_id = _asked(request, "payment_intent_id")
    return _found(
        [dispute_json(one) for one in account.books.disputes.all() if one.intent_id == intent_id]
    )


async def get_transfer(request: Request) -> Response:
    """GET /v1/transfers/{id}."""
    _, account, _ = _account(request)
    return JSONResponse(transfer_json(account.books.transfers.get(request.path_params["id"])))


async def find_transfers(request: Request) -> Response:
    """GET /v1/transfers?reference=."""
    _, account, _ = _account(request)
    reference = _asked(request, "reference")
    return _found(
        [transfer_json(one) for one in account.books.transfers.all() if one.reference == reference]
    )


async def get_balance(request: Request) -> Response:
    """GET /v1/balance."""
    _, account, _ = _account(request)
    return JSONResponse(balance_json(account))


async def list_reports(request: Request) -> Response:
    """GET /v1/settlement_reports."""
    _, account, _ = _account(request)
    return _found([report_json(one) for one in account.days.reports])


async def get_report(request: Request) -> Response:
    """GET /v1/settlement_reports/{batch number or date}: the CSV."""
    _, account, _ = _account(request)
    wanted = request.path_params["batch"]
    for report in account.days.reports:
        period = report.period
        if wanted in (str(period.batch_number), period.start.date().isoformat()):
            name = f"settlement_{account.name}_{period.batch_number}.csv"
            return Response(
                report.content,
                headers={
                    "content-type": "text/csv; charset=utf-8",
                    "content-disposition": f'attachment; filename="{name}"',
                },
            )
    raise DomainError("NOT_FOUND", Category.NOT_FOUND, f"There is no report {wanted!r} yet")


def _asked(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if not value:
        raise DomainError("QUERY_INVALID", Category.SHAPE, f"The query needs {name}")
    return value


def _found(data: Sequence[Json]) -> Response:
    return JSONResponse({"object": "list", "data": list(data)})


ROUTES = [
    Route("/v1/payment_intents", create_intent, methods=["POST"]),
    Route("/v1/payment_intents", find_intents),
    Route("/v1/payment_intents/{id}", get_intent),
    Route("/v1/payment_intents/{id}/capture", capture_intent, methods=["POST"]),
    Route("/v1/payment_intents/{id}/cancel", cancel_intent, methods=["POST"]),
    Route("/v1/refunds", create_refund, methods=["POST"]),
    Route("/v1/refunds", find_refunds),
    Route("/v1/refunds/{id}", get_refund),
    Route("/v1/disputes", find_disputes),
    Route("/v1/disputes/{id}", get_dispute),
    Route("/v1/transfers", create_transfer, methods=["POST"]),
    Route("/v1/transfers", find_transfers),
    Route("/v1/transfers/{id}", get_transfer),
    Route("/v1/balance", get_balance),
    Route("/v1/settlement_reports", list_reports),
    Route("/v1/settlement_reports/{batch}", get_report),
]
