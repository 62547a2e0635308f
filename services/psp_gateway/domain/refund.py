"""The refund: money of a captured deposit that goes back to where it came from.

A refund is a row of its own, keyed by the provider's id; it is never read off a running total.
"""

from dataclasses import replace
from types import MappingProxyType

from services.kernel.invariant import invariant
from services.kernel.money import Money
from services.kernel.movements import MovementKind
from services.psp_gateway.domain import facts, fees, postings
from services.psp_gateway.domain.accounts import HouseChart
from services.psp_gateway.domain.deposit import CAPTURED_STATES, after_taking, held_by_source
from services.psp_gateway.domain.exceptions import ExceptionKind, RaisedException
from services.psp_gateway.domain.facts import Fact, ObjectType, RefundFact
from services.psp_gateway.domain.machine import (
    Decision,
    Go,
    NoOp,
    Raise,
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
    row,
    still_spendable,
    unanswerable,
)
from services.psp_gateway.domain.objects import Deposit, DepositState, Refund, RefundState, Source
from services.psp_gateway.domain.postings import Movement, Posting, draft
from services.psp_gateway.domain.reasons import Reason, refusal

S = RefundState
_UNANSWERED = frozenset({S.REQUESTED, S.SUBMITTING, S.SUBMIT_UNKNOWN})
_OPEN = _UNANSWERED | {S.PENDING}
_ENDED = frozenset({S.SUCCEEDED, S.FAILED, S.FAILED_AFTER_SUCCESS, S.REJECTED})
_NONE = frozenset({None})

_STALE = NoOp("STALE")
_NOT_OURS = NoOp("NOT_ASKED_FOR_BY_US")

CREDITED_BACK = "credited_back"
"""The second posting of a failure after success: from clearing to the player."""

TABLE: Table[RefundState] = MappingProxyType(
    dict(
        (
            *row(
                facts.RefundAskedFor,
                (_NONE, go(S.REQUESTED)),
                (_OPEN | _ENDED, NoOp("ASKED_FOR_BEFORE")),
            ),
            *row(
                facts.RefundMadeAtProvider,
                (_NONE, go(S.SUCCEEDED)),
                (_OPEN | _ENDED, NoOp("KNOWN_BEFORE")),
            ),
            *row(
                facts.RefundSubmitStarted,
                (_NONE, Wait("asked_for")),
                ({S.REQUESTED}, go(S.SUBMITTING)),
                ({S.SUBMITTING, S.SUBMIT_UNKNOWN, S.PENDING} | _ENDED, _STALE),
            ),
            *row(
                facts.RefundNotSent,
                (_NONE, Wait("asked_for")),
                ({S.SUBMITTING, S.SUBMIT_UNKNOWN}, go(S.REQUESTED)),
                ({S.REQUESTED, S.PENDING} | _ENDED, _STALE),
            ),
            *row(
                facts.RefundOutcomeUnknown,
                (_NONE, Wait("asked_for")),
                ({S.SUBMITTING}, go(S.SUBMIT_UNKNOWN)),
                ({S.REQUESTED, S.SUBMIT_UNKNOWN, S.PENDING} | _ENDED, _STALE),
            ),
            *row(
                facts.RefundAccepted,
                (_NONE, _NOT_OURS),
                (_UNANSWERED, go(S.PENDING)),
                ({S.PENDING} | _ENDED, _STALE),
            ),
            *row(
                facts.RefundSucceeded,
                (_NONE, Wait("asked_for")),
                (_OPEN, go(S.SUCCEEDED)),
                ({S.FAILED}, go(S.SUCCEEDED)),
                ({S.SUCCEEDED, S.FAILED_AFTER_SUCCESS}, NoOp("SUCCEEDED_BEFORE")),
                ({S.REJECTED}, Raise(ExceptionKind.REFUND_UNEXPECTED)),
            ),
            *row(
                facts.RefundFailed,
                (_NONE, _NOT_OURS),
                (_OPEN, go(S.FAILED)),
                (_ENDED, _STALE),
            ),
            *row(
                facts.RefundFailedAfterSuccess,
                (_NONE | _OPEN | {S.FAILED}, Wait("succeeded")),
                ({S.SUCCEEDED}, go(S.FAILED_AFTER_SUCCESS)),
                ({S.FAILED_AFTER_SUCCESS}, NoOp("FAILED_BEFORE")),
                ({S.REJECTED}, Raise(ExceptionKind.REFUND_UNEXPECTED)),
            ),
            *row(
                facts.RefundFee,
                (_NONE, Wait("asked_for or made_at_provider")),
                (_OPEN | _ENDED, Stay()),
            ),
        )
    )
)
"""What each fact does to a refund in each state; None is a refund without a fact."""


