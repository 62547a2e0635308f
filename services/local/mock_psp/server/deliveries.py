"""Delivers webhooks in the background until the operator's endpoint takes them.

Webhooks about one object go out in order, those of different objects beside one another. One that
is not answered 2xx is tried again, with the same id and body and a new timestamp, a bounded number
of times; while it waits, later ones overtake it, as they do at real providers.
"""

import asyncio
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import httpx

from services.kernel.clock import Clock
from services.local.mock_psp.webhooks import Dispatch, Forgery, signed_headers

RETRY_AFTER_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0, 60.0)
"""The waits between attempts; after the last the delivery is given up, and can be resent."""

_LANES = 16
_ATTEMPT_TIMEOUT_S = 10.0
_KEPT_MAX = 100_000
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the webhooks of an account go, and the keys that sign them."""

    url: str | None
    key: bytes
    old_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: when, and the HTTP status or the name of what failed."""

    at: datetime
    answer: str


@dataclass(slots=True)
class Delivery:
    """A webhook and what became of it."""

    provider_account: str
    dispatch: Dispatch
    state: str = "pending"
    """`pending`, `delivered`, `withheld` (never sent by itself) or `given_up`."""
    attempts: list[Attempt] = field(default_factory=list)
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    """Set after the first attempt, or when there will be none."""
    failures: int = 0


class Deliveries:
    """Every webhook of every account, and the workers that deliver them.

    Args:
        client: sends them; closed by its owner.
        endpoints: by account; may change at any time.
        real: this machine's time, which receivers compare the timestamps with.
        retry_after_s: the waits between attempts.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        endpoints: Mapping[str, Endpoint],
        real: Clock,
        retry_after_s: Sequence[float] = RETRY_AFTER_S,
    ) -> None:
        self._client = client
        self._endpoints = endpoints
        self._real = real
        self._retry_after_s = retry_after_s
        self.on_end: Callable[[Delivery], None] = lambda _delivery: None
        """Is told of each webhook that was delivered or given up."""
        self._kept: dict[tuple[str, str], Delivery] = {}
        self._lanes = [asyncio.Queue[Delivery](_KEPT_MAX) for _ in range(_LANES)]
        self._timers: set[asyncio.TimerHandle] = set()

    def of_account(self, provider_account: str) -> Sequence[Delivery]:
        """Return what is kept of an account's deliveries, the oldest first."""
        return [one for (name, _), one in self._kept.items() if name == provider_account]

    def send(self, provider_account: str, dispatches: Iterable[Dispatch]) -> Sequence[Delivery]:
        """Begin to deliver these, in order."""
        begun = [Delivery(provider_account, dispatch) for dispatch in dispatches]
        for delivery in begun:
            self._keep(delivery)
            if delivery.dispatch.withheld or self._endpoints[provider_account].url is None:
                delivery.state = "withheld"
                delivery.tried.set()
            else:
                self._enqueue(delivery)
        return begun

    def resend(self, provider_account: str, webhook_id: str) -> Delivery | None:
        """Deliver a kept webhook once more, soundly signed; None if it is not kept."""
        delivery = self._kept.get((provider_account, webhook_id))
        if delivery is None or self._endpoints[provider_account].url is None:
            return delivery
        delivery.dispatch = replace(
            delivery.dispatch, forgery=Forgery.NONE, copies=1, withheld=False
        )
        delivery.state = "pending"
        delivery.failures = 0
        self._enqueue(delivery)
        return delivery

    def mark(
        self,
        provider_account: str,
        webhook_id: str,
        state: str,
        attempts: Iterable[tuple[datetime, str]],
    ) -> None:
        """Say what became of a webhook before this start; one that is not kept is left out."""
        delivery = self._kept.get((provider_account, webhook_id))
        if delivery is not None:
            delivery.state = state
            delivery.attempts = [Attempt(at, answer) for at, answer in attempts]
            delivery.tried.set()

    def requeue(self) -> None:
        """Let only what is pending wait to be delivered; before `run`."""
        for lane in self._lanes:
            while not lane.empty():
                lane.get_nowait()
        for delivery in self._kept.values():
            if delivery.state == "pending":
                self._enqueue(delivery)

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            async with asyncio.TaskGroup() as workers:
                for lane in self._lanes:
                    workers.create_task(self._work(lane))
        finally:
            for timer in self._timers:
                timer.cancel()

    def _keep(self, delivery: Delivery) -> None:
        if len(self._kept) >= _KEPT_MAX:
            self._kept.pop(next(iter(self._kept)))
        self._kept[delivery.provider_account, delivery.dispatch.webhook_id] = delivery

    def _enqueue(self, delivery: Delivery) -> None:
        lane = self._lanes[zlib.crc32(delivery.dispatch.object_id.encode()) % _LANES]
        try:
            lane.put_nowait(delivery)
        except asyncio.QueueFull:
            delivery.state = "given_up"
            delivery.tried.set()

    async def _work(self, lane: asyncio.Queue[Delivery]) -> None:
        while True:
            delivery = await lane.get()
            taken = [await self._attempt(delivery) for _ in range(delivery.dispatch.copies)]
            if any(taken):
                self._end(delivery, "delivered")
            elif delivery.failures < len(self._retry_after_s):
                self._retry_later(delivery, self._retry_after_s[delivery.failures])
                delivery.failures += 1
            else:
                self._end(delivery, "given_up")
            delivery.tried.set()

    def _end(self, delivery: Delivery, state: str) -> None:
        delivery.state = state
        self.on_end(delivery)

    def _retry_later(self, delivery: Delivery, wait_s: float) -> None:
        def again() -> None:
            self._timers.discard(timer)
            self._enqueue(delivery)

        timer = asyncio.get_running_loop().call_later(wait_s, again)
        self._timers.add(timer)

    async def _attempt(self, delivery: Delivery) -> bool:
        endpoint = self._endpoints[delivery.provider_account]
        at = self._real()
        headers = signed_headers(
            delivery.dispatch, int(at.timestamp()), key=endpoint.key, old_key=endpoint.old_key
        )
        try:
            async with asyncio.timeout(_ATTEMPT_TIMEOUT_S):
                response = await self._client.post(
                    endpoint.url or "", content=delivery.dispatch.body, headers=headers
                )
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            delivery.attempts.append(Attempt(at, type(error).__name__))
            return False
        delivery.attempts.append(Attempt(at, str(response.status_code)))
        return response.status_code in _SUCCESS
