"""A mock PSP that ends and starts again goes on as if it had never ended."""

import asyncio
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.local.mock_psp.server import serving
from services.local.mock_psp.server.journal import JournalError
from services.local.mock_psp.settings import AccountSettings, new_account
from tests.fakes.webhook_receiver import Receiver, receiving
from tests.integration.mock_psp.conftest import START, Clients, Desk, client, opening
from tests.integration.mock_psp.test_process import DEADLINE_S, said, started

ADMIN_TOKEN = "admin-token-of-tests"


async def intent_id(desk: Desk, reference: str) -> str:
    """Return the id of the payment intent with a reference."""
    return str((await desk.get("payment_intents", reference=reference))["data"][0]["id"])


async def make_intent(desk: Clients, reference: str, **more: Any) -> httpx.Response:
    """Ask a player to pay, with the same key for the same reference."""
    asked = {"reference": reference, "amount_minor": 7_000, "currency": "EUR", **more}
    return await desk.post("payment_intents", f"key-of-{reference}", **asked)


async def pay_on_page(desk: Desk, reference: str) -> None:
    """Click on "Pay", as the player does."""
    found = await intent_id(desk, reference)
    await desk.api.post(f"/pay/{found}", content=b"choice=pay", headers={"authorization": ""})


async def capture(desk: Desk, reference: str, amount_minor: int) -> httpx.Response:
    """Capture a part of a payment intent."""
    path = f"/v1/payment_intents/{await intent_id(desk, reference)}/capture"
    return await desk.api.post(path, json={"amount_minor": amount_minor})


async def refund(desk: Desk, of: str, reference: str, amount_minor: int) -> httpx.Response:
    """Refund a part of a payment intent."""
    found = await intent_id(desk, of)
    asked = {"payment_intent_id": found, "amount_minor": amount_minor, "reference": reference}
    return await desk.post("refunds", f"key-of-{reference}", **asked)


async def refund_unasked(desk: Desk, of: str, amount_minor: int) -> httpx.Response:
    """Let the provider refund a part of a payment intent, which it may refuse."""
    asked = {"payment_intent_id": await intent_id(desk, of), "amount_minor": amount_minor}
    return await desk.admin.post("/admin/accounts/main/refunds", json=asked)


async def transfer(desk: Desk, reference: str) -> httpx.Response:
    """Pay a player."""
    asked = {"reference": reference, "amount_minor": 9_001, "currency": "EUR", "destination": "i"}
    return await desk.post("transfers", f"key-of-{reference}", **asked)


LIFE: Sequence[Callable[[Desk], Awaitable[object]]] = (
    lambda desk: desk.act("top_ups", key="float", currency="EUR", amount_minor=100_000),
    lambda desk: desk.act("scenarios", words=["pending_ok"], next="payment_intent"),
    lambda desk: make_intent(desk, "d-1.chargeback_won_then_lost", stored_card="c"),
    lambda desk: make_intent(desk, "d-2.timeout_before"),
    lambda desk: make_intent(desk, "d-2.timeout_before"),
    lambda desk: pay_on_page(desk, "d-2.timeout_before"),
    lambda desk: make_intent(desk, "d-3.error_after", capture="manual", stored_card="c"),
    lambda desk: make_intent(desk, "d-3.error_after", capture="manual", stored_card="c"),
    lambda desk: capture(desk, "d-3.error_after", 4_000),
    lambda desk: desk.advance(1),
    lambda desk: make_intent(desk, "d-4.webhook_reordered.report_duplicated_line", stored_card="c"),
    lambda desk: make_intent(desk, "d-5.webhook_delayed", stored_card="c"),
    lambda desk: make_intent(
        desk, "d-6.webhook_unknown_reference.webhook_before_answer", stored_card="c"
    ),
    lambda desk: refund(desk, "d-4.webhook_reordered.report_duplicated_line", "r-1", 900),
    lambda desk: refund_unasked(desk, "d-5.webhook_delayed", 10**9),
    lambda desk: refund_unasked(desk, "d-5.webhook_delayed", 100),
    lambda desk: transfer(desk, "w-1.transfer_returned_in_parts"),
    lambda desk: transfer(desk, "w-2.balance_too_low"),
    lambda desk: desk.act("outage", seconds=5),
    lambda desk: make_intent(desk, "d-7"),
    lambda desk: desk.advance(5),
    lambda desk: desk.act("endpoint", url=None),
    lambda desk: make_intent(desk, "d-7", stored_card="c"),
    lambda desk: desk.act("endpoint", url=desk.receiver.url),
    lambda desk: desk.close_day(),
    lambda desk: make_intent(desk, "d-8.truncated", stored_card="c"),
    lambda desk: desk.close_day(),
    lambda desk: desk.advance(31 * 86_400),
)
"""One thing after another that a provider does, each of another kind."""


