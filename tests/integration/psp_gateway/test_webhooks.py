"""The webhooks' door: what is stored, what is refused, and what becomes of what is stored."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import orjson
import pytest

from services.psp_gateway.adapters.postgres.connection import connected
from services.psp_gateway.application.inbox import bound_to
from tests.fakes.gateway_server import Stack
from tests.fakes.signed_webhooks import deliver, event, inbox
from vezne.psp_gateway.v1 import deposit_pb2
from vezne.psp_gateway.v1 import operations_service_pb2 as pb
from vezne.psp_gateway.v1.operations_service_pb2_grpc import OperationsServiceStub


async def exceptions(stack: Stack, **chosen: Any) -> list[pb.ExceptionRecord]:
    """List exceptions."""
    request = pb.ListExceptionsRequest(tenant_id=stack.tenant, **chosen)
    return list((await OperationsServiceStub(stack.channel).ListExceptions(request)).exceptions)


async def contents(stack: Stack) -> dict[str, int]:
    """Return how many rows every table of the gateway has."""
    tables = await stack.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'psp_gateway'"
    )
    counted: dict[str, int] = {}
    for table in tables:
        name = table["table_name"]
        [row] = await stack.rows(f"SELECT count(*) FROM psp_gateway.{name}")
        counted[name] = row["count"]
    return counted


SOUND = orjson.dumps(event())
FORGED = [
    {"webhook_signature": "v1,AAAA"},
    {"webhook_signature": ""},
    {"webhook_id": "evt_other"},
    {"webhook_timestamp": "1614265330"},
    {"webhook_timestamp": "99999999999"},
    {"webhook_timestamp": "soon"},
]


@pytest.mark.parametrize("changed", FORGED, ids=range(len(FORGED)))
async def test_what_is_not_proven_leaves_nothing(stack: Stack, changed: dict[str, str]) -> None:
    """A forged, stale or malformed delivery is answered 401, and no table has a row more."""
    before = await contents(stack)

    assert await deliver(stack, SOUND, **changed) == 401
    assert await contents(stack) == before


@pytest.mark.parametrize(
    "body",
    [orjson.dumps(event(mode="live")), orjson.dumps(event(account="other"))],
    ids=["mode", "account"],
)
async def test_another_mode_or_account_is_refused(stack: Stack, body: bytes) -> None:
    """A sound signature does not make an event of another mode or account ours."""
    before = await contents(stack)

    assert await deliver(stack, body) == 401
    assert await contents(stack) == before


async def _dripping(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65_536):
        yield b"x" * 65_536


async def test_limits_hold_before_anything_is_verified(stack: Stack) -> None:
    """A body over 1 MiB is refused, announced or not; other paths and methods are not there."""
    large = b"x" * (1024 * 1024 + 1)
    assert await deliver(stack, large) == 413
    chunked = await stack.http.post(stack.webhook_url, content=_dripping(2 * 1024 * 1024))
    assert chunked.status_code == 413
    base = stack.webhook_url.rpartition("/webhooks/")[0]
    assert (await stack.http.post(f"{base}/webhooks/mock/other")).status_code == 404
    assert (await stack.http.post(f"{base}/webhooks/MOCK/main")).status_code == 404
    assert (await stack.http.post(f"{base}/")).status_code == 404
    assert (await stack.http.get(stack.webhook_url)).status_code == 405


async def test_a_slow_body_is_given_up(stack: Stack) -> None:
    """A sender who announces a body and does not send it holds nothing for long."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.webhook_port)
    path = stack.webhook_url.partition(str(stack.webhook_port))[2]
    writer.write(f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab".encode())
    await writer.drain()

    answer = await asyncio.wait_for(reader.readline(), 10)
    writer.close()

    assert b" 408 " in answer


async def test_a_stored_body_is_encrypted_and_its_key_named(stack: Stack) -> None:
    """The bytes are not readable at rest; the hash and the key that matched are kept."""
    assert await deliver(stack, SOUND, "evt_stored") == 200

    [found] = await inbox(stack, dedupe_key="evt_stored")
    [row] = await stack.rows(
        "SELECT body, headers FROM psp_gateway.inbox_events WHERE dedupe_key = 'evt_stored'"
    )
    assert found.signing_key == "current"
    assert found.body_sha256 == hashlib.sha256(SOUND).digest()
    assert found.event_type == "payment_intent.succeeded"
    assert found.semantic_key == "pi_stranger:payment_intent.succeeded:1"
    assert b"pi_stranger" not in row["body"]
    assert "webhook-signature" not in row["headers"]


async def test_a_stored_body_moved_to_another_event_is_not_opened(stack: Stack) -> None:
    """Whoever writes in the database can lose a delivery, never pass one off as another."""
    for name in ("evt_moved_from", "evt_moved_to"):
        assert await deliver(stack, SOUND, name) == 200

    async def waits() -> bool:
        [found] = await inbox(stack, dedupe_key="evt_moved_to")
        return found.state == pb.INBOX_EVENT_STATE_DEFERRED

    await stack.until(waits)
    await stack.rows(
        "UPDATE psp_gateway.inbox_events e SET body = o.body FROM psp_gateway.inbox_events o"
        " WHERE e.dedupe_key = 'evt_moved_to' AND o.dedupe_key = 'evt_moved_from' RETURNING 1"
    )

    async def told() -> bool:
        [found] = await inbox(stack, dedupe_key="evt_moved_to")
        return found.state == pb.INBOX_EVENT_STATE_RETRY

    await stack.until(told)
    [moved] = await inbox(stack, dedupe_key="evt_moved_to")
    [owner] = await inbox(stack, dedupe_key="evt_moved_from")
    assert moved.last_error == "its stored body cannot be opened"
    assert owner.last_error != moved.last_error


async def test_the_same_key_with_other_content_is_kept_and_told(stack: Stack) -> None:
    """Both are kept and a person hears of it, once, however often it comes."""
    other = orjson.dumps(event(created="2026-03-03T00:00:00Z"))
    assert await deliver(stack, SOUND, "evt_twice") == 200
    for _ in range(3):
        assert await deliver(stack, other, "evt_twice") == 200
    assert await deliver(stack, SOUND, "evt_twice") == 200

    [found] = await inbox(stack, dedupe_key="evt_twice")
    told = await exceptions(stack, kinds=[pb.EXCEPTION_KIND_INBOX_CONFLICT])
    assert found.conflict_count == 1
    [kept] = await stack.rows("SELECT conflict_id, body FROM psp_gateway.inbox_conflicts")
    assert stack.gateway.sealer.open(kept["body"], bound_to(kept["conflict_id"])) == other
    assert [one.inbox_event_id for one in told] == [found.inbox_event_id]
    assert told[0].owner == "operations"
    assert told[0].decision_kind == pb.DECISION_KIND_ACKNOWLEDGE


async def test_an_event_about_something_unknown_waits_and_then_is_for_people(
    stack: Stack,
) -> None:
    """Money that nobody asked for is DEFERRED for days, then DEAD: an exception, never dropped."""
    assert await deliver(stack, SOUND, "evt_waits") == 200

    async def deferred() -> bool:
        [found] = await inbox(stack, dedupe_key="evt_waits")
        return found.state == pb.INBOX_EVENT_STATE_DEFERRED

    await stack.until(deferred)

    async def dead() -> bool:
        stack.clock.advance(hours=2)
        [found] = await inbox(stack, dedupe_key="evt_waits")
        return found.state == pb.INBOX_EVENT_STATE_DEAD

    await stack.until(dead, within_s=60)
    [found] = await inbox(stack, dedupe_key="evt_waits")
    told = await exceptions(stack, kinds=[pb.EXCEPTION_KIND_INBOX_EVENT_DEAD])
    assert found.HasField("end_time")
    assert found.inbox_event_id in {one.inbox_event_id for one in told}


async def test_a_webhook_that_contradicts_what_we_asked_is_only_a_hint(stack: Stack) -> None:
    """Where a signed webhook names another amount the provider is asked, and its word counts."""
    deposit = await stack.pay("hint", player="hint", card=False)
    lie = event()
    lie["data"] |= {
        "object_id": deposit.provider_object_id,
        "movement_id": deposit.provider_object_id,
        "reference": deposit.reference,
        "amount_minor": 999_999,
    }
    assert await deliver(stack, orjson.dumps(lie), "evt_lie") == 200

    async def looked_at() -> bool:
        [found] = await inbox(stack, dedupe_key="evt_lie")
        return found.HasField("end_time")

    await stack.until(looked_at)

    found = await stack.deposit(deposit.deposit_id)
    assert found.state == deposit_pb2.DEPOSIT_STATE_REQUIRES_ACTION
    assert await stack.cash("hint") == 0


async def test_what_does_not_concern_us_is_ignored(stack: Stack) -> None:
    """A type that is not known is stored and IGNORED; it is never an error."""
    assert await deliver(stack, orjson.dumps(event(type="risk.scored")), "evt_risk") == 200

    async def ignored() -> bool:
        [found] = await inbox(stack, dedupe_key="evt_risk")
        return found.state == pb.INBOX_EVENT_STATE_IGNORED

    await stack.until(ignored)


async def test_a_body_that_cannot_be_read_is_stored_and_told(stack: Stack) -> None:
    """It is the provider's, whatever it says: it is kept, and is for people at once."""
    assert await deliver(stack, b"\xff\x00 no event", "evt_unreadable") == 200

    async def dead() -> bool:
        [found] = await inbox(stack, dedupe_key="evt_unreadable")
        return found.state == pb.INBOX_EVENT_STATE_DEAD

    await stack.until(dead)
    [found] = await inbox(stack, dedupe_key="evt_unreadable")
    assert found.event_type == "unreadable"
    assert found.attempt_count == 1
    assert "no event" not in found.last_error


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "deposit.\0captured"},
        {"data": {"object_id": "pi_\0"}},
        {"data": {"fee_minor": -(2**63)}},
        {"data": {"amount_minor": 2**63}},
    ],
    ids=["nul in the type", "nul in an id", "a fee of int64's least", "an amount past int64"],
)
async def test_what_cannot_be_held_is_stored_as_unreadable(
    stack: Stack, odd: dict[str, Any]
) -> None:
    """A signed body with an id or an amount that nothing can hold is kept, and told to people."""
    body = event(**odd)
    name = f"evt_odd_{secrets.token_hex(4)}"

    assert await deliver(stack, orjson.dumps(body), name) == 200
    [found] = await inbox(stack, dedupe_key=name)
    assert found.event_type == "unreadable"


