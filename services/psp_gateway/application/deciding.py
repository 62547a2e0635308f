"""Which machine decides about a fact, and which rows it needs: locked, in the one order."""

from dataclasses import dataclass
from typing import Any, cast

from services.kernel.invariant import invariant
from services.psp_gateway.application.ports import GatewayUnit, StoredRow
from services.psp_gateway.application.records import Intent
from services.psp_gateway.domain import (
    deposit,
    dispute,
    facts,
    player,
    provider_account,
    refund,
    withdrawal,
)
from services.psp_gateway.domain.accounts import PlayerChart, ProviderAccount
from services.psp_gateway.domain.facts import Fact, ObjectType
from services.psp_gateway.domain.machine import Decision, Refusal, Situation
from services.psp_gateway.domain.objects import Deposit, Dispute, Refund, Sweep, Withdrawal
from services.psp_gateway.domain.postings import Posting

Row = StoredRow | PlayerChart | ProviderAccount
SWEEP_FACTS = facts.SweepSent | facts.SweepBanked | facts.SweepFailed
_SWEEP_NAMES = {facts.SweepSent.name, facts.SweepBanked.name, facts.SweepFailed.name}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a fact, or a posting, is about.

    Args:
        object_type: of the object.
        object_id: of the object.
        deposit_id: of a refund or dispute that may have no row yet, its deposit.
        sweep_id: of a fact of a sweep, the sweep.
        row_id: which row of the object a posting of it belongs to; empty where it has one only.
        at: the provider account; needed where the object is one, or a sweep of one.
        currency_code: of what a player owes.
    """

    object_type: ObjectType
    object_id: str
    deposit_id: str = ""
    sweep_id: str = ""
    row_id: str = ""
    at: ProviderAccount | None = None
    currency_code: str = ""


def subject_of(fact: Fact, at: ProviderAccount | None, deposit_id: str = "") -> Subject:
    """Return what a fact is about."""
    row_id = fact.occurrence if fact.object_type is ObjectType.PROVIDER_ACCOUNT else ""
    currency_code = ""
    match fact:
        case facts.ReceivableRecovered():
            currency_code = fact.currency_code
        case facts.ReceivableWrittenOff():
            currency_code = fact.amount.currency_code
    return Subject(
        fact.object_type,
        fact.object_id,
        deposit_id,
        row_id if isinstance(fact, SWEEP_FACTS) else "",
        row_id,
        at,
        currency_code,
    )


def subject_of_intent(intent: Intent) -> Subject:
    """Return what a posting is about."""
    posting, row_id = intent.posting, intent.row_id
    currency_code = ""
    if intent.object_type is ObjectType.PLAYER:
        # What a player owes is of one currency, and so is every posting of it.
        (currency_code,) = {entry.account.currency_code for entry in posting.entries}
    of_sweep = intent.object_type is ObjectType.PROVIDER_ACCOUNT and posting.name in _SWEEP_NAMES
    return Subject(
        intent.object_type,
        posting.object_id,
        sweep_id=row_id if of_sweep else "",
        row_id=row_id,
        at=posting.at,
        currency_code=currency_code,
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """What was locked for a decision."""

    row: Row
    deposit: Deposit | None = None
    """The parent of a refund or dispute."""


async def lock(unit: GatewayUnit, subject: Subject) -> Rows | None:
    """Lock and return the rows that a fact is about; None if the object is not there."""
    object_id = subject.object_id
    match subject.object_type:
        case ObjectType.DEPOSIT:
            row: Row | None = await unit.objects.lock_deposit(object_id)
        case ObjectType.WITHDRAWAL:
            row = await unit.objects.lock_withdrawal(object_id)
        case ObjectType.REFUND | ObjectType.DISPUTE:
            return await _lock_with_deposit(unit, subject)
        case ObjectType.PLAYER:
            # It has no row of its own: the tenant's head orders its facts.
            await unit.history.lock_head()
            row = PlayerChart(object_id, subject.currency_code)
        case ObjectType.PROVIDER_ACCOUNT:
            await unit.history.lock_head()
            invariant(subject.at is not None, "a provider account is named")
            at = cast("ProviderAccount", subject.at)
            row = at
            if subject.sweep_id:
                found = await unit.objects.lock_sweep(at, subject.sweep_id)
                row = found or Sweep(sweep_id=subject.sweep_id, at=at)
    return None if row is None else Rows(row)


async def _lock_with_deposit(unit: GatewayUnit, subject: Subject) -> Rows | None:
    known = await unit.objects.deposit_of(subject.object_type, subject.object_id)
    deposit_id = known or subject.deposit_id
    parent = await unit.objects.lock_deposit(deposit_id) if deposit_id else None
    if parent is None:
        return None
    if subject.object_type is ObjectType.REFUND:
        row: Refund | Dispute | None = await unit.objects.lock_refund(subject.object_id)
        fresh: Refund | Dispute = Refund(refund_id=subject.object_id, deposit_id=deposit_id)
    else:
        row = await unit.objects.lock_dispute(subject.object_id)
        fresh = Dispute(dispute_id=subject.object_id, deposit_id=deposit_id)
    return Rows(row or fresh, parent)


async def postings_stand(unit: GatewayUnit, subject: Subject, deposit_id: str) -> bool:
    """Return whether every posting of the object, and of its deposit, stands in the ledger."""
    if subject.object_type is ObjectType.PROVIDER_ACCOUNT and not subject.sweep_id:
        # Each of these facts stands alone, and nobody can refuse its posting.
        return True
    unfinished = unit.intents.unfinished
    if deposit_id and await unfinished(ObjectType.DEPOSIT, deposit_id, ""):
        return False
    return not await unfinished(subject.object_type, subject.object_id, subject.row_id)


async def decided_through(unit: GatewayUnit, subject: Subject, deposit_id: str) -> int:
    """Return the event sequence of the last posting of the object, and of its deposit."""
    through = await unit.intents.decided_through(subject.object_type, subject.object_id)
    if not deposit_id:
        return through
    return max(through, await unit.intents.decided_through(ObjectType.DEPOSIT, deposit_id))


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of an object without a lock."""

    chart: PlayerChart | None = None
    """The accounts of the player whose money it is; None if nobody's, or if it is not there."""
    stands: bool = True
    """Whether all its postings stand: what the ledger says of the player then counts them."""
    through: int = 0
    """The event sequence of the last of them."""


