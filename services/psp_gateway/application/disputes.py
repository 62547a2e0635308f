"""Disputes, as they are read: only a provider begins one, and only its facts move it."""

from collections.abc import Sequence
from uuid import UUID

from services.psp_gateway.application.object_records import DisputeFilter, DisputeRecord
from services.psp_gateway.application.reading import ObjectReader
from services.psp_gateway.domain.reasons import Reason, refusal


class Disputes:
    """The reads of disputes."""

    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader

    async def get(self, tenant_id: str, dispute_id: str) -> DisputeRecord:
        """Return a dispute.

        Raises:
            DomainError: DISPUTE_NOT_FOUND.
        """
        found = await self._reader.dispute(tenant_id, dispute_id)
        if found is None:
            raise refusal(Reason.DISPUTE_NOT_FOUND, f"There is no dispute {dispute_id}")
        return found

    async def list(
        self, tenant_id: str, chosen: DisputeFilter, after: UUID | None, limit: int
    ) -> Sequence[DisputeRecord]:
        """Return disputes, the newest first, after an id."""
        return await self._reader.disputes(tenant_id, chosen, after, limit)
