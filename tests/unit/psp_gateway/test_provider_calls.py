"""What a call to a provider comes to, for every way in which it can go wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import httpx
import orjson
import pytest

from services.kernel.money import Money
from services.psp_gateway.adapters.providers.calling import (
    ANSWER_BYTES_MAX,
    Answered,
    Breaker,
    CallLimits,
    ProviderCalls,
    new_client,
)
from services.psp_gateway.adapters.providers.mock.provider import (
    MockDeposits,
    MockWithdrawals,
    _intent,
    _transfer,
)
from services.psp_gateway.application.providers import Answer, DepositAsk, WithdrawalAsk
from services.psp_gateway.application.records import Identity
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.outcomes import Failure, Outcome

NOW = datetime(2026, 3, 1, tzinfo=UTC)
Handler = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]


def intent(**changed: object) -> bytes:
    """Return the JSON of a payment intent."""
    return orjson.dumps(
        {
            "id": "pi_1",
            "reference": "d-1",
            "amount_minor": 500,
            "currency": "EUR",
            "state": "created",
            "code": "",
            "captured_minor": 0,
            "fee_minor": 0,
            "next_action": {"type": "redirect", "url": "http://page"},
            "new_field": 1,
            **changed,
        }
    )


def calls(handler: Handler, **limits: float) -> ProviderCalls:
    """Return calls that a function answers."""
    transport = httpx.MockTransport(handler)  # type: ignore[arg-type]  # It awaits what is to be awaited.
    client = httpx.AsyncClient(transport=transport, base_url="http://psp")
    return ProviderCalls(client, {"authorization": "Bearer key"}, CallLimits(**limits))  # type: ignore[arg-type]  # The limits that a test names.


async def send(handler: Handler) -> Answer:
    """Send a deposit's bytes."""
    deposits = MockDeposits(calls(handler), lambda: NOW, "/v1/payment_intents", _intent)
    return await deposits.send("key-1", b"{}")


def _raises(error: Exception) -> Handler:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise error

    return handler


def _answers(http_code: int, content: bytes = b"") -> Handler:
    return lambda _request: httpx.Response(http_code, content=content)


def _problem(code: str) -> bytes:
    return orjson.dumps({"error": {"type": "x", "code": code, "message": "no"}})


ENDS = [
    (_raises(httpx.ConnectError("refused")), Outcome.NOT_SENT, "connect"),
    (_raises(httpx.ConnectTimeout("slow")), Outcome.NOT_SENT, "connect"),
    (_raises(httpx.PoolTimeout("busy")), Outcome.NOT_SENT, "connect"),
    (_raises(httpx.ReadTimeout("silent")), Outcome.UNKNOWN, "read"),
    (_raises(httpx.WriteError("reset")), Outcome.UNKNOWN, "read"),
    (_raises(httpx.RemoteProtocolError("cut")), Outcome.UNKNOWN, "read"),
    (_answers(401), Outcome.NOT_SENT, "http_401"),
    (_answers(403, _problem("token_invalid")), Outcome.NOT_SENT, "token_invalid"),
    (_answers(429, _problem("rate_limited")), Outcome.NOT_SENT, "rate_limited"),
    (_answers(400, _problem("amount_invalid")), Outcome.DECLINED, "amount_invalid"),
    (_answers(404, b"<html>"), Outcome.DECLINED, "http_404"),
    (_answers(422, _problem("state_wrong")), Outcome.DECLINED, "state_wrong"),
    (_answers(409, _problem("key_in_use")), Outcome.UNKNOWN, "key_in_use"),
    (_answers(301), Outcome.UNKNOWN, "http_301"),
    (_answers(500), Outcome.UNKNOWN, "http_500"),
    (_answers(503, _problem("unavailable")), Outcome.UNKNOWN, "unavailable"),
    (_answers(201, b'{"id": "pi'), Outcome.UNKNOWN, "undecodable"),
    (_answers(201, b"[]"), Outcome.UNKNOWN, "undecodable"),
    (_answers(201, intent(amount_minor="500")), Outcome.UNKNOWN, "undecodable"),
    (_answers(201, intent(currency="eur")), Outcome.UNKNOWN, "undecodable"),
    (_answers(201, intent()), Outcome.PENDING, ""),
    (_answers(201, intent(state="succeeded", captured_minor=500)), Outcome.DONE, ""),
    (_answers(201, intent(state="declined", code="do_not_honour")), Outcome.DONE, ""),
]


@pytest.mark.parametrize(
    ("handler", "outcome", "code"),
    ENDS,
    ids=[f"{number}-{outcome}-{code}" for number, (_, outcome, code) in enumerate(ENDS)],
)
async def test_every_end_of_a_call_has_its_outcome(
    handler: Handler, outcome: Outcome, code: str
) -> None:
    """What certainly did not happen is NOT_SENT or DECLINED; whatever may have happened UNKNOWN."""
    answer = await send(handler)

    assert (answer.outcome, answer.failure_code) == (outcome, code)
    assert (answer.notice is not None) == (outcome in (Outcome.DONE, Outcome.PENDING))