async def look(unit: GatewayUnit, subject: Subject) -> Seen:
    """Look at an object before anything is locked."""
    deposit_id = ""
    match subject.object_type:
        case ObjectType.PROVIDER_ACCOUNT:
            return Seen()
        case ObjectType.PLAYER:
            chart: PlayerChart | None = PlayerChart(subject.object_id, subject.currency_code)
        case ObjectType.REFUND | ObjectType.DISPUTE:
            known = await unit.objects.deposit_of(subject.object_type, subject.object_id)
            deposit_id = known or subject.deposit_id
            chart = None
            if deposit_id:
                chart = await unit.objects.player_of(ObjectType.DEPOSIT, deposit_id)
        case ObjectType.DEPOSIT | ObjectType.WITHDRAWAL:
            chart = await unit.objects.player_of(subject.object_type, subject.object_id)
    # First how far it goes: what is decided after that is noticed under the lock.
    through = await decided_through(unit, subject, deposit_id)
    return Seen(chart, await postings_stand(unit, subject, deposit_id), through)


def decide(  # noqa: PLR0911 - one case a machine.
    rows: Rows, fact: Any, situation: Situation
) -> Decision[Any]:
    """Ask the machine what the fact does. Its type is checked by the match, not by mypy."""
    match rows.row:
        case Deposit() as row:
            return deposit.decide(row, fact, situation)
        case Refund() as row:
            return refund.decide(row, _parent(rows), fact, situation)
        case Dispute() as row:
            return dispute.decide(row, _parent(rows), fact, situation)
        case Withdrawal() as row:
            return withdrawal.decide(row, fact, situation)
        case Sweep() as row:
            return provider_account.decide_sweep(row, fact, situation)
        case PlayerChart() as row:
            return player.decide(row, fact, situation)
        case ProviderAccount() as row:
            return provider_account.decide(row, fact, situation)


def answer(  # noqa: PLR0911 - one case a machine.
    rows: Rows, posting: Posting, refusal: Refusal, situation: Situation
) -> Decision[Any]:
    """Ask the machine what follows from the ledger's final refusal of a posting."""
    match rows.row:
        case Deposit() as row:
            return deposit.refused(row, posting, refusal, situation)
        case Refund() as row:
            return refund.refused(row, _parent(rows), posting, refusal, situation)
        case Dispute() as row:
            return dispute.refused(row, _parent(rows), posting, refusal, situation)
        case Withdrawal() as row:
            return withdrawal.refused(row, posting, refusal, situation)
        case PlayerChart() as row:
            return player.refused(row, posting, refusal, situation)
        case Sweep() as row:
            return provider_account.refused(row.at, posting, refusal)
        case ProviderAccount() as row:
            return provider_account.refused(row, posting, refusal)


def _parent(rows: Rows) -> Deposit:
    invariant(rows.deposit is not None, "a refund or dispute is decided with its deposit")
    return cast("Deposit", rows.deposit)
