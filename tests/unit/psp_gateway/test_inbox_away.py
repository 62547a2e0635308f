"""The webhooks' inbox while its store is away."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from services.kernel.group_commit import WholeBatchError
from services.psp_gateway.application.inbox import Inbox
from services.psp_gateway.application.inbox_ports import NewInboxEvent
from services.psp_gateway.application.ports import StoreUnavailableError
from services.psp_gateway.application.providers import WebhookItem
from services.psp_gateway.domain.accounts import ProviderAccount


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


async def test_a_lost_store_concerns_a_whole_batch() -> None:
    """Every waiting delivery hears it at once, and the store is not asked again for each alone."""
    store = StoreAway()
    inbox = Inbox(
        cast("Any", store),
        cast("Any", None),
        NoSeal(),
        lambda: datetime.now(UTC),
        lambda _now: uuid4(),
        100,
    )
    at = ProviderAccount("mock", "main")
    outcomes = await asyncio.gather(
        *(inbox.receive("acme", at, [item(number)], b"{}") for number in range(20)),
        return_exceptions=True,
    )

    assert all(isinstance(outcome, WholeBatchError) for outcome in outcomes)
    assert store.asked == 1
