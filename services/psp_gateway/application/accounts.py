"""Accounts exist before money moves: each is opened in the ledger at its first use."""

from collections.abc import Iterable

from services.psp_gateway.application.ports import Ledger
from services.psp_gateway.domain.accounts import (
    Account,
    HouseChart,
    PlayerChart,
    ProviderAccount,
    ProviderChart,
)

_REMEMBERED_MAX = 200_000
_PATHS_A_CALL = 500


class Accounts:
    """Opens ledger accounts, and remembers those that it knows to be there."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._there: set[tuple[str, str]] = set()

    async def ensure(self, tenant_id: str, accounts: Iterable[Account]) -> None:
        """See to it that these accounts exist; usually nothing is asked of the ledger.

        Raises:
            LedgerUnavailableError: the ledger did not answer.
            LedgerRefusedError: it refuses, such as for a tenant that it does not know.
        """
        missing = {
            account.path: account
            for account in accounts
            if (tenant_id, account.path) not in self._there
        }
        if not missing:
            return
        paths = sorted(missing)
        for start in range(0, len(paths), _PATHS_A_CALL):
            part = [missing[path] for path in paths[start : start + _PATHS_A_CALL]]
            await self._ledger.create_accounts(tenant_id, part)
        if len(self._there) + len(missing) > _REMEMBERED_MAX:
            self._there.clear()
        self._there.update((tenant_id, path) for path in paths)

    async def ensure_charts(
        self, tenant_id: str, at: ProviderAccount, player_id: str, currency_code: str
    ) -> None:
        """See to it that the accounts of a player, a provider account and the house exist.

        Raises: as `ensure`.
        """
        await self.ensure(
            tenant_id,
            (
                *PlayerChart(player_id, currency_code).accounts(),
                *ProviderChart(at, currency_code).accounts(),
                *HouseChart(currency_code).accounts(),
            ),
        )
