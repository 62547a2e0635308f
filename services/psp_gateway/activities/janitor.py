"""The activities of the janitor's workflow."""

import dataclasses
from collections.abc import Mapping, Sequence

from temporalio import activity

from services.psp_gateway.application.janitor import Janitor
from services.psp_gateway.application.withdrawals import Withdrawals

_WITHDRAWALS_A_ROUND = 200


class JanitorActivities:
    """What the janitor's workflow calls.

    Args:
        janitor: takes up what was left.
        withdrawals: sees to their workflows.
        tenants: those with a provider account here.
    """

    def __init__(self, janitor: Janitor, withdrawals: Withdrawals, tenants: Sequence[str]) -> None:
        self._janitor = janitor
        self._withdrawals = withdrawals
        self._tenants = tenants

    @activity.defn
    async def list_tenants(self) -> Sequence[str]:
        return self._tenants

    @activity.defn
    async def take_up_leftovers(self, tenant_id: str) -> Mapping[str, int]:
        return dataclasses.asdict(await self._janitor.sweep(tenant_id))

    @activity.defn
    async def attend_withdrawals(self, tenant_id: str) -> Mapping[str, int]:
        return {"withdrawals": await self._withdrawals.attend(tenant_id, _WITHDRAWALS_A_ROUND)}
