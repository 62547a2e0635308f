"""What is kept of an applied fact beside the machine's row: for people, and for the janitor."""

from datetime import datetime
from typing import Any

from services.psp_gateway.application.ports import GatewayUnit
from services.psp_gateway.application.providers import Connections
from services.psp_gateway.application.records import NO_DETAILS, Details
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.facts import Fact, ObjectType
from services.psp_gateway.domain.machine import Decision
from services.psp_gateway.domain.objects import (
    Deposit,
    DepositState,
    DisputeState,
    Refund,
    RefundState,
)

_DEPOSIT_GOES_ON = frozenset(
    {
        DepositState.CREATED,
        DepositState.SUBMITTING,
        DepositState.SUBMIT_UNKNOWN,
        DepositState.REQUIRES_ACTION,
        DepositState.PROCESSING,
        DepositState.AUTHORISED,
    }
)
_REFUND_GOES_ON = frozenset(
    {RefundState.SUBMITTING, RefundState.SUBMIT_UNKNOWN, RefundState.PENDING}
)
_ENDS_ITS_ATTEMPT = facts.WithdrawalPaid | facts.WithdrawalFailed | facts.WithdrawalNotSent


async def keep(
    unit: GatewayUnit,
    fact: Fact,
    decision: Decision[Any],
    details: Details,
    connections: Connections,
    at: ProviderAccount | None,
    now: datetime,
) -> None:
    """Write what an applied fact tells beside its object's state."""
    if details != NO_DETAILS:
        await unit.objects.add_details(fact.object_type, fact.object_id, details, now)
    await _end_attempts(unit, fact, decision.row, now)
    match fact:
        case facts.DepositCaptured():
            connection = connections.by_account.get(at) if at else None
            if connection and connection.fee_terms:
                fee_minor = connection.fee_terms.of(fact.amount.minor_units)
                await unit.objects.set_expected_fee(fact.object_id, fee_minor)
        case facts.DepositSwept():
            await unit.objects.set_sweep(fact.object_id, fact.row_id)
        case facts.DepositSweepFailed():
            await unit.objects.set_sweep(fact.object_id, "")
        case facts.DisputeFundsWithdrawn():
            await unit.objects.open_round(
                fact.object_id, fact.round_number, fact.amount, fact.movement_key, now
            )
        case facts.DisputeReinstated():
            back = fact.amount.minor_units
            await unit.objects.end_round(
                fact.object_id, fact.round_number, DisputeState.WON, back, now
            )
        case facts.DisputeLost():
            await unit.objects.end_round(
                fact.object_id, fact.round_number, DisputeState.LOST, 0, now
            )
        case facts.DisputeFee():
            await unit.objects.add_round_fee(
                fact.object_id, fact.movement_key, fact.fee.minor_units
            )


async def _end_attempts(unit: GatewayUnit, fact: Fact, row: object, now: datetime) -> None:
    """End the attempts whose outcome is known for certain now: nobody need ask about them."""
    match row:
        case Deposit(state=state) if state not in _DEPOSIT_GOES_ON:
            await unit.attempts.end(ObjectType.DEPOSIT, fact.object_id, None, now)
        case Refund(state=state) if state not in _REFUND_GOES_ON:
            await unit.attempts.end(ObjectType.REFUND, fact.object_id, None, now)
    if isinstance(fact, _ENDS_ITS_ATTEMPT):
        await unit.attempts.end(ObjectType.WITHDRAWAL, fact.object_id, fact.attempt, now)
