"""What is read without a lock: request ids, objects, the history, exceptions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.kernel.money import Money
from services.psp_gateway.application.object_records import (
    DepositFilter,
    DepositRecord,
    DisputeFilter,
    DisputeRecord,
    RefundRecord,
    WithdrawalRecord,
)
from services.psp_gateway.application.records import Attempt, Origin
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.exceptions import DecisionKind, ExceptionKind
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.machine import Event
from services.psp_gateway.domain.reasons import Reason, refusal


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """A request that had an effect before."""

    method: str
    request_hash: bytes
    object_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A mutation as the caller identifies it."""

    tenant_id: str
    request_id: str
    method: str
    """The RPC's short name, such as `CreateDeposit`."""
    request_hash: bytes
    """Of the whole request: the same id with another is refused."""


class ObjectReader(Protocol):
    """Reads request ids and objects. Each method raises StoreUnavailableError."""

    async def request(self, tenant_id: str, request_id: str) -> KnownRequest | None:
        """Return what a request id was used for."""
        ...

    async def deposit(self, tenant_id: str, deposit_id: str) -> DepositRecord | None:
        """Return a deposit."""
        ...

    async def deposits(
        self, tenant_id: str, chosen: DepositFilter, after: UUID | None, limit: int
    ) -> Sequence[DepositRecord]:
        """Return deposits, the newest first, after an id."""
        ...

    async def refund(self, tenant_id: str, refund_id: str) -> RefundRecord | None:
        """Return a refund."""
        ...

    async def dispute(self, tenant_id: str, dispute_id: str) -> DisputeRecord | None:
        """Return a dispute."""
        ...

    async def disputes(
        self, tenant_id: str, chosen: DisputeFilter, after: UUID | None, limit: int
    ) -> Sequence[DisputeRecord]:
        """Return disputes, the newest first, after an id."""
        ...

    async def withdrawal(self, tenant_id: str, withdrawal_id: str) -> WithdrawalRecord | None:
        """Return a withdrawal."""
        ...

    async def last_attempt(
        self, tenant_id: str, object_type: ObjectType, object_id: str
    ) -> Attempt | None:
        """Return the last attempt of an object."""
        ...

    async def dispute_round(
        self, tenant_id: str, at: ProviderAccount, movement_key: str
    ) -> tuple[str, int] | None:
        """Return the dispute and the number of the round that a movement was."""
        ...

    async def swept_deposits(
        self, tenant_id: str, limit: int
    ) -> Sequence[tuple[str, ProviderAccount, str, str]]:
        """Return deposits whose sweep has ended: id, provider account, sweep, the sweep's state."""
        ...

    async def requested_refunds(
        self, tenant_id: str, before: datetime, limit: int
    ) -> Sequence[str]:
        """Return refunds that have been REQUESTED since before a moment, the longest first."""
        ...


async def replayed(reader: ObjectReader, asked: Request) -> str | None:
    """Return the object that this request made before; None if the request is new.

    Raises:
        DomainError: REQUEST_ID_REUSED, the id was used for something else.
    """
    known = await reader.request(asked.tenant_id, asked.request_id)
    if known is None:
        return None
    if (known.method, known.request_hash) != (asked.method, asked.request_hash):
        raise refusal(
            Reason.REQUEST_ID_REUSED,
            "This request id was used before for another request",
            method=known.method,
        )
    return known.object_id


# --- the history ---------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class EventCut:
    """All events up to a sequence, and nothing else; `recorded_at` is None at 0."""

    event_sequence: int
    recorded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """An event as it was recorded."""

    event_sequence: int
    event: Event
    provider: str
    provider_account: str
    origin: Origin
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events to export; what is empty does not filter."""

    provider: str = ""
    provider_account: str = ""
    object_types: Sequence[ObjectType] = ()
    object_id: str = ""


class HistoryReader(Protocol):
    """Reads the history, which is immutable and ordered. Each raises StoreUnavailableError."""

    async def cut(self, tenant_id: str) -> EventCut | None:
        """Return the end of the history now; None: the tenant has none."""
        ...

    async def cut_at_sequence(self, tenant_id: str, event_sequence: int) -> EventCut:
        """Return the cut after an event that exists, or the one before the first (0)."""
        ...

    async def sequence_at_time(self, tenant_id: str, moment: datetime, through: int) -> int:
        """Return the last sequence, at most `through`, that was recorded at or before a moment."""
        ...

    async def events(
        self, tenant_id: str, after: int, through: int, chosen: EventFilter
    ) -> tuple[int, Sequence[RecordedEvent]]:
        """Return how many events there are in (after, through], and those let through."""
        ...


# --- exceptions ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionRecord:
    """An exception as it is read."""

    exception_id: UUID
    kind: ExceptionKind
    is_open: bool
    decision_kind: DecisionKind
    owner: str
    object_type: ObjectType | None
    object_id: str
    inbox_event_id: UUID | None
    report_id: UUID | None
    report_line_number: int
    provider: str
    provider_account: str
    amount: Money | None
    message: str
    evidence: Mapping[str, str]
    resolved_by: str
    resolution: str
    created_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionFilter:
    """Which exceptions to list; what is empty or None does not filter."""

    is_open: bool | None = None
    kinds: Sequence[ExceptionKind] = ()
    decision_kinds: Sequence[DecisionKind] = ()
    owner: str = ""
    object_type: ObjectType | None = None
    object_id: str = ""
    provider: str = ""
    provider_account: str = ""
    created_since: datetime | None = None
    created_before: datetime | None = None


class ExceptionReader(Protocol):
    """Reads exceptions. Each method raises StoreUnavailableError."""

    async def list(
        self, tenant_id: str, chosen: ExceptionFilter, after: UUID | None, limit: int
    ) -> Sequence[ExceptionRecord]:
        """Return exceptions, the oldest first, after an id."""
        ...
