"""The inbox: deliveries are stored before they are answered, and applied right after.

What is not applied at once, by a crash or because something must come first, the janitor takes up.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog

from services.kernel.clock import Clock
from services.kernel.errors import DomainError
from services.kernel.group_commit import GroupCommit, WholeBatchError
from services.psp_gateway.application.inbox_ports import InboxEvent, InboxStore, NewInboxEvent
from services.psp_gateway.application.notices import NOTHING_NEW, Notices, Taken
from services.psp_gateway.application.ports import (
    GatewayStore,
    GatewayUnit,
    NewId,
    StoreUnavailableError,
)
from services.psp_gateway.application.providers import (
    Connection,
    Connections,
    Notice,
    UnreadableError,
    WebhookItem,
)
from services.psp_gateway.application.records import ExceptionNote, FactSource, Origin
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.exceptions import DECISION_OF, ExceptionKind
from services.psp_gateway.domain.inbox import (
    OPEN_STATES,
    InboxEventState,
    InboxProgress,
    after_decision,
    after_failure,
    after_unreadable,
)
from services.psp_gateway.domain.machine import Verdict

COMMIT_MAX = 500
"""Events that share a commit at most."""

_LANES = 16
_LANE_LENGTH_MAX = 1_000

log = structlog.get_logger("vezne.inbox")


class SealBrokenError(Exception):
    """A stored body cannot be opened: another key sealed it, or it was changed."""


class _StoreAwayError(WholeBatchError):
    """The store is away: nothing of the batch is stored."""


class Sealer(Protocol):
    """Encrypts what is stored."""

    def seal(self, content: bytes, bound_to: bytes) -> bytes:
        """Return the content encrypted, bound to what it belongs to."""
        ...

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Return the content.

        Raises:
            SealBrokenError: it was sealed with another key, bound to something else, or changed.
        """
        ...


class Applier:
    """Applies stored events: opens the body, lets the provider read it, and takes its notice in."""

    def __init__(
        self,
        store: GatewayStore,
        notices: Notices,
        connections: Connections,
        sealer: Sealer,
        clock: Clock,
    ) -> None:
        self._store = store
        self._notices = notices
        self._connections = connections
        self._sealer = sealer
        self._clock = clock

    async def apply(self, event: InboxEvent) -> None:
        """Apply an event, and write down what became of it; what fails is tried again later.

        Raises:
            StoreUnavailableError: nothing could be written down; the event is as it was.
        """
        try:
            connection = self._connections.of(event.tenant_id, event.at)
            notice = self._read(connection, event)
            await self._take(connection, notice, event)
        except UnreadableError as error:
            why = str(error)
            await self._written(event, lambda progress, _now: after_unreadable(progress, why))
        except DomainError as error:
            await self._failed(event, error.message)
        except SealBrokenError:
            await self._failed(event, "its stored body cannot be opened")
        except Exception as error:
            log.exception("inbox_event_failed", inbox_event_id=str(event.inbox_event_id))
            await self._failed(event, type(error).__name__)

    def _read(self, connection: Connection, event: InboxEvent) -> Notice | None:
        if connection.webhooks is None or event.sealed_body is None:
            return None
        body = self._sealer.open(event.sealed_body, bound_to(event.inbox_event_id))
        return connection.webhooks.read(body)

    async def _take(self, connection: Connection, notice: Notice | None, event: InboxEvent) -> None:
        async def record(unit: GatewayUnit, taken: Taken) -> None:
            progress = await unit.inbox.lock(event.inbox_event_id)
            if progress is None or progress.state not in OPEN_STATES:
                # Somebody else has applied it meanwhile.
                return
            now = self._clock()
            after = after_decision(progress, taken.verdict, taken.why, now)
            await unit.inbox.write_progress(event.inbox_event_id, after, taken.identity, now)
            if after.state is InboxEventState.DEAD and taken.verdict is Verdict.DEFERRED:
                await unit.raise_exceptions([_dead_note(event, after)], now)

        if notice is None:
            async with self._store.open(event.tenant_id) as unit:
                await record(unit, Taken(Verdict.IGNORED, NOTHING_NEW))
                await unit.commit()
            return
        origin = Origin(FactSource.WEBHOOK, str(event.inbox_event_id))
        await self._notices.take(connection, notice, origin, record=record)

    async def _failed(self, event: InboxEvent, why: str) -> None:
        await self._written(event, lambda progress, now: after_failure(progress, why, now))

    async def _written(
        self, event: InboxEvent, becomes: Callable[[InboxProgress, datetime], InboxProgress]
    ) -> None:
        """Write down what became of an event whose fact was not decided."""
        async with self._store.open(event.tenant_id) as unit:
            progress = await unit.inbox.lock(event.inbox_event_id)
            if progress is None or progress.state not in OPEN_STATES:
                return
            now = self._clock()
            after = becomes(progress, now)
            await unit.inbox.write_progress(event.inbox_event_id, after, None, now)
            if after.state is InboxEventState.DEAD:
                await unit.raise_exceptions([_dead_note(event, after)], now)
            await unit.commit()


