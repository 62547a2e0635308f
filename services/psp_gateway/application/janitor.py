"""The janitor: takes up whatever a crash, a lost service or a silent provider left.

Every use case here is bounded, may run beside itself, and is called again and again by a schedule.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.kernel.clock import Clock
from services.kernel.errors import DomainError
from services.psp_gateway.application.attempts import CALL_LEASE, Attempts
from services.psp_gateway.application.facts import Facts, News
from services.psp_gateway.application.inbox import Applier
from services.psp_gateway.application.inbox_ports import InboxStore
from services.psp_gateway.application.ports import GatewayStore
from services.psp_gateway.application.reading import ObjectReader
from services.psp_gateway.application.records import FactSource, Intent, Origin
from services.psp_gateway.application.refunds import Refunds
from services.psp_gateway.application.settlement import Settlement
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.objects import SweepState

_INTENT_PAUSES = (
    timedelta(seconds=5),
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=5),
)

log = structlog.get_logger("vezne.janitor")


@dataclass(frozen=True, slots=True)
class Swept:
    """What one round of the janitor took up, a number each."""

    intents: int = 0
    inbox_events: int = 0
    attempts: int = 0
    refunds: int = 0
    deposits_of_sweeps: int = 0
    reports: int = 0
    bodies_deleted: int = 0


class Janitor:
    """The use cases of the janitor. Each raises StoreUnavailableError; the next round goes on."""

    def __init__(
        self,
        store: GatewayStore,
        reader: ObjectReader,
        inbox_store: InboxStore,
        applier: Applier,
        facts: Facts,
        attempts: Attempts,
        refunds: Refunds,
        settlement: Settlement,
        clock: Clock,
        inbox_retention: timedelta,
    ) -> None:
        self._store = store
        self._reader = reader
        self._inbox_store = inbox_store
        self._applier = applier
        self._facts = facts
        self._attempts = attempts
        self._refunds = refunds
        self._settlement = settlement
        self._clock = clock
        self._inbox_retention = inbox_retention

    async def sweep(self, tenant_id: str, limit: int = 200) -> Swept:
        """Do one round for a tenant: at most so many of each.

        Postings come first: what waits for them can then be applied in the same round.
        """
        return Swept(
            intents=await self.finish_intents(tenant_id, limit),
            inbox_events=await self.redrive_inbox(tenant_id, limit),
            attempts=await self.carry_on_attempts(tenant_id, limit),
            refunds=await self.submit_refunds(tenant_id, limit),
            deposits_of_sweeps=await self.settle_swept(tenant_id, limit),
            reports=await self._settlement.go_on(tenant_id, limit),
            bodies_deleted=await self.delete_bodies(tenant_id),
        )

    async def finish_intents(self, tenant_id: str, limit: int) -> int:
        """Ask the ledger for postings whose answer is not known; return how many were due."""
        async with self._store.open(tenant_id) as unit:
            due = await unit.intents.due(self._clock(), limit)
        stuck: set[tuple[str, str, str]] = set()
        for intent in due:
            # What follows a posting of an object that is not in yet must not overtake it.
            key = (intent.object_type, intent.posting.object_id, intent.row_id)
            if key in stuck or not await self._finished(tenant_id, intent):
                stuck.add(key)
        return len(due)

    async def redrive_inbox(self, tenant_id: str, limit: int) -> int:
        """Apply inbox events that are due; return how many there were."""
        due = await self._inbox_store.due(tenant_id, self._clock(), limit)
        for event in due:
            await self._applier.apply(event)
        return len(due)

    async def carry_on_attempts(self, tenant_id: str, limit: int) -> int:
        """Take up attempts that are silent or that a crash left; return how many there were."""
        now = self._clock()
        async with self._store.open(tenant_id) as unit:
            due = await unit.attempts.claim_due(now, now + CALL_LEASE, limit)
            await unit.commit()
        for attempt in due:
            await self._one(self._attempts.carry_on(tenant_id, attempt))
        return len(due)

    async def submit_refunds(self, tenant_id: str, limit: int) -> int:
        """Submit refunds that are REQUESTED and that nobody submits; return how many."""
        left = await self._refunds.left_requested(tenant_id, limit)
        for refund_id in left:
            await self._one(self._refunds.submit(tenant_id, refund_id))
        return len(left)

    async def settle_swept(self, tenant_id: str, limit: int) -> int:
        """Tell deposits that their sweep has reached the bank, or come back; return how many."""
        found = await self._reader.swept_deposits(tenant_id, limit)
        for deposit_id, at, sweep_id, state in found:
            told = facts.DepositBanked if state == SweepState.BANKED else facts.DepositSweepFailed
            news = News(
                tenant_id=tenant_id,
                fact=told(object_id=deposit_id, occurred_at=self._clock(), row_id=sweep_id),
                at=at,
                origin=Origin(FactSource.WORKFLOW),
            )
            await self._one(self._facts.bring(news))
        return len(found)

    async def delete_bodies(self, tenant_id: str) -> int:
        """Delete the bodies of applied webhooks and of conflicts that were kept long enough."""
        now = self._clock()
        return await self._inbox_store.delete_bodies(tenant_id, now - self._inbox_retention, now)

    async def _finished(self, tenant_id: str, intent: Intent) -> bool:
        if await self._facts.post(tenant_id, [intent]):
            return True
        now = self._clock()
        pause = _INTENT_PAUSES[min(intent.attempt_count, len(_INTENT_PAUSES) - 1)]
        async with self._store.open(tenant_id) as unit:
            await unit.intents.postpone(intent, now + pause, now)
            await unit.commit()
        return False

    async def _one(self, work: Awaitable[object]) -> None:
        """Do one thing; what fails for an expected reason does not stop the others."""
        try:
            await work
        except DomainError as error:
            log.warning("left_for_the_next_round", reason=error.reason, message=error.message)
