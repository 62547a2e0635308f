"""The real ledger behind the gateway's port, with points at which the way to it fails."""

import asyncio
from collections.abc import Sequence
from typing import NoReturn

from services.psp_gateway.application.ports import (
    Ledger,
    LedgerUnavailableError,
    Posted,
)
from services.psp_gateway.domain.accounts import Account, PlayerChart
from services.psp_gateway.domain.machine import Holdings, Refusal
from services.psp_gateway.domain.postings import Posting


class _CrashError(Exception):
    """The process dies here."""


class FailingLedger:
    """The real ledger, with points at which the way to it fails."""

    real: Ledger

    def __init__(self) -> None:
        self.is_away = False
        self.dies_before = False
        self.dies_after = False
        self.dies_recovering = False
        """Whether it fails where the gateway asks what a player owes, after it has credited him."""
        self.deaths = 0
        self.held: asyncio.Event | None = None
        """While it is set and not free, a posting waits; reading holdings frees it afterwards."""
        self.posted = asyncio.Event()

    def around(self, real: Ledger) -> Ledger:
        """Stand before a ledger."""
        self.real = real
        return self

    def mend(self) -> None:
        """Let no point fail any more."""
        self.is_away = self.dies_before = self.dies_after = self.dies_recovering = False
        self.deaths, self.held = 0, None

    def request_of(self, tenant_id: str, posting: Posting) -> bytes:
        """Build a request as the real one."""
        return self.real.request_of(tenant_id, posting)

    async def post(self, request: bytes) -> Posted | Refusal:
        """Post, or fail at one of the points."""
        if self.is_away:
            raise LedgerUnavailableError("away")
        if self.dies_before:
            self._die()
        if self.held:
            await self.held.wait()
        answer = await self.real.post(request)
        if self.dies_after:
            self._die()
        return answer

    async def create_accounts(self, tenant_id: str, accounts: Sequence[Account]) -> None:
        """Open accounts, where the ledger is there."""
        if self.is_away:
            raise LedgerUnavailableError("away")
        await self.real.create_accounts(tenant_id, accounts)

    async def holdings(self, tenant_id: str, of: PlayerChart) -> Holdings:
        """Read as the real one; what is held lands right afterwards."""
        found = await self.real.holdings(tenant_id, of)
        if self.held:
            self.held.set()
            await self.posted.wait()
        return found

    async def receivable_minor(self, tenant_id: str, of: PlayerChart) -> int:
        """Read as the real one."""
        if self.dies_recovering:
            self._die()
        return await self.real.receivable_minor(tenant_id, of)

    async def sequence(self, tenant_id: str) -> int:
        """Read as the real one."""
        return await self.real.sequence(tenant_id)

    def _die(self) -> NoReturn:
        self.deaths += 1
        raise _CrashError
