"""The dispute: a player's bank takes a deposit back, in rounds.

The money, its fee and the freeze of the player's cash are postings of their own: a player's account
can refuse a freeze, never the rest.
"""

from dataclasses import replace
from types import MappingProxyType

from services.kernel.invariant import invariant
from services.kernel.movements import MovementKind
from services.psp_gateway.domain import facts, fees, postings
from services.psp_gateway.domain.accounts import HouseChart
from services.psp_gateway.domain.deposit import CAPTURED_STATES, after_taking, held_by_source
from services.psp_gateway.domain.exceptions import ExceptionKind, RaisedException
from services.psp_gateway.domain.facts import DisputeFact, ObjectType
from services.psp_gateway.domain.machine import (
    Decision,
    Go,
    NoOp,
    Refusal,
    Situation,
    Stay,
    Table,
    Wait,
    answered,
    applied,
    begin,
    deferred,
    exceptional,
    go,
    ignored,
    row,
    still_spendable,
    unanswerable,
)
from services.psp_gateway.domain.objects import Deposit, Dispute, DisputeState, Source
from services.psp_gateway.domain.postings import Movement, Posting, draft

S = DisputeState
_NONE = frozenset({None})
_NO_MONEY = frozenset({None, S.INQUIRY, S.CLOSED})
_MONEY = frozenset({S.OPEN, S.WON, S.LOST})

FREEZE = "freeze"
"""The second posting of withdrawn funds: what the player has is frozen."""
FREEZE_ENDED = "freeze_ended"
"""The second posting of reinstated funds: what is left of the freeze goes back."""
REINSTATED_AFTER_LOST = "reinstated_after_lost"

TABLE: Table[DisputeState] = MappingProxyType(
    dict(
        (
            *row(
                facts.DisputeInquiryOpened,
                (_NONE, go(S.INQUIRY)),
                ({S.INQUIRY, S.CLOSED} | _MONEY, NoOp("OPENED_BEFORE")),
            ),
            *row(
                facts.DisputeInquiryClosed,
                (_NONE | {S.INQUIRY}, go(S.CLOSED)),
                ({S.CLOSED}, NoOp("CLOSED_BEFORE")),
                (_MONEY, NoOp("STALE")),
            ),
            *row(
                facts.DisputeFundsWithdrawn,
                (_NO_MONEY | {S.WON}, go(S.OPEN)),
                ({S.OPEN, S.LOST}, Wait("the end of the round before")),
            ),
            *row(
                facts.DisputeReinstated,
                (_NO_MONEY, Wait("funds_withdrawn")),
                ({S.OPEN, S.LOST}, go(S.WON)),
                ({S.WON}, Wait("funds_withdrawn of its round")),
            ),
            *row(
                facts.DisputeLost,
                (_NO_MONEY, Wait("funds_withdrawn")),
                ({S.OPEN}, go(S.LOST)),
                ({S.WON, S.LOST}, Wait("funds_withdrawn of its round")),
            ),
            *row(
                facts.DisputeFee,
                (_NONE, Wait("the dispute")),
                ({S.INQUIRY, S.CLOSED} | _MONEY, Stay()),
            ),
        )
    )
)
"""What each fact does to a dispute in each state, for the round that is next or under way; None is
a dispute without a fact. A fact of a round that is over says nothing new."""


def decide(  # noqa: C901, PLR0911 - one case a fact.
    dispute: Dispute, deposit: Deposit, fact: DisputeFact, situation: Situation
) -> Decision[Dispute]:
    """Decide what a fact does to its dispute, and to the share of its deposit that is in review."""
    invariant(fact.object_id == dispute.dispute_id, "the fact is about this dispute")
    invariant(dispute.deposit_id == deposit.deposit_id, "the dispute is one of this deposit")
    if _round_is_over(dispute, fact):
        return ignored(dispute, "ROUND_IS_OVER")
    cell = begin(TABLE, dispute, dispute.state, fact, situation)
    if isinstance(cell, Decision):
        return cell
    if deposit.state not in CAPTURED_STATES:
        return deferred(dispute, "the deposit's captured")
    match fact:
        case facts.DisputeFundsWithdrawn():
            if fact.round_number != dispute.round_number + 1:
                return deferred(dispute, "the round before")
            return _withdrawn(dispute, deposit, fact, situation)
        case facts.DisputeReinstated() | facts.DisputeLost():
            if fact.round_number != dispute.round_number:
                return deferred(dispute, "funds_withdrawn of its round")
            if isinstance(fact, facts.DisputeLost):
                return _lost(dispute, deposit, fact, situation)
            return _reinstated(dispute, deposit, fact, situation)
        case facts.DisputeFee():
            return _fee(dispute, deposit, fact, situation)
    if isinstance(cell, Go):
        dispute = replace(dispute, state=DisputeState(cell.to[0]))
    return applied(fact, dispute, dispute.state)


