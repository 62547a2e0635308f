"""What withdrawals need of the outside beside what all objects need."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.psp_gateway.application.object_records import (
    Created,
    WithdrawalDecision,
    WithdrawalRecord,
)
from services.psp_gateway.domain.objects import WithdrawalState
from services.psp_gateway.domain.withdrawal_steps import WaitingFor


class WorkflowsUnavailableError(Exception):
    """Temporal did not take it: the janitor starts what is not running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalFilter:
    """Which withdrawals to list; what is empty or None does not filter."""

    player_id: str = ""
    provider: str = ""
    provider_account: str = ""
    states: Sequence[WithdrawalState] = ()
    waiting_for: Sequence[WaitingFor] = ()
    requested_by: str = ""
    reference: str = ""
    provider_object_id: str = ""
    created: Created = field(default_factory=Created)


class WithdrawalRows(Protocol):
    """What a unit of work writes of a withdrawal beside the machine's row."""

    async def begin_review(self, withdrawal_id: str, expires_at: datetime) -> None:
        """Write until when people may decide about a withdrawal, which is locked."""
        ...

    async def wait_for(
        self, withdrawal_id: str, state: WithdrawalState, waiting_for: WaitingFor
    ) -> bool:
        """Write what it waits for until its state changes; False if that is another by now."""
        ...

    async def add_decision(
        self, withdrawal_id: str, requested_by: str, decision: WithdrawalDecision
    ) -> None:
        """Write down what a person decided about a withdrawal, which is locked.

        The store itself refuses an approval by the requester, and a second one by one person.
        """
        ...

    async def claim_unattended(self, now: datetime, until: datetime, limit: int) -> Sequence[str]:
        """Return withdrawals that have not ended and whose workflow nobody looked after lately.

        Each counts as looked after until then.
        """
        ...


class WithdrawalReader(Protocol):
    """Lists withdrawals."""

    async def list(
        self, tenant_id: str, chosen: WithdrawalFilter, after: UUID | None, limit: int
    ) -> Sequence[WithdrawalRecord]:
        """Return withdrawals, the newest first, after an id; each with its last attempt only.

        Raises:
            StoreUnavailableError.
        """
        ...


class Workflows(Protocol):
    """The workflows of withdrawals, one a withdrawal."""

    async def start(self, tenant_id: str, withdrawal_id: str) -> None:
        """See to it that the workflow runs; one that runs already goes on.

        Raises:
            WorkflowsUnavailableError: it may or may not have been started.
        """
        ...

    async def wake(self, tenant_id: str, withdrawal_id: str) -> None:
        """Tell the workflow that something has happened. Never fails: it looks later by itself."""
        ...