async def test_bodies_go_and_keys_stay(stack: Stack) -> None:
    """After its retention the body of an applied event is deleted, and its key still known."""
    for body in (SOUND, orjson.dumps(event(created="2026-03-03T00:00:00Z"))):
        assert await deliver(stack, body, "evt_kept") == 200
    deposit = await stack.pay("kept", player="kept", card=False)
    await stack.player_pays(deposit.next_action.redirect.url)
    await stack.until_state(deposit.deposit_id, "CAPTURED")

    async def applied() -> bool:
        found = await inbox(stack, object_id=deposit.deposit_id)
        return [one.state for one in found] == [pb.INBOX_EVENT_STATE_APPLIED]

    await stack.until(applied)
    stack.clock.advance(days=91)
    await stack.gateway.janitor.sweep(stack.tenant)

    [found] = await inbox(stack, object_id=deposit.deposit_id)
    assert found.HasField("body_delete_time")
    assert len(found.body_sha256) == 32
    conflicts = await stack.rows("SELECT body, body_delete_time FROM psp_gateway.inbox_conflicts")
    assert conflicts
    assert all(one["body"] is None and one["body_delete_time"] for one in conflicts)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE psp_gateway.gateway_events SET fact = 'x'",
        "DELETE FROM psp_gateway.gateway_events",
        "TRUNCATE psp_gateway.gateway_events",
        "UPDATE psp_gateway.requests SET object_id = 'x'",
        "DELETE FROM psp_gateway.inbox_events",
        "UPDATE psp_gateway.posting_intents SET request = ''",
        "DELETE FROM psp_gateway.posting_intents",
        "DELETE FROM psp_gateway.settlement_report_chunks",
    ],
)
async def test_the_services_role_changes_no_history(stack: Stack, statement: str) -> None:
    """What has happened and what was asked of the ledger cannot be changed by the service."""
    async with connected(stack.gateway.engine) as driver:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await driver.execute(statement)


async def test_lists_page_and_filter(stack: Stack) -> None:
    """Inbox events come the newest first, exceptions the oldest first, a page at a time."""
    stub = OperationsServiceStub(stack.channel)
    request = pb.ListInboxEventsRequest(tenant_id=stack.tenant, page_size=2)
    seen: list[str] = []
    while True:
        page = await stub.ListInboxEvents(request)
        seen += [one.inbox_event_id for one in page.inbox_events]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    everything = await inbox(stack, page_size=200)
    assert seen == [one.inbox_event_id for one in everything]
    assert seen == sorted(seen, reverse=True)

    told = await exceptions(stack, page_size=200)
    assert [one.exception_id for one in told] == sorted(one.exception_id for one in told)
    assert await exceptions(stack, states=[pb.EXCEPTION_STATE_RESOLVED]) == []
    assert await exceptions(stack, owner="nobody") == []
    assert await exceptions(stack, provider="mock", page_size=200) == told
