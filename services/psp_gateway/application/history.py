"""Reading the history: every answer names the cut that it was read at."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.psp_gateway.application.providers import Connections
from services.psp_gateway.application.reading import (
    EventCut,
    EventFilter,
    HistoryReader,
    RecordedEvent,
)
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.reasons import Reason, refusal

EXPORT_PAGE_EVENTS = 1_000


@dataclass(frozen=True, slots=True)
class Exported:
    """What one step of an export sends: some events, or the summary at the end."""

    events: Sequence[RecordedEvent] = ()
    cut: EventCut | None = None
    scanned: int = 0


class History:
    """The gateway's history. Each read raises TENANT_NOT_FOUND."""

    def __init__(self, reader: HistoryReader, connections: Connections) -> None:
        self._reader = reader
        self._connections = connections

    async def cut(self, tenant_id: str, as_of: datetime | None = None) -> EventCut:
        """Return the cut now, or the one that includes what was recorded at or before a moment.

        Raises:
            DomainError: TENANT_NOT_FOUND.
        """
        now = await self._reader.cut(tenant_id)
        if now is None:
            raise refusal(Reason.TENANT_NOT_FOUND, f"There is no tenant {tenant_id}")
        if as_of is None:
            return now
        sequence = await self._reader.sequence_at_time(tenant_id, as_of, now.event_sequence)
        return await self._reader.cut_at_sequence(tenant_id, sequence)

    async def export(
        self, tenant_id: str, after: int, through: int, chosen: EventFilter
    ) -> AsyncIterator[Exported]:
        """Yield the events of (after, through] that the filter lets through, then the end.

        Raises:
            DomainError: TENANT_NOT_FOUND, PROVIDER_ACCOUNT_NOT_FOUND, SEQUENCE_NOT_REACHED.
        """
        now = await self.cut(tenant_id)
        if chosen.provider and chosen.provider_account:
            self._connections.of(
                tenant_id, ProviderAccount(chosen.provider, chosen.provider_account)
            )
        if through > now.event_sequence:
            raise refusal(
                Reason.SEQUENCE_NOT_REACHED,
                f"The history ends at {now.event_sequence}, before {through}",
                event_sequence=str(now.event_sequence),
            )
        scanned = 0
        while after < through:
            page_end = min(after + EXPORT_PAGE_EVENTS, through)
            count, events = await self._reader.events(tenant_id, after, page_end, chosen)
            scanned += count
            after = page_end
            if events:
                yield Exported(events)
        yield Exported(cut=await self._reader.cut_at_sequence(tenant_id, through), scanned=scanned)
