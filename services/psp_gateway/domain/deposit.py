"""The deposit: from the wish to pay until the money is the player's, and on to our bank.

Two axes: whether the money was taken (`TABLE`), and how far it has come since (`SETTLEMENT_TABLE`).
"""

from dataclasses import replace
from types import MappingProxyType

from services.kernel.invariant import invariant
from services.kernel.movements import MovementKind
from services.psp_gateway.domain import facts, fees, postings
from services.psp_gateway.domain.accounts import HouseChart
from services.psp_gateway.domain.exceptions import DecisionKind, ExceptionKind, RaisedException
from services.psp_gateway.domain.facts import DepositFact, ObjectType
from services.psp_gateway.domain.machine import (
    Decision,
    Go,
    NoOp,
    Raise,
    Refusal,
    Situation,
    Stay,
    Table,
    Verdict,
    Wait,
    answered,
    applied,
    begin,
    exceptional,
    go,
    ignored,
    row,
    still_spendable,
    unanswerable,
)
from services.psp_gateway.domain.objects import (
    Deposit,
    DepositState,
    ReviewReason,
    SettlementState,
    Source,
)
from services.psp_gateway.domain.postings import Movement, Posting, draft

Taken = facts.DepositAuthorised | facts.DepositCaptured

S = DepositState
_UNANSWERED = frozenset({S.CREATED, S.SUBMITTING, S.SUBMIT_UNKNOWN})
_KNOWN_THERE = frozenset({S.REQUIRES_ACTION, S.PROCESSING, S.AUTHORISED})
_OPEN = _UNANSWERED | _KNOWN_THERE
_NEVER_THERE = frozenset({S.DECLINED, S.NOT_SENT})
_TAKEN_BACK = frozenset({S.VOIDED, S.EXPIRED, S.CANCELLED})
_ENDED = _NEVER_THERE | _TAKEN_BACK
CAPTURED_STATES = frozenset({S.CAPTURED, S.REVIEW, S.CAPTURE_FAILED})
"""The states in which money was taken; refunds and disputes need one of them."""

_STALE = NoOp("STALE")
_NOT_IN_REVIEW = NoOp("NOT_IN_REVIEW")

TABLE: Table[DepositState] = MappingProxyType(
    dict(
        (
            *row(
                facts.DepositSubmitStarted,
                ({S.CREATED}, go(S.SUBMITTING)),
                ({S.SUBMITTING, S.SUBMIT_UNKNOWN}, NoOp("SUBMITTED_BEFORE")),
                (_KNOWN_THERE | _ENDED | CAPTURED_STATES, _STALE),
            ),
            *row(
                facts.DepositNotSent,
                (_UNANSWERED, go(S.NOT_SENT)),
                (_KNOWN_THERE | _ENDED | CAPTURED_STATES, _STALE),
            ),
            *row(
                facts.DepositOutcomeUnknown,
                ({S.CREATED, S.SUBMITTING}, go(S.SUBMIT_UNKNOWN)),
                ({S.SUBMIT_UNKNOWN} | _KNOWN_THERE | _ENDED | CAPTURED_STATES, _STALE),
            ),
            *row(
                facts.DepositActionRequired,
                (_UNANSWERED, go(S.REQUIRES_ACTION)),
                (_KNOWN_THERE | _ENDED | CAPTURED_STATES, _STALE),
            ),
            *row(
                facts.DepositProcessing,
                (_UNANSWERED | {S.REQUIRES_ACTION}, go(S.PROCESSING)),
                ({S.PROCESSING, S.AUTHORISED} | _ENDED | CAPTURED_STATES, _STALE),
            ),
            *row(
                facts.DepositAuthorised,
                (_OPEN - {S.AUTHORISED}, go(S.AUTHORISED)),
                ({S.AUTHORISED} | _TAKEN_BACK | CAPTURED_STATES, _STALE),
                (_NEVER_THERE, Raise(ExceptionKind.AUTHORISED_AFTER_END)),
            ),
            *row(
                facts.DepositCaptured,
                (_OPEN | _ENDED, go(S.CAPTURED, S.REVIEW)),
                (CAPTURED_STATES, NoOp("CAPTURED_BEFORE")),
            ),
            *row(
                facts.DepositDeclined, (_OPEN, go(S.DECLINED)), (_ENDED | CAPTURED_STATES, _STALE)
            ),
            *row(facts.DepositVoided, (_OPEN, go(S.VOIDED)), (_ENDED | CAPTURED_STATES, _STALE)),
            *row(facts.DepositExpired, (_OPEN, go(S.EXPIRED)), (_ENDED | CAPTURED_STATES, _STALE)),
            *row(
                facts.DepositCancelled, (_OPEN, go(S.CANCELLED)), (_ENDED | CAPTURED_STATES, _STALE)
            ),
            *row(
                facts.DepositCaptureFailed,
                (_OPEN | _ENDED, Wait("captured")),
                ({S.CAPTURED, S.REVIEW}, go(S.CAPTURE_FAILED)),
                ({S.CAPTURE_FAILED}, NoOp("FAILED_BEFORE")),
            ),
            *row(facts.DepositFee, (_OPEN | _ENDED, Wait("captured")), (CAPTURED_STATES, Stay())),
            *row(
                facts.DepositReviewApproved,
                ({S.REVIEW}, go(S.CAPTURED)),
                (_OPEN | _ENDED | (CAPTURED_STATES - {S.REVIEW}), _NOT_IN_REVIEW),
            ),
            *row(
                facts.DepositReviewRejected,
                ({S.REVIEW}, Stay()),
                (_OPEN | _ENDED | (CAPTURED_STATES - {S.REVIEW}), _NOT_IN_REVIEW),
            ),
            *row(
                facts.DepositAvailable,
                (_OPEN | _ENDED, Wait("captured")),
                (CAPTURED_STATES, Stay()),
            ),
            *row(facts.DepositSwept, (_OPEN | _ENDED, Wait("captured")), (CAPTURED_STATES, Stay())),
            *row(
                facts.DepositBanked, (_OPEN | _ENDED, Wait("captured")), (CAPTURED_STATES, Stay())
            ),
            *row(
                facts.DepositSweepFailed,
                (_OPEN | _ENDED, Wait("captured")),
                (CAPTURED_STATES, Stay()),
            ),
        )
    )
)
"""What each fact does to a deposit in each state."""

