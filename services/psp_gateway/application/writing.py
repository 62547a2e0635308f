"""Writes a decision: every use case that decides does it here, and so in the same order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.psp_gateway.application.deciding import Subject
from services.psp_gateway.application.ports import GatewayUnit
from services.psp_gateway.application.records import ExceptionNote, Intent, Origin
from services.psp_gateway.domain.machine import Decision, Event, Verdict
from services.psp_gateway.domain.objects import Deposit, Dispute, Refund, Sweep, Withdrawal

LEDGER_LEASE = timedelta(seconds=20)
"""How long the janitor leaves an intent to whoever decided it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is written with a decision, beside what it holds."""

    origin: Origin
    now: datetime
    requests: Sequence[bytes] = ()
    """What the ledger is asked for each posting."""
    notes: Sequence[ExceptionNote] = ()
    """Each exception, as people read it."""
    before: Sequence[Event] = ()
    """Events that come before those of the decision."""


async def write(
    unit: GatewayUnit, subject: Subject, decision: Decision[Any], beside: Beside
) -> Sequence[Intent]:
    """Write the events, rows, intents and exceptions of a decision; return the intents.

    Of one that changes nothing only the exceptions are written.
    """
    intents: list[Intent] = []
    now = beside.now
    if decision.verdict is Verdict.APPLIED:
        events = [*beside.before, *decision.events]
        sequence = await unit.history.append(events, subject.at, beside.origin, now)
        for row in (decision.row, decision.deposit):
            # Players and provider accounts have no row.
            if isinstance(row, Deposit | Refund | Dispute | Withdrawal | Sweep):
                await unit.objects.save(row, sequence, now)
        if decision.ledger_reason:
            await unit.objects.set_ledger_reason(
                subject.object_type, subject.object_id, decision.ledger_reason
            )
        intents = [
            Intent(
                object_type=subject.object_type,
                posting=posting,
                row_id=subject.row_id,
                event_sequence=sequence,
                request=request,
            )
            for posting, request in zip(decision.postings, beside.requests, strict=True)
        ]
        await unit.intents.add(intents, now + LEDGER_LEASE, now)
    await unit.raise_exceptions(beside.notes, now)
    return intents
