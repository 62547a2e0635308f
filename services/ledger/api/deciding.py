"""One command to the tenant's lane, and its outcome or the error that a refusal is to a caller."""

from typing import TypeVar, cast

from services.kernel.invariant import invariant
from services.ledger.application.lanes import Lanes
from services.ledger.domain.commands import Command
from services.ledger.domain.decisions import Changed, Opened, Posted, Refused
from services.ledger.domain.reasons import LedgerError

Done = TypeVar("Done", Posted, Opened, Changed)


async def decided(lanes: Lanes, tenant_id: str, command: Command, kind: type[Done]) -> Done:
    """Have one command decided, and return its outcome, which is of `kind`.

    Raises:
        LedgerError: what the book refuses; QUEUE_FULL, UNAVAILABLE, TENANT_NOT_FOUND.
    """
    [outcome] = await lanes.of(tenant_id).decide([command])
    if isinstance(outcome, Refused):
        raise LedgerError(outcome.reason, outcome.message, **outcome.metadata)
    invariant(isinstance(outcome, kind), "a command's outcome is of its kind")
    return cast("Done", outcome)
