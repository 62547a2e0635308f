"""What can go wrong between a process and its store or ledger: between any two awaits it may die.

Both are wrapped, so that the real store meets the same troubles as the one in memory. A point lies
before and after every commit and every call; what is between two points leaves nothing behind.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from random import Random
from typing import Any

from services.psp_gateway.application.ports import (
    GatewayStore,
    GatewayUnit,
    Ledger,
    LedgerUnavailableError,
    Posted,
    StoreUnavailableError,
)
from services.psp_gateway.application.records import ExceptionNote
from services.psp_gateway.domain.accounts import Account, PlayerChart
from services.psp_gateway.domain.machine import Holdings, Refusal
from services.psp_gateway.domain.postings import Posting

_PAUSES = (0, 0, 1, 3, 12)
"""How many turns the others may have at a point: none, or enough to come to their end."""


class ProcessDiedError(BaseException):
    """The process ends here: nothing of it may catch this."""


class Kind(Enum):
    """What happens at the point."""

    DIES = "the process dies"
    UNHEARD = "the store or the ledger cannot be reached, or its answer is lost"


@dataclass(frozen=True)
class Trouble:
    """At which point from now on something happens, and what."""

    point: int
    kind: Kind = Kind.DIES


@dataclass
class Troubles:
    """Counts the points that are passed."""

    coming: Trouble | None = None
    passed: int = 0
    came: bool = False
    """Whether it has happened."""
    turns: Random | None = None
    """Where several run at once: who goes on at each point; None while only one runs."""

    def prepare(self, trouble: Trouble | None) -> None:
        """Let something happen from now on, or nothing."""
        self.coming, self.passed, self.came = trouble, 0, False

    async def point(self, unreachable: Exception) -> None:
        """Pass a point, or not."""
        # Others may run here, which is where an await is dangerous.
        for _ in range(self.turns.choice(_PAUSES) if self.turns else 0):
            await asyncio.sleep(0)
        self.passed += 1
        if self.coming and self.coming.point == self.passed:
            self.came = True
            if self.coming.kind is Kind.DIES:
                raise ProcessDiedError
            raise unreachable


@dataclass
class TroubledStore:
    """A store that may be lost at any point. Implements `GatewayStore`."""

    store: GatewayStore
    troubles: Troubles

    @asynccontextmanager
    async def open(self, tenant_id: str) -> AsyncIterator[GatewayUnit]:
        await self.troubles.point(StoreUnavailableError())
        async with self.store.open(tenant_id) as unit:
            yield _TroubledUnit(unit, self.troubles)


class _TroubledUnit:
    """A unit of work with a point before its commit, and one before its caller hears of it."""

    def __init__(self, unit: GatewayUnit, troubles: Troubles) -> None:
        self._unit = unit
        self._troubles = troubles

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unit, name)

    async def raise_exceptions(self, notes: Collection[ExceptionNote], now: datetime) -> None:
        await self._unit.raise_exceptions(notes, now)

    async def commit(self) -> None:
        await self._troubles.point(StoreUnavailableError())
        await self._unit.commit()
        await self._troubles.point(StoreUnavailableError())


@dataclass
class TroubledLedger:
    """A ledger that may be lost at any point. Implements `Ledger`."""

    ledger: Ledger
    troubles: Troubles
    away: Exception = field(default_factory=lambda: LedgerUnavailableError("It is away"))

    def request_of(self, tenant_id: str, posting: Posting) -> bytes:
        """Build a request."""
        return self.ledger.request_of(tenant_id, posting)

    async def post(self, request: bytes) -> Posted | Refusal:
        """Post; it may be booked and its answer lost."""
        await self.troubles.point(self.away)
        answer = await self.ledger.post(request)
        await self.troubles.point(self.away)
        return answer

    async def create_accounts(self, tenant_id: str, accounts: Sequence[Account]) -> None:
        """Open accounts."""
        await self.troubles.point(self.away)
        await self.ledger.create_accounts(tenant_id, accounts)

    async def holdings(self, tenant_id: str, of: PlayerChart) -> Holdings:
        """Read."""
        await self.troubles.point(self.away)
        found = await self.ledger.holdings(tenant_id, of)
        # What was read is old by the time it is used.
        await self.troubles.point(self.away)
        return found

    async def receivable_minor(self, tenant_id: str, of: PlayerChart) -> int:
        """Read."""
        await self.troubles.point(self.away)
        return await self.ledger.receivable_minor(tenant_id, of)

    async def sequence(self, tenant_id: str) -> int:
        """Read."""
        return await self.ledger.sequence(tenant_id)