T = SettlementState
SETTLEMENT_TABLE: Table[SettlementState] = MappingProxyType(
    dict(
        (
            *row(
                facts.DepositAvailable,
                ({T.UNSETTLED}, go(T.AVAILABLE)),
                ({T.AVAILABLE, T.SWEPT, T.BANKED}, NoOp("AVAILABLE_BEFORE")),
            ),
            *row(
                facts.DepositSwept,
                ({T.UNSETTLED}, Wait("available")),
                ({T.AVAILABLE}, go(T.SWEPT)),
                ({T.SWEPT, T.BANKED}, Wait("the end of the sweep before")),
            ),
            *row(
                facts.DepositBanked,
                ({T.UNSETTLED, T.AVAILABLE}, Wait("swept")),
                ({T.SWEPT}, go(T.BANKED)),
                ({T.BANKED}, NoOp("BANKED_BEFORE")),
            ),
            *row(
                facts.DepositSweepFailed,
                ({T.UNSETTLED, T.AVAILABLE}, Wait("swept")),
                ({T.SWEPT, T.BANKED}, go(T.AVAILABLE)),
            ),
        )
    )
)
"""How far the captured money of a deposit comes with each fact; looked at where TABLE says Stay."""


def decide(  # noqa: PLR0911 - one case a fact.
    deposit: Deposit, fact: DepositFact, situation: Situation
) -> Decision[Deposit]:
    """Decide what a fact does to its deposit."""
    invariant(fact.object_id == deposit.deposit_id, "the fact is about this deposit")
    if isinstance(fact, facts.DepositCaptured) and _contradicts(deposit, fact):
        detail = f"{fact.amount} as {fact.capture_key}, after {deposit.captured}"
        raised = RaisedException(ExceptionKind.CAPTURE_CONTRADICTED, detail)
        return ignored(deposit, "CAPTURED_BEFORE", raised)
    cell = begin(TABLE, deposit, deposit.state, fact, situation)
    if isinstance(cell, Decision):
        return _told_again(deposit, fact, cell)
    match fact:
        case facts.DepositCaptured():
            return _captured(deposit, fact, situation)
        case facts.DepositAuthorised():
            return _authorised(deposit, fact)
        case facts.DepositCaptureFailed():
            return _capture_failed(deposit, fact, situation)
        case facts.DepositFee():
            return _fee(deposit, fact, situation)
        case facts.DepositReviewApproved():
            return _review_approved(deposit, fact, situation)
        case (
            facts.DepositAvailable()
            | facts.DepositSwept()
            | facts.DepositBanked()
            | facts.DepositSweepFailed()
        ):
            return _settled(deposit, fact, situation)
    if isinstance(cell, Go):
        deposit = replace(deposit, state=DepositState(cell.to[0]))
    return applied(fact, deposit, deposit.state)