async def test_the_attempts_key_and_bytes_are_what_is_sent() -> None:
    """The same attempt is the same request: its key, its bytes, and our authorization."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, content=intent())

    deposits = MockDeposits(calls(handler), lambda: NOW, "/v1/payment_intents", _intent)
    ask = DepositAsk(amount=Money("EUR", 500), reference="d-1", source_token="card_1")
    await deposits.send("key-1", deposits.request_of(ask))
    await deposits.send("key-1", deposits.request_of(ask))

    assert [request.headers["idempotency-key"] for request in seen] == ["key-1", "key-1"]
    assert seen[0].content == seen[1].content
    assert seen[0].headers["authorization"] == "Bearer key"
    assert orjson.loads(seen[0].content) == {
        "reference": "d-1",
        "amount_minor": 500,
        "currency": "EUR",
        "stored_card": "card_1",
    }


async def test_a_balance_that_is_too_low_is_a_matter_of_funding() -> None:
    """Our own lack of money at the provider is never the player's failure."""
    withdrawals = MockWithdrawals(
        calls(_answers(422, _problem("balance_insufficient"))),
        lambda: NOW,
        "/v1/transfers",
        _transfer,
    )
    ask = WithdrawalAsk(amount=Money("EUR", 1), reference="w-1", destination_token="iban_1")
    answer = await withdrawals.send("key", withdrawals.request_of(ask))

    assert answer.outcome is Outcome.NOT_SENT
    assert answer.needs_funding


async def test_what_an_answer_tells_are_facts_of_ours() -> None:
    """A payment intent that is paid tells the capture, with what it was of, and its fee."""
    answer = await send(_answers(201, intent(state="succeeded", captured_minor=500, fee_minor=17)))
    assert answer.notice is not None

    captured, fee = answer.notice.facts_for(Identity(ObjectType.DEPOSIT, "ours", 1))

    assert captured == facts.DepositCaptured(
        object_id="ours",
        occurred_at=NOW,
        amount=Money("EUR", 500),
        capture_key="pi_1",
        reference="d-1",
    )
    assert isinstance(fee, facts.DepositFee)
    assert (fee.key, fee.fee) == ("fee.capture:pi_1", Money("EUR", 17))
    assert answer.notice.echo == Money("EUR", 500)


async def test_the_breaker_opens_on_ambiguous_answers_too() -> None:
    """A provider that answers 500 is as good as none; the next call is kept back."""
    broken = calls(_answers(500), breaker_failures=3)

    results = [await broken.call("GET", "/") for _ in range(4)]

    assert results[:3] == [Answered(500, b"")] * 3
    assert results[3] is Failure.BREAKER_OPEN


def test_the_breaker_lets_one_call_try_after_its_pause() -> None:
    """After the pause one call goes through; what it finds opens or closes for the rest."""
    now = [0.0]
    breaker = Breaker(2, 10.0, lambda: now[0])
    breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    now[0] = 10.0
    assert breaker.allows()
    assert not breaker.allows()
    breaker.succeeded()
    assert breaker.allows()


async def test_no_more_calls_are_under_way_than_the_limit() -> None:
    """One above the limit is kept back at once, and certainly not sent; a free place is used."""
    inside = asyncio.Semaphore(0)
    may_end = asyncio.Event()
    seen: list[httpx.Request] = []

    async def slow(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        inside.release()
        await may_end.wait()
        return httpx.Response(200)

    limited = calls(slow, concurrent_calls_max=2)
    under_way = [asyncio.create_task(limited.call("GET", "/")) for _ in range(2)]
    for _ in under_way:
        await inside.acquire()

    above = asyncio.create_task(limited.call("GET", "/"))
    done, _ = await asyncio.wait([above], timeout=0.2)
    may_end.set()

    assert done == {above}
    assert await above is Failure.BREAKER_OPEN
    assert await asyncio.gather(*under_way) == [Answered(200, b"")] * 2
    assert len(seen) == 2
    assert await limited.call("GET", "/") == Answered(200, b"")


async def test_an_answer_that_is_too_long_is_given_up() -> None:
    """What is longer than anything that we asked for may have been done, and is not kept."""
    chunk = bytes(1024 * 1024)

    async def too_much() -> AsyncIterator[bytes]:
        for _ in range(ANSWER_BYTES_MAX // len(chunk) + 1):
            yield chunk

    def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=too_much())

    assert await calls(handler).call("GET", "/") is Failure.READ


async def test_a_call_goes_to_the_provider_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither a redirect nor a proxy of the environment takes our token to somebody else."""
    asked: list[bytes] = []

    async def provider(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[1])
        writer.write(b"HTTP/1.1 307 Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n")
        writer.write(b"connection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(provider, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    # Nobody listens there.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    limits = CallLimits()

    async with server, new_client(f"http://127.0.0.1:{port}", limits) as client:
        answer = await ProviderCalls(client, {}, limits).call("GET", "/there")

    assert answer == Answered(307, b"")
    assert asked == [b"/there"]
