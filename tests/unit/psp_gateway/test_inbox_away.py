"""The webhooks' inbox when there is too much at once, and while its store is away."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from structlog.testing import capture_logs

from services.kernel.group_commit import WholeBatchError
from services.psp_gateway.application.inbox import Inbox
from services.psp_gateway.application.inbox_ports import InboxEvent, NewInboxEvent
from services.psp_gateway.application.ports import StoreUnavailableError
from services.psp_gateway.application.providers import WebhookItem
from services.psp_gateway.domain.accounts import ProviderAccount


class StoreOfAll:
    """A store that takes everything."""

    async def receive(self, events: Sequence[NewInboxEvent]) -> Sequence[bool]:
        return [True] * len(events)


class Applied:
    """Counts what is applied, once it may begin."""

    def __init__(self) -> None:
        self.may_begin = asyncio.Event()
        self.count = 0

    async def apply(self, _event: InboxEvent) -> None:
        await self.may_begin.wait()
        self.count += 1


class StoreAway:
    """A store that cannot be reached; it counts how often it was asked."""

    asked = 0

    async def receive(self, _events: Sequence[NewInboxEvent]) -> Sequence[bool]:
        self.asked += 1
        await asyncio.sleep(0)
        raise StoreUnavailableError


class NoSeal:
    """Leaves bodies as they are."""

    def seal(self, content: bytes, bound_to: bytes) -> bytes:
        return bound_to + content

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        return sealed.removeprefix(bound_to)


def item(number: int) -> WebhookItem:
    """A verified item."""
    return WebhookItem(
        dedupe_key=f"evt_{number}",
        semantic_key="",
        event_type="deposit.captured",
        body=b"{}",
        signing_key="k1",
        headers={},
        lane="pi_1",
    )


def inbox_of(store: object, applier: object = None, queue_max: int = 100) -> Inbox:
    """Return an inbox on these."""
    return Inbox(
        cast("Any", store),
        cast("Any", applier),
        NoSeal(),
        lambda: datetime.now(UTC),
        lambda _now: uuid4(),
        queue_max,
    )


async def test_a_burst_is_stored_whole_and_told_once() -> None:
    """What finds no room to wait is stored all the same, and one line of the log says so."""
    applied = Applied()
    inbox = inbox_of(StoreOfAll(), applied, 10_000)
    at = ProviderAccount("mock", "main")
    with capture_logs() as logs:
        inbox.start()
        # The worker takes the first; a thousand wait behind it.
        await inbox.receive("acme", at, [item(0)], b"{}")
        await asyncio.sleep(0)
        await inbox.receive("acme", at, [item(number) for number in range(1, 1_051)], b"{}")
        applied.may_begin.set()
        async with asyncio.timeout(10):
            while applied.count < 1_001:
                await asyncio.sleep(0)
        await inbox.receive("acme", at, [item(2_000)], b"{}")
        async with asyncio.timeout(10):
            while applied.count < 1_002:
                await asyncio.sleep(0)
        await inbox.drain()

    assert [line["event"] for line in logs] == ["inbox_lane_full", "inbox_lane_empty"]
    assert logs[1]["left_to_the_janitor"] == 50


async def test_a_lost_store_concerns_a_whole_batch() -> None:
    """Every waiting delivery hears it at once, and the store is not asked again for each alone."""
    store = StoreAway()
    inbox = inbox_of(store)
    at = ProviderAccount("mock", "main")
    outcomes = await asyncio.gather(
        *(inbox.receive("acme", at, [item(number)], b"{}") for number in range(20)),
        return_exceptions=True,
    )

    assert all(isinstance(outcome, WholeBatchError) for outcome in outcomes)
    assert store.asked == 1