def refused(
    deposit: Deposit, posting: Posting, refusal: Refusal, situation: Situation
) -> Decision[Deposit]:
    """Answer the ledger's final refusal of a posting of this deposit.

    The player's cash account is the only one that may refuse: it does not take a credit, which then
    stays in, or goes to, review; or it cannot give what a failed capture takes back.
    """
    at, of = deposit.charts()
    if not refusal.is_of_account or refusal.account_path != of.cash.path:
        return unanswerable(posting, refusal, deposit)
    instead: Posting | None = None
    exceptions: tuple[RaisedException, ...] = ()
    if posting.name == facts.DepositCaptureFailed.name:
        cash = still_spendable(posting, refusal, situation.cash_minor)
        instead = postings.with_less_cash(posting, of, cash)
    else:
        deposit = replace(
            deposit,
            state=S.REVIEW,
            source=Source.REVIEW,
            review_minor=posting.amount_on(of.cash),
            review_reason=ReviewReason.ACCOUNT_REFUSED,
        )
        exceptions = (RaisedException(ExceptionKind.CREDIT_REFUSED, refusal.reason),)
        if posting.name == facts.DepositCaptured.name:
            # Money that has arrived must be bookable.
            instead = postings.rerouted(posting, of.cash, at.review)
    return answered(
        posting,
        refusal,
        deposit,
        deposit.state,
        ObjectType.DEPOSIT,
        situation.now,
        instead=instead,
        exceptions=exceptions,
    )


def held_by_source(deposit: Deposit, cash_minor: int) -> int:
    """Return what the source of a captured deposit holds: the player's cash, or its share of L4."""
    return deposit.review_minor if deposit.source is Source.REVIEW else cash_minor


def after_taking(deposit: Deposit, taken_minor: int) -> Deposit | None:
    """Return the deposit after its source gave so much (below zero: got it back), if that shows.

    What the player's cash gives stands in the ledger only; a share of L4 is also the deposit's.
    """
    if deposit.source is not Source.REVIEW or not taken_minor:
        return None
    return replace(deposit, review_minor=deposit.review_minor - taken_minor)


def _captured(
    deposit: Deposit, fact: facts.DepositCaptured, situation: Situation
) -> Decision[Deposit]:
    exceptions: list[RaisedException] = []
    if deposit.state in _ENDED:
        detail = f"It was {deposit.state}"
        exceptions.append(RaisedException(ExceptionKind.CAPTURED_AFTER_END, detail))
    doubt = _doubt(deposit, fact)
    if doubt:
        exceptions.append(_differs(deposit, fact, DecisionKind.REVIEW))
    gross = fact.amount.minor_units
    source = Source.REVIEW if doubt else Source.CASH
    deposit = replace(
        deposit,
        state=S.REVIEW if doubt else S.CAPTURED,
        captured=fact.amount,
        capture_key=fact.capture_key,
        source=source,
        review_minor=gross if doubt else 0,
        review_reason=doubt,
        pending_minor=gross,
    )
    at, of = deposit.charts()
    posted = draft(
        fact,
        fact.name,
        postings.captured(at, of, gross, source),
        now=situation.now,
        at=deposit.at,
        movement=Movement(MovementKind.CAPTURE, fact.capture_key),
        credited_player="" if doubt else deposit.player_id,
    )
    return applied(fact, deposit, deposit.state, postings=posted, exceptions=tuple(exceptions))


def _authorised(deposit: Deposit, fact: facts.DepositAuthorised) -> Decision[Deposit]:
    deposit = replace(deposit, state=S.AUTHORISED)
    if not _doubt(deposit, fact):
        return applied(fact, deposit, deposit.state)
    return applied(
        fact,
        deposit,
        deposit.state,
        exceptions=(_differs(deposit, fact, DecisionKind.ACKNOWLEDGE),),
        cancel_at_provider=True,
    )


def _told_again(
    deposit: Deposit, fact: DepositFact, decision: Decision[Deposit]
) -> Decision[Deposit]:
    """Return what a fact that changes nothing comes to.

    What was to be cancelled and still stands was not: a crash or a lost provider came between.
    """
    if deposit.state is S.AUTHORISED and isinstance(fact, facts.DepositAuthorised):
        return replace(decision, cancel_at_provider=_doubt(deposit, fact) is not None)
    return decision