class Inbox:
    """Stores verified deliveries, many in one commit, and applies them in the background.

    Events of one lane, such as one deposit's, are applied one after another; lanes side by side.
    """

    def __init__(
        self,
        store: InboxStore,
        applier: Applier,
        sealer: Sealer,
        clock: Clock,
        new_id: NewId,
        queue_max: int,
    ) -> None:
        self._store = store
        self._applier = applier
        self._sealer = sealer
        self._clock = clock
        self._new_id = new_id
        self._commits = GroupCommit(self._commit, weight_max=COMMIT_MAX, queue_weight_max=queue_max)
        self._lanes = [_Lane() for _ in range(_LANES)]
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to apply what is received."""
        self._workers = [asyncio.create_task(self._work(lane)) for lane in self._lanes]

    async def receive(
        self, tenant_id: str, at: ProviderAccount, items: Sequence[WebhookItem], body: bytes
    ) -> None:
        """Store the items of a delivery; when this returns they are durable.

        Raises:
            WholeBatchError: the store is away; the provider tries again.
            QueueFullError, DrainedError: likewise.
        """
        now = self._clock()
        new = [self._event(tenant_id, at, item, body, now) for item in items]
        stored = await asyncio.gather(*(self._commits.submit(event) for event in new))
        for event, item, is_new in zip(new, items, stored, strict=True):
            if is_new:
                self._hand_on(event, item)

    async def drain(self) -> None:
        """Take nothing more, and let what is being applied end; the janitor has the rest."""
        await self._commits.drain()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers = []

    async def _commit(self, events: Sequence[NewInboxEvent]) -> Sequence[bool]:
        try:
            return await self._store.receive(events)
        except StoreUnavailableError as error:
            # It concerns them all: none is tried again alone.
            raise _StoreAwayError from error

    def _event(
        self,
        tenant_id: str,
        at: ProviderAccount,
        item: WebhookItem,
        body: bytes,
        now: datetime,
    ) -> NewInboxEvent:
        inbox_event_id = self._new_id(now)
        return NewInboxEvent(
            inbox_event_id=inbox_event_id,
            tenant_id=tenant_id,
            at=at,
            dedupe_key=item.dedupe_key,
            semantic_key=item.semantic_key,
            event_type=item.event_type,
            content_sha256=hashlib.sha256(item.body).digest(),
            sealed_body=self._sealer.seal(item.body, bound_to(inbox_event_id)),
            body_sha256=hashlib.sha256(body).digest(),
            headers=dict(item.headers),
            signing_key=item.signing_key,
            received_at=now,
        )

    def _hand_on(self, new: NewInboxEvent, item: WebhookItem) -> None:
        event = InboxEvent(
            inbox_event_id=new.inbox_event_id,
            tenant_id=new.tenant_id,
            at=new.at,
            sealed_body=new.sealed_body,
            progress=InboxProgress(),
            received_at=new.received_at,
        )
        key = f"{new.tenant_id}/{new.at}/{item.lane}".encode()
        self._lanes[zlib.crc32(key) % _LANES].put(event)

    async def _work(self, lane: "_Lane") -> None:
        while True:
            event = await lane.get()
            applying = asyncio.ensure_future(self._applied(event))
            try:
                await asyncio.shield(applying)
            except asyncio.CancelledError:
                # A shutdown: what has begun is brought to its end.
                await asyncio.wait([applying])
                raise

    async def _applied(self, event: InboxEvent) -> None:
        try:
            await self._applier.apply(event)
        except DomainError as error:
            # The store is away: the event is as it was, and the janitor takes it up.
            log.warning("inbox_event_left", reason=error.reason)


class _Lane:
    """Events that wait to be applied, one after another; what finds no room is the janitor's."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[InboxEvent] = asyncio.Queue(_LANE_LENGTH_MAX)
        self._left_count = 0

    def put(self, event: InboxEvent) -> None:
        """Let a stored event wait, if there is room."""
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            # One line a burst: a line an event would slow down the storing of those that follow.
            if not self._left_count:
                log.warning("inbox_lane_full")
            self._left_count += 1

    async def get(self) -> InboxEvent:
        """Wait for the next event."""
        if self._left_count and self._waiting.empty():
            log.info("inbox_lane_empty", left_to_the_janitor=self._left_count)
            self._left_count = 0
        return await self._waiting.get()


def bound_to(inbox_event_id: UUID) -> bytes:
    """Return what a stored body is bound to."""
    return inbox_event_id.bytes


def _dead_note(event: InboxEvent, progress: InboxProgress) -> ExceptionNote:
    kind = ExceptionKind.INBOX_EVENT_DEAD
    evidence: Mapping[str, str] = {"attempts": str(progress.attempts)}
    return ExceptionNote(
        kind=kind,
        decision_kind=DECISION_OF[kind],
        cause=str(event.inbox_event_id),
        message=f"A webhook could not be applied: {progress.last_error}",
        at=event.at,
        inbox_event_id=event.inbox_event_id,
        evidence=evidence,
    )