async def settled(desk: Clients) -> Sequence[Any]:
    """Return every webhook and what became of it, as soon as none waits."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found = (await desk.look("deliveries"))["data"]
            if all(one["state"] != "pending" for one in found):
                return [
                    {**one, "attempts": [tried["answer"] for tried in one["attempts"]]}
                    for one in found
                ]
            await asyncio.sleep(0.01)


async def all_of(desk: Desk) -> dict[str, Any]:
    """Return all that can be seen of the account."""
    account = desk.mock_psp.world.accounts["main"]
    return {
        "clock": (await desk.admin.get("/admin/clock")).json(),
        "books": await desk.look("books"),
        "bank": await desk.look("bank_lines"),
        "deliveries": await settled(desk),
        "intents": account.books.payment_intents.all(),
        "refunds": account.books.refunds.all(),
        "disputes": account.books.disputes.all(),
        "transfers": account.books.transfers.all(),
        "events": account.books.events,
        "reports": account.days.reports,
        "next": account.next_due,
    }


async def live(
    settings: AccountSettings, receiver: Receiver, path: Path | None, lives: Sequence[int]
) -> dict[str, Any]:
    """Do all of LIFE, `lives` steps in each life of the server, and return what is at the end."""
    answers: list[tuple[int, str]] = []
    steps = iter(LIFE)
    for count in lives:
        async with opening(receiver, settings, path) as desk:
            for _ in range(count):
                answer = await next(steps)(desk)
                if isinstance(answer, httpx.Response):
                    body = re.sub(r"127\.0\.0\.1:\d+", "here", answer.text)
                    answers.append((answer.status_code, body))
                await settled(desk)
            found = await all_of(desk)
    return {**found, "answers": answers}


def told(receiver: Receiver) -> Counter[tuple[str, bytes]]:
    """Return how often each webhook came."""
    return Counter((one.headers["webhook-id"], one.body) for one in receiver.received)


async def test_it_goes_on_as_if_it_had_never_ended(tmp_path: Path) -> None:
    """Ended after every step, it answers, holds, tells and reports what it does in one life."""
    async with receiving() as once, receiving() as often:
        whole = await live(new_account(once.url), once, None, [len(LIFE)])
        parts = await live(new_account(often.url), often, tmp_path / "journal", [1] * len(LIFE))

    for name, found in whole.items():
        assert parts[name] == found, name
    assert {status for status, _ in whole["answers"]} >= {200, 201, 422, 500, 503, 504}
    assert len(whole["reports"]) == 33
    assert told(often) == told(once)


@asynccontextmanager
async def living(settings: AccountSettings, folder: Path) -> AsyncIterator[Clients]:
    """Run the command with a journal, and kill it at the end of the block."""
    accounts = folder / "accounts.toml"
    accounts.write_text(
        f'[accounts.main]\nsecret = "{settings.secret}"\nwebhook_url = "{settings.webhook_url}"\n'
        f'webhook_secret = "{settings.webhook_secret}"\n'
    )
    variables = {
        "PORT": "0",
        "ACCOUNTS_FILE": str(accounts),
        "JOURNAL_FILE": str(folder / "journal"),
        "ADMIN_TOKEN": ADMIN_TOKEN,
    }
    async with started(**variables) as process, AsyncExitStack() as stack:
        base_url = (await said(process))["mock PSP"]
        yield Clients(
            api=await client(stack, base_url, settings.secret),
            admin=await client(stack, base_url, ADMIN_TOKEN),
        )
        process.kill()
        await process.wait()


async def test_a_killed_process_loses_nothing_that_it_answered(tmp_path: Path) -> None:
    """After kill -9 books, keys and the day's report are the same, and untaken webhooks go on."""
    async with receiving() as receiver:
        settings = new_account(receiver.url)
        async with living(settings, tmp_path) as desk:
            first = await make_intent(desk, "a", stored_card="c")
            await desk.close_day()
            await settled(desk)
            receiver.answers = [500] * 100
            second = await make_intent(desk, "b", stored_card="c")
            before = await seen(desk)
        receiver.answers, taken = [], len(receiver.received)

        async with living(settings, tmp_path) as desk:
            again = [await make_intent(desk, one, stored_card="c") for one in ("a", "b")]
            after = await seen(desk)
            await settled(desk)

    assert (first.status_code, second.status_code) == (201, 201)
    assert [one.text for one in again] == [first.text, second.text]
    assert [one.headers["idempotency-replayed"] for one in again] == ["true", "true"]
    assert after == before
    assert before["report"].startswith("[report]")
    assert {one.event["data"]["reference"] for one in receiver.received[taken:]} == {"b"}