def check_request(deposit: Deposit, amount: Money, refunded_minor: int) -> None:
    """Check that so much of a deposit may be refunded.

    Args:
        deposit: locked.
        amount: what is to go back.
        refunded_minor: the sum of the deposit's refunds that have not failed or been rejected.

    Raises:
        DomainError: DEPOSIT_NOT_REFUNDABLE; CURRENCY_MISMATCH; REFUND_EXCEEDS_CAPTURED, also if the
            deposit is in review and a dispute holds some of it.
    """
    if deposit.captured is None or deposit.state is DepositState.CAPTURE_FAILED:
        message = f"The deposit is {deposit.state}"
        raise refusal(Reason.DEPOSIT_NOT_REFUNDABLE, message, state=deposit.state)
    if amount.currency_code != deposit.captured.currency_code:
        message = f"The deposit is in {deposit.captured.currency_code}"
        raise refusal(Reason.CURRENCY_MISMATCH, message)
    refundable = deposit.captured.minor_units - refunded_minor
    if deposit.source is Source.REVIEW:
        refundable = min(refundable, deposit.review_minor)
    if amount.minor_units > refundable:
        left = Money(amount.currency_code, max(0, refundable))
        raise refusal(
            Reason.REFUND_EXCEEDS_CAPTURED,
            f"{left} of the deposit can be refunded",
            refundable_minor=str(left.minor_units),
        )


def decide(  # noqa: PLR0911 - one case a fact.
    refund: Refund, deposit: Deposit, fact: RefundFact, situation: Situation
) -> Decision[Refund]:
    """Decide what a fact does to its refund, and to the share of its deposit that is in review."""
    invariant(fact.object_id == refund.refund_id, "the fact is about this refund")
    invariant(refund.deposit_id == deposit.deposit_id, "the refund is one of this deposit")
    cell = begin(TABLE, refund, refund.state, fact, situation)
    if isinstance(cell, Decision):
        return cell
    if deposit.state not in CAPTURED_STATES:
        return deferred(refund, "the deposit's captured")
    match fact:
        case facts.RefundAskedFor():
            return _asked_for(refund, deposit, fact, situation)
        case facts.RefundMadeAtProvider() | facts.RefundSucceeded():
            return _went_out(refund, deposit, fact, situation)
        case facts.RefundFailed():
            return _failed(refund, deposit, fact, situation)
        case facts.RefundFailedAfterSuccess():
            return _failed_after_success(refund, deposit, fact, situation)
        case facts.RefundFee():
            return _fee(refund, deposit, fact, situation)
    if isinstance(cell, Go):
        refund = replace(refund, state=RefundState(cell.to[0]))
    return applied(fact, refund, refund.state)


def refused(
    refund: Refund, deposit: Deposit, posting: Posting, refusal: Refusal, situation: Situation
) -> Decision[Refund]:
    """Answer the ledger's final refusal of a posting of this refund.

    A refund that the player's cash does not cover is REJECTED. Money that went out must be booked,
    so the player owes what his cash does not give; money that came back waits in L9.
    """
    _, of = deposit.charts()
    if not refusal.is_of_account or refusal.account_path != of.cash.path:
        return unanswerable(posting, refusal, refund)
    instead: Posting | None = None
    exceptions: tuple[RaisedException, ...] = ()
    ledger_reason = ""
    if posting.name == facts.RefundAskedFor.name:
        refund = replace(refund, state=S.REJECTED)
        ledger_reason = refusal.reason
    elif posting.name in (facts.RefundFailed.name, CREDITED_BACK):
        instead = postings.rerouted(posting, of.cash, of.returned)
        exceptions = (RaisedException(ExceptionKind.CREDIT_REFUSED, refusal.reason),)
    else:
        cash = still_spendable(posting, refusal, situation.cash_minor)
        instead = postings.with_less_cash(posting, of, cash)
    return answered(
        posting,
        refusal,
        refund,
        refund.state,
        ObjectType.REFUND,
        situation.now,
        instead=instead,
        exceptions=exceptions,
        ledger_reason=ledger_reason,
    )


def _asked_for(
    refund: Refund, deposit: Deposit, fact: facts.RefundAskedFor, situation: Situation
) -> Decision[Refund]:
    at, of = deposit.charts()
    amount = fact.amount.minor_units
    source = postings.source_account(at, of, deposit.source or Source.CASH)
    posted = draft(
        fact,
        fact.name,
        postings.refund_asked_for(at, source, amount),
        now=situation.now,
        at=deposit.at,
    )
    refund = replace(refund, state=S.REQUESTED, amount=fact.amount)
    return applied(
        fact, refund, refund.state, postings=posted, deposit=after_taking(deposit, amount)
    )


