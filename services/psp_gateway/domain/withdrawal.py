"""The withdrawal: from the player's cash until the money is his elsewhere, and back if it returns.

The amount and the player's fee move together: reserved, then in clearing while an attempt is open.
A fact of an attempt before the current one is looked up in `EARLIER_ATTEMPT_TABLE`.
"""

from dataclasses import replace
from types import MappingProxyType

from services.kernel.invariant import invariant
from services.kernel.movements import MovementKind
from services.psp_gateway.domain import facts, fees, postings
from services.psp_gateway.domain.accounts import HouseChart, PlayerChart, ProviderChart
from services.psp_gateway.domain.exceptions import ExceptionKind, RaisedException
from services.psp_gateway.domain.facts import AttemptFact, ObjectType, WithdrawalFact
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
from services.psp_gateway.domain.objects import Approval, Withdrawal, WithdrawalState
from services.psp_gateway.domain.postings import Movement, Posting, draft

S = WithdrawalState
_UNDECIDED = frozenset({S.REQUESTED, S.RESERVED, S.IN_REVIEW})
_SENT = frozenset({S.SUBMITTING, S.SUBMIT_UNKNOWN, S.SUBMITTED})
_RELEASED = frozenset({S.REJECTED, S.CANCELLED, S.EXPIRED, S.FAILED})
_LEFT = frozenset({S.PAID, S.RETURNED})
_OVER = _RELEASED | _LEFT

_STALE = NoOp("STALE")
_TOO_LATE = NoOp("TOO_LATE")
_NO_ATTEMPT = Wait("submitted")

RELEASED = "released"
"""The posting that gives back what was reserved: there is one a withdrawal, whatever ended it."""
PAID_AFTER_FAILED = "paid_after_failed"

TABLE: Table[WithdrawalState] = MappingProxyType(
    dict(
        (
            *row(
                facts.WithdrawalReserved,
                ({S.REQUESTED}, go(S.RESERVED)),
                ((_UNDECIDED - {S.REQUESTED}) | {S.APPROVED} | _SENT | _OVER, _STALE),
            ),
            *row(
                facts.WithdrawalReviewRequired,
                ({S.REQUESTED}, Wait("reserved")),
                ({S.RESERVED}, go(S.IN_REVIEW)),
                ({S.IN_REVIEW, S.APPROVED} | _SENT | _OVER, _STALE),
            ),
            *row(
                facts.WithdrawalAutoApproved,
                ({S.REQUESTED}, Wait("reserved")),
                ({S.RESERVED}, go(S.APPROVED)),
                ({S.IN_REVIEW, S.APPROVED} | _SENT | _OVER, _STALE),
            ),
            *row(
                facts.WithdrawalApproved,
                ({S.REQUESTED, S.RESERVED}, Wait("review_required")),
                ({S.IN_REVIEW}, go(S.APPROVED, S.IN_REVIEW)),
                ({S.APPROVED} | _SENT | _OVER, _TOO_LATE),
            ),
            *row(
                facts.WithdrawalRejected,
                ({S.REQUESTED, S.RESERVED}, Wait("review_required")),
                ({S.IN_REVIEW}, go(S.REJECTED)),
                ({S.APPROVED} | _SENT | _OVER, _TOO_LATE),
            ),
            *row(
                facts.WithdrawalCancelled,
                (_UNDECIDED | {S.APPROVED}, go(S.CANCELLED)),
                (_SENT | _OVER, _TOO_LATE),
            ),
            *row(
                facts.WithdrawalExpired,
                ({S.REQUESTED, S.RESERVED}, Wait("review_required")),
                ({S.IN_REVIEW}, go(S.EXPIRED)),
                ({S.APPROVED} | _SENT | _OVER, _TOO_LATE),
            ),
            *row(
                facts.WithdrawalSubmitStarted,
                (_UNDECIDED, Wait("approved")),
                ({S.APPROVED}, go(S.SUBMITTING)),
                (_SENT | _OVER, _TOO_LATE),
            ),
            *row(
                facts.WithdrawalNotSent,
                (_UNDECIDED, _NO_ATTEMPT),
                ({S.SUBMITTING, S.SUBMIT_UNKNOWN}, go(S.APPROVED, S.PAID)),
                ({S.APPROVED, S.SUBMITTED} | _OVER, _STALE),
            ),
            *row(
                facts.WithdrawalOutcomeUnknown,
                (_UNDECIDED, _NO_ATTEMPT),
                ({S.SUBMITTING}, go(S.SUBMIT_UNKNOWN)),
                ({S.APPROVED, S.SUBMIT_UNKNOWN, S.SUBMITTED} | _OVER, _STALE),
            ),
            *row(
                facts.WithdrawalAccepted,
                (_UNDECIDED, _NO_ATTEMPT),
                ({S.SUBMITTING, S.SUBMIT_UNKNOWN}, go(S.SUBMITTED)),
                ({S.APPROVED, S.SUBMITTED} | _OVER, _STALE),
            ),
            *row(
                facts.WithdrawalPaid,
                (_UNDECIDED, Raise(ExceptionKind.PAID_WITHOUT_ATTEMPT)),
                (_SENT | {S.APPROVED} | _RELEASED, go(S.PAID)),
                # Another attempt has paid: this one did so too.
                (_LEFT, Stay()),
            ),
            *row(
                facts.WithdrawalFailed,
                (_UNDECIDED, _NO_ATTEMPT),
                (_SENT, go(S.APPROVED, S.PAID)),
                ({S.APPROVED} | _OVER, _STALE),
            ),
            *row(
                facts.WithdrawalGivenUp,
                (_UNDECIDED, Wait("approved")),
                ({S.APPROVED}, go(S.FAILED)),
                (_SENT | _OVER, _TOO_LATE),
            ),
            *row(
                facts.WithdrawalReturned,
                (_UNDECIDED | {S.APPROVED} | _SENT | _RELEASED, Wait("paid")),
                (_LEFT, go(S.RETURNED)),
            ),
            *row(
                facts.WithdrawalCost,
                (_UNDECIDED, _NO_ATTEMPT),
                ({S.APPROVED} | _SENT | _OVER, Stay()),
            ),
        )
    )
)
"""What each fact does to a withdrawal in each state, for its current attempt."""

