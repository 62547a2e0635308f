"""What every machine shares: the cells of its table, and the decision that it comes to.

A fact always comes in the same way. The use case locks the object's row (of a refund or dispute
its deposit's first), asks the machine to `decide`, and writes all that the decision holds in one
unit of work; then it calls the ledger with each posting, in order. A final refusal goes back to
the machine's `refused`, whose decision is written in the same way.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from services.kernel.invariant import invariant, present
from services.psp_gateway.domain.exceptions import (
    CONTRADICTIONS,
    ExceptionKind,
    RaisedException,
)
from services.psp_gateway.domain.facts import Fact, ObjectType
from services.psp_gateway.domain.objects import Deposit
from services.psp_gateway.domain.postings import Effect, Movement, Posting

Row = TypeVar("Row")
State = TypeVar("State", bound=StrEnum)

ALREADY_KNOWN = "ALREADY_KNOWN"
"""The no-op of a fact that was applied before, whoever brought it."""

RECOMPUTED_MAX = 5
"""After so many refusals a posting takes nothing more from a balance that keeps changing."""


class Verdict(StrEnum):
    """What became of a fact."""

    APPLIED = "APPLIED"
    """It changed something."""
    IGNORED = "IGNORED"
    """It changes nothing, for the reason that is named."""
    DEFERRED = "DEFERRED"
    """It waits for what is named."""
    EXCEPTION = "EXCEPTION"
    """It changes nothing until a person decides."""


# --- the cells of a table ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Go:
    """The object goes to a state: the first, or for a reason in the machine one of the others."""

    to: tuple[StrEnum, ...]


@dataclass(frozen=True, slots=True)
class Stay:
    """The fact is applied and leaves the state as it is."""


@dataclass(frozen=True, slots=True)
class NoOp:
    """The fact changes nothing."""

    name: str


@dataclass(frozen=True, slots=True)
class Wait:
    """The fact waits for another."""

    waits_for: str


@dataclass(frozen=True, slots=True)
class Raise:
    """The fact changes nothing; a person decides."""

    kind: ExceptionKind


Cell = Go | Stay | NoOp | Wait | Raise
Table = Mapping[tuple[State | None, type[Fact]], Cell]


def go(*to: StrEnum) -> Go:
    """Return the cell that goes to the first of these states, or for a reason to another."""
    return Go(to)


def row(
    fact_type: type[Fact], *cells: tuple[Collection[State | None], Cell]
) -> Iterator[tuple[tuple[State | None, type[Fact]], Cell]]:
    """Yield a table's row: what a fact does in each state; no state may stand in it twice."""
    seen: set[State | None] = set()
    for states, cell in cells:
        # In one order always, so that a diagram made of the table is always the same.
        for state in sorted(states, key=str):
            invariant(state not in seen, f"{fact_type.__name__} has two cells for {state}")
            seen.add(state)
            yield (state, fact_type), cell


