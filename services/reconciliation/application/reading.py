"""Reading runs, statements and breaks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from services.kernel.money import UnknownCurrencyError, currency
from services.reconciliation.application.ports import Gateway, RunReader
from services.reconciliation.application.questions import (
    BreakFilter,
    BreakPosition,
    BreakView,
    RunFilter,
    RunPosition,
)
from services.reconciliation.domain.inputs import AccountRef
from services.reconciliation.domain.reasons import Reason, ReconciliationError
from services.reconciliation.domain.runs import Run
from services.reconciliation.domain.statement import Statement

WATCH_INTERVAL_S = 0.5


class Runs:
    """What people ask for. UNAVAILABLE is the store's to raise."""

    def __init__(
        self,
        reader: RunReader,
        gateway: Gateway,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reader = reader
        self._gateway = gateway
        self._pause = pause

    async def run(self, tenant_id: str, run_id: str) -> Run:
        """Return one run.

        Raises:
            ReconciliationError: RUN_NOT_FOUND.
        """
        found = await self._reader.run(tenant_id, run_id)
        if found is None:
            raise ReconciliationError(
                Reason.RUN_NOT_FOUND, f"There is no run {run_id}", run_id=run_id
            )
        return found

    async def runs(
        self, tenant_id: str, chosen: RunFilter, after: RunPosition | None, limit: int
    ) -> Sequence[Run]:
        """Return runs by business date, the latest first."""
        return await self._reader.runs(tenant_id, chosen, after, limit)

    async def watch(self, tenant_id: str, run_id: str) -> AsyncIterator[Run]:
        """Yield the run as it is now, and whenever it has changed, until it has ended.

        Raises:
            ReconciliationError: RUN_NOT_FOUND.
        """
        last: Run | None = None
        while True:
            run = await self.run(tenant_id, run_id)
            if run != last:
                yield run
            if run.has_ended:
                return
            last = run
            await self._pause(WATCH_INTERVAL_S)

    async def statement(self, tenant_id: str, run_id: str) -> tuple[Run, Statement, str]:
        """Return a run with its statement, as data and as Markdown.

        Raises:
            ReconciliationError: RUN_NOT_FOUND, STATEMENT_NOT_READY.
        """
        run = await self.run(tenant_id, run_id)
        found = await self._reader.statement(tenant_id, run_id)
        if found is None:
            raise ReconciliationError(
                Reason.STATEMENT_NOT_READY,
                f"The run has no statement: it is {run.state}",
                state=run.state,
            )
        return run, *found

    async def breaks(
        self, tenant_id: str, chosen: BreakFilter, after: BreakPosition | None, limit: int
    ) -> Sequence[BreakView]:
        """Return breaks of published runs, the worst first, then the oldest.

        Raises:
            ReconciliationError: UNKNOWN_CURRENCY, PROVIDER_ACCOUNT_NOT_FOUND, RUN_NOT_FOUND.
        """
        if chosen.currency_code:
            try:
                currency(chosen.currency_code)
            except UnknownCurrencyError as error:
                raise ReconciliationError(
                    Reason.UNKNOWN_CURRENCY, str(error), currency_code=chosen.currency_code
                ) from error
        if chosen.run_id:
            await self.run(tenant_id, chosen.run_id)
        found = await self._reader.breaks(tenant_id, chosen, after, limit)
        if not found and chosen.provider and chosen.provider_account:
            # Nothing may mean that all is well, or that the name is wrong: only the gateway knows.
            await self._gateway.check_provider_account(
                AccountRef(tenant_id, chosen.provider, chosen.provider_account)
            )
        return found