def refused(
    dispute: Dispute, deposit: Deposit, posting: Posting, refusal: Refusal, situation: Situation
) -> Decision[Dispute]:
    """Answer the ledger's final refusal of a posting of this dispute.

    A freeze takes what there is, or nothing; a debt is paid by no more than is owed; a credit that
    the player's cash account does not take waits in L9.
    """
    _, of = deposit.charts()
    if not refusal.is_of_account:
        return unanswerable(posting, refusal, dispute)
    exceptions: tuple[RaisedException, ...] = ()
    instead: Posting | None
    if posting.name == FREEZE and refusal.account_path == of.cash.path:
        asked = posting.amount_on(of.dispute_freeze)
        frozen = min(asked - 1, still_spendable(posting, refusal, situation.cash_minor))
        dispute = replace(dispute, frozen_minor=frozen)
        again = postings.freeze(of, of.cash, frozen)
        instead = postings.next_try(posting, again) if again else None
    elif refusal.account_path == of.cash.path:
        instead = postings.rerouted(posting, of.cash, of.returned)
        exceptions = (RaisedException(ExceptionKind.CREDIT_REFUSED, refusal.reason),)
    elif posting.name == REINSTATED_AFTER_LOST and refusal.account_path == of.receivable.path:
        return _owed_less(dispute, deposit, posting, refusal, situation)
    else:
        return unanswerable(posting, refusal, dispute)
    return answered(
        posting,
        refusal,
        dispute,
        dispute.state,
        ObjectType.DISPUTE,
        situation.now,
        instead=instead,
        exceptions=exceptions,
    )


def _withdrawn(
    dispute: Dispute, deposit: Deposit, fact: facts.DisputeFundsWithdrawn, situation: Situation
) -> Decision[Dispute]:
    at, of = deposit.charts()
    if fact.amount.currency_code != at.currency_code:
        detail = f"{fact.amount} withdrawn of {deposit.captured}"
        return exceptional(dispute, ExceptionKind.AMOUNT_DIFFERS, detail)
    gross = fact.amount.minor_units
    frozen = max(0, min(held_by_source(deposit, situation.cash_minor), gross))
    source = postings.source_account(at, of, deposit.source or Source.CASH)
    withdrawn = draft(
        fact,
        fact.name,
        postings.funds_withdrawn(at, gross),
        now=situation.now,
        at=deposit.at,
        movement=Movement(MovementKind.DISPUTE, fact.movement_key),
    )
    frozen_posting = draft(
        fact,
        FREEZE,
        postings.freeze(of, source, frozen),
        now=situation.now,
        at=deposit.at,
        key=f"{FREEZE}.{fact.round_number}",
    )
    dispute = replace(
        dispute,
        state=S.OPEN,
        round_number=fact.round_number,
        amount=fact.amount,
        frozen_minor=frozen,
    )
    return applied(
        fact,
        dispute,
        dispute.state,
        postings=withdrawn + frozen_posting,
        deposit=after_taking(deposit, frozen),
    )


def _lost(
    dispute: Dispute, deposit: Deposit, fact: facts.DisputeLost, situation: Situation
) -> Decision[Dispute]:
    at, of = deposit.charts()
    gross = _gross(dispute)
    posted = draft(
        fact,
        fact.name,
        postings.dispute_lost(at, of, gross, dispute.frozen_minor),
        now=situation.now,
        at=deposit.at,
    )
    dispute = replace(dispute, state=S.LOST)
    return applied(
        fact,
        dispute,
        dispute.state,
        postings=posted,
        exceptions=_uncovered(gross - dispute.frozen_minor),
    )