_ALL = frozenset(S)

EARLIER_ATTEMPT_TABLE: Table[WithdrawalState] = MappingProxyType(
    dict(
        (
            *row(facts.WithdrawalSubmitStarted, (_ALL, _STALE)),
            *row(facts.WithdrawalNotSent, (_ALL, _STALE)),
            *row(facts.WithdrawalOutcomeUnknown, (_ALL, _STALE)),
            *row(facts.WithdrawalAccepted, (_ALL, _STALE)),
            *row(facts.WithdrawalFailed, (_ALL, _STALE)),
            *row(
                facts.WithdrawalPaid,
                # Nothing is reserved for it: what is belongs to the attempt that is under way.
                (_SENT, Stay()),
                ({S.APPROVED} | _RELEASED, go(S.PAID)),
                (_LEFT, Stay()),
                (_UNDECIDED, Raise(ExceptionKind.PAID_WITHOUT_ATTEMPT)),
            ),
        )
    )
)
"""What a fact of an attempt before the current one does; it had been called failed or not sent."""


def decide(  # noqa: C901, PLR0911, PLR0912 - one case a fact.
    withdrawal: Withdrawal, fact: WithdrawalFact, situation: Situation
) -> Decision[Withdrawal]:
    """Decide what a fact does to its withdrawal."""
    invariant(fact.object_id == withdrawal.withdrawal_id, "the fact is about this withdrawal")
    table = TABLE
    if isinstance(fact, AttemptFact):
        if fact.attempt > withdrawal.attempt + isinstance(fact, facts.WithdrawalSubmitStarted):
            return _never_made(withdrawal, fact)
        if fact.attempt < withdrawal.attempt:
            table = EARLIER_ATTEMPT_TABLE
    cell = begin(table, withdrawal, withdrawal.state, fact, situation)
    if isinstance(cell, Decision):
        return cell
    match fact:
        case facts.WithdrawalReserved():
            return _reserved(withdrawal, fact, situation)
        case facts.WithdrawalReviewRequired():
            invariant(fact.approvers > 0, "a review needs somebody")
            withdrawal = replace(withdrawal, approvers_required=fact.approvers)
        case facts.WithdrawalApproved():
            return _approved(withdrawal, fact)
        case (
            facts.WithdrawalRejected()
            | facts.WithdrawalCancelled()
            | facts.WithdrawalExpired()
            | facts.WithdrawalGivenUp()
        ):
            return _released(withdrawal, fact, cell, situation)
        case facts.WithdrawalSubmitStarted():
            return _submitted(withdrawal, fact, situation)
        case facts.WithdrawalNotSent() | facts.WithdrawalFailed():
            return _came_to_nothing(withdrawal, fact, situation)
        case facts.WithdrawalPaid():
            return _paid(withdrawal, fact, situation)
        case facts.WithdrawalReturned():
            return _returned(withdrawal, fact, situation)
        case facts.WithdrawalCost():
            return _cost(withdrawal, fact, situation)
    withdrawal = _moved(withdrawal, cell)
    return applied(fact, withdrawal, withdrawal.state)