def _went_out(
    refund: Refund,
    deposit: Deposit,
    fact: facts.RefundSucceeded | facts.RefundMadeAtProvider,
    situation: Situation,
) -> Decision[Refund]:
    at, of = deposit.charts()
    expected = refund.amount or Money(at.currency_code, fact.amount.minor_units)
    if fact.amount != expected:
        detail = f"{fact.amount} went out instead of {expected}"
        return exceptional(refund, ExceptionKind.AMOUNT_DIFFERS, detail)
    amount = fact.amount.minor_units
    name = facts.RefundSucceeded.name
    parent: Deposit | None = None
    exceptions: tuple[RaisedException, ...] = ()
    if refund.state in _OPEN:
        entries = postings.refund_succeeded(at, amount)
    else:
        # Nothing was put aside for it, or it was given back when the refund was called failed.
        name = facts.RefundMadeAtProvider.name
        source = postings.source_account(at, of, deposit.source or Source.CASH)
        held = held_by_source(deposit, situation.cash_minor)
        taken = max(0, min(held, amount))
        entries = postings.refund_made_at_provider(
            at, postings.taken_from_player(of, source, amount, held), amount
        )
        parent = after_taking(deposit, taken)
        detail = f"{fact.amount} went out as {fact.refund_key}"
        exceptions = (RaisedException(ExceptionKind.REFUND_UNEXPECTED, detail),)
    posted = draft(
        fact,
        name,
        entries,
        now=situation.now,
        at=deposit.at,
        movement=Movement(MovementKind.REFUND, fact.refund_key),
    )
    refund = replace(refund, state=S.SUCCEEDED, amount=fact.amount)
    return applied(
        fact, refund, refund.state, postings=posted, deposit=parent, exceptions=exceptions
    )


def _failed(
    refund: Refund, deposit: Deposit, fact: facts.RefundFailed, situation: Situation
) -> Decision[Refund]:
    amount = refund.amount.minor_units if refund.amount else 0
    posted = _give_back(fact, fact.name, deposit, amount, situation)
    refund = replace(refund, state=S.FAILED)
    raised = RaisedException(ExceptionKind.REFUND_FAILED, f"{refund.amount} did not go out")
    return applied(
        fact,
        refund,
        refund.state,
        postings=posted,
        deposit=after_taking(deposit, -amount),
        exceptions=(raised,),
    )


def _failed_after_success(
    refund: Refund, deposit: Deposit, fact: facts.RefundFailedAfterSuccess, situation: Situation
) -> Decision[Refund]:
    if fact.amount != refund.amount:
        detail = f"{fact.amount} came back instead of {refund.amount}"
        return exceptional(refund, ExceptionKind.AMOUNT_DIFFERS, detail)
    at, _ = deposit.charts()
    amount = fact.amount.minor_units
    came_back = draft(
        fact,
        fact.name,
        postings.refund_succeeded(at, -amount),
        now=situation.now,
        at=deposit.at,
        movement=Movement(MovementKind.REFUND_FAILURE, fact.failure_key),
    )
    given_back = _give_back(fact, CREDITED_BACK, deposit, amount, situation, CREDITED_BACK)
    refund = replace(refund, state=S.FAILED_AFTER_SUCCESS)
    raised = RaisedException(ExceptionKind.REFUND_FAILED, f"{refund.amount} came back")
    return applied(
        fact,
        refund,
        refund.state,
        postings=came_back + given_back,
        deposit=after_taking(deposit, -amount),
        exceptions=(raised,),
    )


def _give_back(
    fact: Fact, name: str, deposit: Deposit, amount: int, situation: Situation, key: str = ""
) -> tuple[Posting, ...]:
    """L6 / the source."""
    at, of = deposit.charts()
    source = postings.source_account(at, of, deposit.source or Source.CASH)
    entries = postings.refund_asked_for(at, source, -amount)
    return draft(fact, name, entries, now=situation.now, at=deposit.at, key=key)


def _fee(
    refund: Refund, deposit: Deposit, fact: facts.RefundFee, situation: Situation
) -> Decision[Refund]:
    at, _ = deposit.charts()
    return fees.charged(
        fact,
        refund,
        refund.state,
        amount=refund.amount,
        kind=MovementKind.REFUND_FEE,
        at=at,
        expense=HouseChart(at.currency_code).psp_fees,
        provider=at.available,
        situation=situation,
    )