def _reinstated(
    dispute: Dispute, deposit: Deposit, fact: facts.DisputeReinstated, situation: Situation
) -> Decision[Dispute]:
    gross, back = _gross(dispute), fact.amount.minor_units
    if dispute.amount is None or fact.amount.currency_code != dispute.amount.currency_code:
        detail = f"{fact.amount} reinstated of {dispute.amount}"
        return exceptional(dispute, ExceptionKind.AMOUNT_DIFFERS, detail)
    if back > gross:
        detail = f"{fact.amount} reinstated of {dispute.amount}"
        return exceptional(dispute, ExceptionKind.AMOUNT_DIFFERS, detail)
    if dispute.state is S.LOST:
        return _reinstated_after_lost(dispute, deposit, fact, situation)
    at, of = deposit.charts()
    missing = gross - back
    left = dispute.frozen_minor - min(dispute.frozen_minor, missing)
    source = postings.source_account(at, of, deposit.source or Source.CASH)
    posted = draft(
        fact,
        fact.name,
        postings.reinstated(at, of, gross, back, dispute.frozen_minor),
        now=situation.now,
        at=deposit.at,
        movement=Movement(MovementKind.DISPUTE_REVERSAL, fact.movement_key),
    )
    freeze_ended = draft(
        fact,
        FREEZE_ENDED,
        postings.freeze(of, source, -left),
        now=situation.now,
        at=deposit.at,
        key=f"{FREEZE_ENDED}.{fact.round_number}",
    )
    uncovered = _uncovered(missing - min(dispute.frozen_minor, missing))
    dispute = replace(dispute, state=S.WON)
    return applied(
        fact,
        dispute,
        dispute.state,
        postings=posted + freeze_ended,
        deposit=after_taking(deposit, -left),
        exceptions=uncovered,
    )


def _reinstated_after_lost(
    dispute: Dispute, deposit: Deposit, fact: facts.DisputeReinstated, situation: Situation
) -> Decision[Dispute]:
    at, of = deposit.charts()
    back = fact.amount.minor_units
    # The player may have paid some of what the loss left him owing.
    owed = min(back, _gross(dispute) - dispute.frozen_minor, situation.receivable_minor)
    source = postings.source_account(at, of, deposit.source or Source.CASH)
    posted = draft(
        fact,
        REINSTATED_AFTER_LOST,
        postings.reinstated_after_lost(at, of, source, back, owed),
        now=situation.now,
        at=deposit.at,
        movement=Movement(MovementKind.DISPUTE_REVERSAL, fact.movement_key),
    )
    dispute = replace(dispute, state=S.WON)
    return applied(
        fact,
        dispute,
        dispute.state,
        postings=posted,
        deposit=after_taking(deposit, owed - back),
    )


def _owed_less(
    dispute: Dispute, deposit: Deposit, posting: Posting, refusal: Refusal, situation: Situation
) -> Decision[Dispute]:
    """Answer a refusal of A7, which holds less by now than a reinstatement would pay."""
    at, of = deposit.charts()
    asked, back = posting.amount_on(of.receivable), posting.amount_on(at.available)
    owed = min(asked - 1, situation.receivable_minor)
    source = postings.source_account(at, of, deposit.source or Source.CASH)
    if posting.amount_on(of.returned):
        source = of.returned
    again = postings.reinstated_after_lost(at, of, source, back, owed)
    return answered(
        posting,
        refusal,
        dispute,
        dispute.state,
        ObjectType.DISPUTE,
        situation.now,
        instead=postings.next_try(posting, again),
        deposit=after_taking(deposit, owed - asked),
    )


def _fee(
    dispute: Dispute, deposit: Deposit, fact: facts.DisputeFee, situation: Situation
) -> Decision[Dispute]:
    at, _ = deposit.charts()
    return fees.charged(
        fact,
        dispute,
        dispute.state,
        # A fixed sum of the contract, whatever is disputed.
        amount=None,
        kind=MovementKind.DISPUTE_FEE,
        at=at,
        expense=HouseChart(at.currency_code).dispute_fees,
        provider=at.available,
        situation=situation,
    )


def _round_is_over(dispute: Dispute, fact: DisputeFact) -> bool:
    """Return whether the fact is of a round that has ended, and so says nothing new."""
    match fact:
        case facts.DisputeFundsWithdrawn(round_number=number):
            return number <= dispute.round_number
        case facts.DisputeLost(round_number=number):
            ended = dispute.state in (S.WON, S.LOST)
            return number < dispute.round_number or (number == dispute.round_number and ended)
        case facts.DisputeReinstated(round_number=number):
            ended = dispute.state is S.WON
            return number < dispute.round_number or (number == dispute.round_number and ended)
    return False


def _gross(dispute: Dispute) -> int:
    invariant(dispute.amount is not None, "a dispute whose money was withdrawn has an amount")
    return dispute.amount.minor_units if dispute.amount else 0


def _uncovered(owed_minor: int) -> tuple[RaisedException, ...]:
    if owed_minor <= 0:
        return ()
    detail = f"The player owes {owed_minor} minor units more"
    return (RaisedException(ExceptionKind.DISPUTE_UNCOVERED, detail),)