def refused(
    withdrawal: Withdrawal, posting: Posting, refusal: Refusal, situation: Situation
) -> Decision[Withdrawal]:
    """Answer the ledger's final refusal of a posting of this withdrawal.

    One that the player's cash does not cover is REJECTED. Money that went out must be booked, so
    the player owes what his cash does not give; money that comes back to him waits in L9.
    """
    of = _player(withdrawal)
    if not refusal.is_of_account or refusal.account_path != of.cash.path:
        return unanswerable(posting, refusal, withdrawal)
    instead: Posting | None = None
    exceptions: tuple[RaisedException, ...] = ()
    ledger_reason = ""
    if posting.name == facts.WithdrawalReserved.name:
        withdrawal = replace(withdrawal, state=S.REJECTED)
        ledger_reason = refusal.reason
    elif posting.name == PAID_AFTER_FAILED:
        cash = still_spendable(posting, refusal, situation.cash_minor)
        instead = postings.with_less_cash(posting, of, cash)
    else:
        instead = postings.rerouted(posting, of.cash, of.returned)
        exceptions = (RaisedException(ExceptionKind.CREDIT_REFUSED, refusal.reason),)
    return answered(
        posting,
        refusal,
        withdrawal,
        withdrawal.state,
        ObjectType.WITHDRAWAL,
        situation.now,
        instead=instead,
        exceptions=exceptions,
        ledger_reason=ledger_reason,
    )


def _reserved(
    withdrawal: Withdrawal, fact: facts.WithdrawalReserved, situation: Situation
) -> Decision[Withdrawal]:
    entries = postings.reserved(_player(withdrawal), _total(withdrawal))
    withdrawal = replace(withdrawal, state=S.RESERVED)
    posted = draft(fact, fact.name, entries, now=situation.now)
    return applied(fact, withdrawal, withdrawal.state, postings=posted)


def _approved(withdrawal: Withdrawal, fact: facts.WithdrawalApproved) -> Decision[Withdrawal]:
    people = {approval.approver for approval in withdrawal.approvals}
    invariant(fact.decided_by != withdrawal.requested_by, "the requester is never an approver")
    invariant(fact.decided_by not in people, "two approvals are two people's")
    approval = Approval(approver=fact.decided_by, decision_id=fact.decision_id)
    approvals = (*withdrawal.approvals, approval)
    enough = len(approvals) >= withdrawal.approvers_required
    state = S.APPROVED if enough else S.IN_REVIEW
    return applied(fact, replace(withdrawal, state=state, approvals=approvals), state)


def _released(
    withdrawal: Withdrawal, fact: WithdrawalFact, cell: Go | Stay, situation: Situation
) -> Decision[Withdrawal]:
    nothing_reserved = withdrawal.state is S.REQUESTED
    posted = () if nothing_reserved else _release(withdrawal, fact, situation)
    withdrawal = _moved(withdrawal, cell)
    return applied(fact, withdrawal, withdrawal.state, postings=posted)


def _submitted(
    withdrawal: Withdrawal, fact: facts.WithdrawalSubmitStarted, situation: Situation
) -> Decision[Withdrawal]:
    of, total = _player(withdrawal), _total(withdrawal)
    entries = postings.submitted(ProviderChart(fact.at, of.currency_code), of, total)
    posted = draft(fact, fact.name, entries, now=situation.now, at=fact.at)
    withdrawal = replace(withdrawal, state=S.SUBMITTING, attempts=(*withdrawal.attempts, fact.at))
    return applied(fact, withdrawal, withdrawal.state, postings=posted)


def _came_to_nothing(
    withdrawal: Withdrawal,
    fact: facts.WithdrawalNotSent | facts.WithdrawalFailed,
    situation: Situation,
) -> Decision[Withdrawal]:
    at, of = _provider(withdrawal, fact.attempt), _player(withdrawal)
    entries = postings.submitted(at, of, -_total(withdrawal))
    posted = draft(fact, fact.name, entries, now=situation.now, at=at.at)
    state = S.APPROVED
    if withdrawal.paid_attempts:
        # An earlier attempt paid the player meanwhile: nothing more is to be tried.
        state = S.PAID
        posted += _release(withdrawal, fact, situation)
    return applied(fact, replace(withdrawal, state=state), state, postings=posted)


