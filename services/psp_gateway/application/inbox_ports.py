"""The inbox: verified webhook items as they are stored, and the rows that hold them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.psp_gateway.application.records import Identity
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.inbox import InboxEventState, InboxProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInboxEvent:
    """One item of a verified delivery, to be stored."""

    inbox_event_id: UUID
    tenant_id: str
    at: ProviderAccount
    dedupe_key: str
    """Unique in the provider account, for ever."""
    semantic_key: str
    """Joins events about the same thing; it never drops one."""
    event_type: str
    content_sha256: bytes
    """Of what is signed: the same key with other content is a conflict."""
    sealed_body: bytes
    body_sha256: bytes
    headers: Mapping[str, str]
    signing_key: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEvent:
    """A stored item, as it is applied."""

    inbox_event_id: UUID
    tenant_id: str
    at: ProviderAccount
    sealed_body: bytes | None
    """None after its retention."""
    progress: InboxProgress
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRecord:
    """A stored item, as it is read."""

    inbox_event_id: UUID
    at: ProviderAccount
    dedupe_key: str
    semantic_key: str
    event_type: str
    progress: InboxProgress
    object_type: ObjectType | None
    object_id: str
    conflict_count: int
    signing_key: str
    body_sha256: bytes
    body_deleted_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxFilter:
    """Which inbox events to list; what is empty or None does not filter."""

    provider: str = ""
    provider_account: str = ""
    states: Sequence[InboxEventState] = ()
    event_type: str = ""
    dedupe_key: str = ""
    semantic_key: str = ""
    object_id: str = ""
    created_since: datetime | None = None
    created_before: datetime | None = None


class InboxRows(Protocol):
    """The inbox events of a tenant."""

    async def lock(self, inbox_event_id: UUID) -> InboxProgress | None:
        """Lock an event until the unit ends and return its progress; None if there is none."""
        ...

    async def write_progress(
        self,
        inbox_event_id: UUID,
        progress: InboxProgress,
        applied_to: Identity | None,
        now: datetime,
    ) -> None:
        """Write an event's progress, and which object it was applied to, where that is known."""
        ...


class InboxStore(Protocol):
    """Keeps deliveries. Each method raises StoreUnavailableError."""

    async def receive(self, events: Sequence[NewInboxEvent]) -> Sequence[bool]:
        """Store events, of any tenants, in one commit; say of each whether it is new.

        One whose key is taken by other content is kept beside it, and is an exception.
        """
        ...

    async def event(self, tenant_id: str, inbox_event_id: UUID) -> InboxEvent | None:
        """Return an event."""
        ...

    async def due(self, tenant_id: str, now: datetime, limit: int) -> Sequence[InboxEvent]:
        """Return open events whose time has come, the oldest first."""
        ...

    async def list(
        self, tenant_id: str, chosen: InboxFilter, after: UUID | None, limit: int
    ) -> Sequence[InboxRecord]:
        """Return events, the newest first, after an id."""
        ...

    async def delete_bodies(self, tenant_id: str, before: datetime, now: datetime) -> int:
        """Delete the bodies of ended events that were received before; return how many."""
        ...