# --- the decision --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a player has and owes now, in minor units of the currency of the object's money."""

    cash_minor: int
    """What his cash account can be debited with; 0 if it is frozen or closed."""
    receivable_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the use case knows, beside the rows that it locked, when a fact is decided."""

    now: datetime
    known: bool = False
    """Whether an event of this object with this fact's key exists."""
    posted: bool = True
    """Whether every posting of the object, and of its deposit, stands in the ledger."""
    holdings: Holdings | None = None
    """What the player has and owes; None where nobody looked, which is not the same as nothing."""

    @property
    def cash_minor(self) -> int:
        """What the player's cash account can be debited with now."""
        return self._seen.cash_minor

    @property
    def receivable_minor(self) -> int:
        """What the player owes us now."""
        return self._seen.receivable_minor

    @property
    def _seen(self) -> Holdings:
        return present(self.holdings, "what a player has is looked at before it is decided by")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The ledger's final refusal of a posting: its reason, and the account that refused."""

    reason: str
    account_path: str

    @property
    def is_short(self) -> bool:
        """Whether the account is there and open, and holds too little."""
        return self.reason == "INSUFFICIENT_AVAILABLE"

    @property
    def is_of_account(self) -> bool:
        """Whether it is about an account, and so can be answered with another."""
        return self.is_short or self.reason in ("ACCOUNT_FROZEN", "ACCOUNT_CLOSED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An immutable row of `gateway_events`.

    Reconciliation joins it with the ledger on object and fact; a refusal's event takes back the
    effects of the event that it answers, under the same fact.
    """

    object_type: ObjectType
    object_id: str
    fact: str
    state: str
    """The object's state after it."""
    occurred_at: datetime
    effects: tuple[Effect, ...] = ()
    movement: Movement | None = None
    refusal: str = ""
    """The ledger's reason, if this is the answer to a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Generic[Row]):
    """What a fact, or a refusal, comes to: all of it is written in one unit of work."""

    verdict: Verdict
    row: Row
    """The object's row after it."""
    why: str = ""
    """The no-op's name, what is waited for, or the exception's kind; empty when applied."""
    deposit: Deposit | None = None
    """The parent's row after it, if it changed."""
    events: tuple[Event, ...] = ()
    postings: tuple[Posting, ...] = ()
    """The posting intents, in the order in which the ledger is called."""
    exceptions: tuple[RaisedException, ...] = ()
    cancel_at_provider: bool = False
    """Whether the object is to be cancelled there, once this is committed."""
    ledger_reason: str = ""
    """Why the ledger refused what was asked of us: it stays on the row. Empty when it did not."""

    @property
    def contradicts(self) -> bool:
        """Whether the fact contradicts what was known, or what was asked for."""
        return any(raised.kind in CONTRADICTIONS for raised in self.exceptions)


def ignored(unchanged: Row, name: str, *exceptions: RaisedException) -> Decision[Row]:
    """Return the decision of a named no-op."""
    return Decision(verdict=Verdict.IGNORED, row=unchanged, why=name, exceptions=exceptions)


def deferred(unchanged: Row, waits_for: str) -> Decision[Row]:
    """Return the decision that a fact must wait."""
    return Decision(verdict=Verdict.DEFERRED, row=unchanged, why=waits_for)


def exceptional(unchanged: Row, kind: ExceptionKind, detail: str) -> Decision[Row]:
    """Return the decision that a person must decide."""
    raised = RaisedException(kind, detail)
    return Decision(verdict=Verdict.EXCEPTION, row=unchanged, why=kind, exceptions=(raised,))


def applied(
    fact: Fact,
    changed: Row,
    state: StrEnum | None,
    *,
    postings: tuple[Posting, ...] = (),
    deposit: Deposit | None = None,
    exceptions: tuple[RaisedException, ...] = (),
    cancel_at_provider: bool = False,
) -> Decision[Row]:
    """Return the decision of a fact that changes something.

    The fact's own event comes first, with the effects of its own posting; a second posting has an
    event of its own, so that an event and a posting are always one to one on object and fact.
    """
    own = Event(
        object_type=fact.object_type,
        object_id=fact.object_id,
        fact=fact.key,
        state=str(state or ""),
        occurred_at=fact.occurred_at,
    )
    events = [own]
    for posting in postings:
        told = replace(own, fact=posting.fact, effects=posting.effects, movement=posting.movement)
        if posting.fact == fact.key:
            events[0] = told
        else:
            events.append(told)
    return Decision(
        verdict=Verdict.APPLIED,
        row=changed,
        deposit=deposit,
        events=tuple(events),
        postings=postings,
        exceptions=exceptions,
        cancel_at_provider=cancel_at_provider,
    )


def begin(
    table: Table[State], unchanged: Row, state: State | None, fact: Fact, situation: Situation
) -> Go | Stay | Decision[Row]:
    """Return the cell to act on; or the decision at once, if the fact changes nothing now.

    A fact that is known changes nothing in any state. One that would change something waits until
    everything before it stands in the ledger: so each posting can build on those before it, and the
    answer to a refusal never meets a state that has moved on.
    """
    if situation.known:
        return ignored(unchanged, ALREADY_KNOWN)
    cell = table[state, type(fact)]
    match cell:
        case NoOp(name):
            return ignored(unchanged, name)
        case Wait(waits_for):
            return deferred(unchanged, waits_for)
        case Raise(kind):
            return exceptional(unchanged, kind, f"{fact.key} came in state {state}")
        case Go() | Stay():
            if not situation.posted:
                return deferred(unchanged, "an earlier posting")
            return cell


# --- the answer to a refusal ---------------------------------------------------------------------


def answered(
    posting: Posting,
    refusal: Refusal,
    changed: Row,
    state: StrEnum | None,
    object_type: ObjectType,
    now: datetime,
    *,
    instead: Posting | None = None,
    deposit: Deposit | None = None,
    exceptions: tuple[RaisedException, ...] = (),
    ledger_reason: str = "",
) -> Decision[Row]:
    """Return the decision that answers a refusal: with another posting, or by giving it up.

    Its event takes back the effects of what was refused, less those of what is posted instead.
    """
    invariant(
        instead is None or instead.effects == posting.effects,
        "what is posted instead moves the pots alike",
    )
    taken_back = () if instead else tuple(_negated(effect) for effect in posting.effects)
    event = Event(
        object_type=object_type,
        object_id=posting.object_id,
        fact=posting.fact,
        state=str(state or ""),
        occurred_at=now,
        effects=taken_back,
        refusal=refusal.reason,
    )
    return Decision(
        verdict=Verdict.APPLIED,
        row=changed,
        deposit=deposit,
        events=(event,),
        postings=(instead,) if instead else (),
        exceptions=exceptions,
        ledger_reason=ledger_reason,
    )


def unanswerable(posting: Posting, refusal: Refusal, unchanged: Row) -> Decision[Row]:
    """Return the decision about a refusal to which no machine has an answer.

    The intent stays unfinished, so everything after it waits; a person removes the cause, and
    `postings.next_try` asks again.
    """
    detail = f"{posting.request_id}: {refusal.reason} {refusal.account_path}"
    return exceptional(unchanged, ExceptionKind.POSTING_REFUSED, detail)


def still_spendable(posting: Posting, refusal: Refusal, cash_minor: int) -> int:
    """Return what the next try of a refused posting may take from the player's cash."""
    if not refusal.is_short or posting.number >= RECOMPUTED_MAX:
        return 0
    return cash_minor


def _negated(effect: Effect) -> Effect:
    return Effect(effect.pot, effect.currency_code, -effect.amount_minor)