def _paid(
    withdrawal: Withdrawal, fact: facts.WithdrawalPaid, situation: Situation
) -> Decision[Withdrawal]:
    if fact.amount != withdrawal.amount:
        detail = f"{fact.amount} were paid instead of {withdrawal.amount}"
        return exceptional(withdrawal, ExceptionKind.AMOUNT_DIFFERS, detail)
    at, of, total = _provider(withdrawal, fact.attempt), _player(withdrawal), _total(withdrawal)
    # The player pays for one withdrawal, however many attempts pay him.
    player_fee = 0 if withdrawal.paid_attempts else withdrawal.fee_minor
    amount = withdrawal.amount.minor_units
    under_way = withdrawal.state in _SENT
    is_current = fact.attempt == withdrawal.attempt
    name = PAID_AFTER_FAILED
    if under_way and is_current:
        name = fact.name
        back = postings.credit(of.cash, total - amount - player_fee)
        taken = postings.debit(at.withdrawal_clearing, total) + back
    elif withdrawal.state is S.APPROVED:
        # What was set free for another attempt is still reserved.
        taken = postings.debit(of.withdrawal_reserved, total)
    else:
        due = amount + player_fee
        taken = postings.taken_from_player(of, of.cash, due, situation.cash_minor)
    posted = draft(
        fact,
        name,
        postings.paid(at, taken, amount, player_fee),
        now=situation.now,
        at=at.at,
        movement=Movement(MovementKind.WITHDRAWAL, fact.withdrawal_key),
    )
    keeps_state = withdrawal.state is S.RETURNED or (under_way and not is_current)
    withdrawal = replace(
        withdrawal,
        state=withdrawal.state if keeps_state else S.PAID,
        paid_attempts=(*withdrawal.paid_attempts, fact.attempt),
    )
    exceptions: tuple[RaisedException, ...] = ()
    if name == PAID_AFTER_FAILED:
        detail = f"Attempt {fact.attempt} paid {fact.amount}"
        exceptions = (RaisedException(ExceptionKind.PAID_AFTER_FAILED, detail),)
    return applied(fact, withdrawal, withdrawal.state, postings=posted, exceptions=exceptions)


def _returned(
    withdrawal: Withdrawal, fact: facts.WithdrawalReturned, situation: Situation
) -> Decision[Withdrawal]:
    if fact.attempt not in withdrawal.paid_attempts:
        return deferred(withdrawal, "paid")
    of = _player(withdrawal)
    amount = fact.amount.minor_units
    returned_minor = withdrawal.returned_minor + amount
    paid_minor = withdrawal.amount.minor_units * len(withdrawal.paid_attempts)
    if fact.amount.currency_code != of.currency_code or returned_minor > paid_minor:
        detail = f"{fact.amount} came back, after {withdrawal.returned_minor} of {paid_minor}"
        return exceptional(withdrawal, ExceptionKind.RETURN_EXCEEDS_PAID, detail)
    at = _provider(withdrawal, fact.attempt)
    posted = draft(
        fact,
        fact.name,
        postings.returned(at, of, amount),
        now=situation.now,
        at=at.at,
        movement=Movement(MovementKind.WITHDRAWAL_RETURN, fact.row_id),
    )
    withdrawal = replace(withdrawal, state=S.RETURNED, returned_minor=returned_minor)
    return applied(fact, withdrawal, withdrawal.state, postings=posted)


def _cost(
    withdrawal: Withdrawal, fact: facts.WithdrawalCost, situation: Situation
) -> Decision[Withdrawal]:
    if not 1 <= fact.attempt <= withdrawal.attempt:
        return deferred(withdrawal, "submitted")
    at = _provider(withdrawal, fact.attempt)
    return fees.charged(
        fact,
        withdrawal,
        withdrawal.state,
        amount=withdrawal.amount,
        kind=MovementKind.WITHDRAWAL_FEE,
        at=at,
        expense=HouseChart(at.currency_code).withdrawal_costs,
        provider=at.available,
        situation=situation,
    )


def _never_made(withdrawal: Withdrawal, fact: AttemptFact) -> Decision[Withdrawal]:
    if isinstance(fact, facts.WithdrawalPaid):
        detail = f"Attempt {fact.attempt} paid, of {withdrawal.attempt} that we made"
        return exceptional(withdrawal, ExceptionKind.PAID_WITHOUT_ATTEMPT, detail)
    return deferred(withdrawal, "submitted")


def _release(
    withdrawal: Withdrawal, fact: WithdrawalFact, situation: Situation
) -> tuple[Posting, ...]:
    entries = postings.reserved(_player(withdrawal), -_total(withdrawal))
    return draft(fact, RELEASED, entries, now=situation.now, key=RELEASED)


def _moved(withdrawal: Withdrawal, cell: Go | Stay) -> Withdrawal:
    if isinstance(cell, Stay):
        return withdrawal
    return replace(withdrawal, state=WithdrawalState(cell.to[0]))


def _total(withdrawal: Withdrawal) -> int:
    return withdrawal.amount.minor_units + withdrawal.fee_minor


def _player(withdrawal: Withdrawal) -> PlayerChart:
    return PlayerChart(withdrawal.player_id, withdrawal.amount.currency_code)


def _provider(withdrawal: Withdrawal, attempt: int) -> ProviderChart:
    return ProviderChart(withdrawal.attempts[attempt - 1], withdrawal.amount.currency_code)