async def seen(desk: Clients) -> dict[str, Any]:
    """Return what both APIs show of the account."""
    return {
        "books": await desk.look("books"),
        "intent": await desk.get("payment_intents", reference="b"),
        "report": (await desk.api.get("/v1/settlement_reports/1")).text,
    }


async def test_the_clock_goes_on_while_it_is_away(tmp_path: Path) -> None:
    """A clock that runs has moved on at the next start, by the time that has passed."""
    shown, began = [], datetime.now(UTC)
    for _ in range(3):
        async with serving(
            {"main": new_account()}, start=START, journal_file=tmp_path / "journal"
        ) as psp:
            shown.append(psp.world.clock.now())
            await psp.world.advance(timedelta(hours=5))
            shown.append(psp.world.clock.now())
    passed = datetime.now(UTC) - began

    assert shown == sorted(shown)
    assert timedelta(0) < shown[-1] - (START + timedelta(hours=15)) <= passed


async def test_a_journal_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    """Where a replay comes to other books than those that were told of, it does not start."""
    path = tmp_path / "journal"
    settings = new_account()
    async with receiving() as receiver:
        async with opening(receiver, settings, path) as desk:
            await desk.deposit("d-1")
            await desk.deposit("d-2")
        lines = path.read_bytes().splitlines(keepends=True)
        [first, *_] = [number for number, line in enumerate(lines) if b'"asked"' in line]
        path.write_bytes(b"".join(lines[:first] + lines[first + 1 :]))

        with pytest.raises(JournalError, match="damaged or of another release"):
            async with opening(receiver, settings, path):
                pass


async def test_a_damaged_journal_is_one_clear_sentence(tmp_path: Path) -> None:
    """The command ends with 1 and says which file and what to do, without a trace."""
    journal = tmp_path / "journal"
    journal.write_text("what is this\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with started(PORT=str(port), JOURNAL_FILE=str(journal)) as process:
        async with asyncio.timeout(DEADLINE_S):
            _, errors = await process.communicate()

    assert process.returncode == 1
    (sentence,) = errors.decode().splitlines()
    assert str(journal) in sentence
    assert "--fresh" in sentence