def _capture_failed(
    deposit: Deposit, fact: facts.DepositCaptureFailed, situation: Situation
) -> Decision[Deposit]:
    if fact.amount != deposit.captured:
        detail = f"{fact.amount} failed of {deposit.captured}"
        return exceptional(deposit, ExceptionKind.AMOUNT_DIFFERS, detail)
    gross = fact.amount.minor_units
    at, of = deposit.charts()
    unsettled = deposit.settlement is T.UNSETTLED
    source = postings.source_account(at, of, deposit.source or Source.CASH)
    held = held_by_source(deposit, situation.cash_minor)
    taken = postings.taken_from_player(of, source, gross, held)
    posted = draft(
        fact,
        fact.name,
        postings.capture_failed(taken, at.pending if unsettled else at.available, gross),
        now=situation.now,
        at=deposit.at,
        movement=Movement(MovementKind.CAPTURE_FAILURE, fact.failure_key),
    )
    deposit = replace(
        deposit,
        state=S.CAPTURE_FAILED,
        # What comes back from here on, such as by a refund that fails, is the player's: nothing is
        # left to review.
        source=Source.CASH,
        review_minor=0,
        review_reason=None,
        pending_minor=deposit.pending_minor - (gross if unsettled else 0),
    )
    raised = RaisedException(ExceptionKind.CAPTURE_FAILED, f"{fact.amount} were taken back")
    return applied(fact, deposit, deposit.state, postings=posted, exceptions=(raised,))


def _fee(deposit: Deposit, fact: facts.DepositFee, situation: Situation) -> Decision[Deposit]:
    at, _ = deposit.charts()
    pends = deposit.settlement is T.UNSETTLED
    decision = fees.charged(
        fact,
        deposit,
        deposit.state,
        amount=deposit.captured,
        kind=MovementKind.CAPTURE_FEE,
        at=at,
        expense=HouseChart(at.currency_code).psp_fees,
        provider=at.pending if pends else at.available,
        situation=situation,
    )
    if decision.verdict is not Verdict.APPLIED or not pends:
        return decision
    left = deposit.pending_minor - fact.fee.minor_units
    return replace(decision, row=replace(deposit, pending_minor=left))


def _review_approved(
    deposit: Deposit, fact: facts.DepositReviewApproved, situation: Situation
) -> Decision[Deposit]:
    at, of = deposit.charts()
    posted = draft(
        fact,
        fact.name,
        postings.review_approved(at, of, deposit.review_minor),
        now=situation.now,
        at=deposit.at,
        credited_player=deposit.player_id,
    )
    deposit = replace(
        deposit, state=S.CAPTURED, source=Source.CASH, review_minor=0, review_reason=None
    )
    return applied(fact, deposit, deposit.state, postings=posted)


def _settled(deposit: Deposit, fact: DepositFact, situation: Situation) -> Decision[Deposit]:
    cell = begin(SETTLEMENT_TABLE, deposit, deposit.settlement, fact, situation)
    if isinstance(cell, Decision):
        return cell
    at, _ = deposit.charts()
    posted: tuple[Posting, ...] = ()
    if isinstance(fact, facts.DepositAvailable):
        left = deposit.pending_minor
        posted = draft(
            fact, fact.name, postings.available(at, left), now=situation.now, at=deposit.at
        )
        deposit = replace(deposit, pending_minor=0)
    if isinstance(cell, Go):
        deposit = replace(deposit, settlement=SettlementState(cell.to[0]))
    return applied(fact, deposit, deposit.state, postings=posted)


def _contradicts(deposit: Deposit, fact: facts.DepositCaptured) -> bool:
    if deposit.captured is None:
        return False
    return (fact.amount, fact.capture_key) != (deposit.captured, deposit.capture_key)


def _doubt(deposit: Deposit, fact: Taken) -> ReviewReason | None:
    """Return how the provider's answer differs from what was asked; None if it does not."""
    if fact.amount.currency_code != deposit.asked.currency_code:
        return ReviewReason.CURRENCY_DIFFERS
    if fact.amount != deposit.asked:
        return ReviewReason.AMOUNT_DIFFERS
    if fact.reference and fact.reference != deposit.reference:
        return ReviewReason.REFERENCE_DIFFERS
    return None


def _differs(deposit: Deposit, fact: Taken, decision: DecisionKind) -> RaisedException:
    detail = (
        f"{fact.amount} with reference {fact.reference[:64]!r}, "
        f"instead of {deposit.asked} with {deposit.reference!r}"
    )
    return RaisedException(ExceptionKind.AMOUNT_DIFFERS, detail, decision)
