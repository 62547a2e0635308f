"""What a player owes us: recovered from later credits, or written off by a person."""

from enum import StrEnum
from types import MappingProxyType

from services.kernel.invariant import invariant
from services.psp_gateway.domain import facts, postings
from services.psp_gateway.domain.accounts import PlayerChart
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.machine import (
    Decision,
    Refusal,
    Situation,
    Stay,
    Table,
    answered,
    applied,
    begin,
    ignored,
    row,
    still_spendable,
    unanswerable,
)
from services.psp_gateway.domain.postings import Posting, draft

ReceivableFact = facts.ReceivableRecovered | facts.ReceivableWrittenOff

NOTHING_TO_BOOK = "NOTHING_TO_BOOK"
"""The no-op of a recovery or a write-off when nothing is owed, or nothing is there to take."""

TABLE: Table[StrEnum] = MappingProxyType(
    dict(
        (
            *row(facts.ReceivableRecovered, ({None}, Stay())),
            *row(facts.ReceivableWrittenOff, ({None}, Stay())),
        )
    )
)
"""What each fact does to what a player owes, which has no states."""


def decide(of: PlayerChart, fact: ReceivableFact, situation: Situation) -> Decision[PlayerChart]:
    """Decide what a fact does to what a player owes in one currency."""
    invariant(fact.object_id == of.player_id, "the fact is about this player")
    cell = begin(TABLE, of, None, fact, situation)
    if isinstance(cell, Decision):
        return cell
    owed = situation.receivable_minor
    match fact:
        case facts.ReceivableRecovered():
            # Never more than the credit brought: what the player had before stays his.
            amount = min(owed, situation.cash_minor, fact.credited_minor)
            entries = postings.receivable_recovered(of, max(0, amount))
        case facts.ReceivableWrittenOff():
            amount = min(owed, fact.amount.minor_units)
            entries = postings.receivable_written_off(of, max(0, amount))
    posted = draft(fact, fact.name, entries, now=situation.now)
    if not posted:
        return ignored(of, NOTHING_TO_BOOK)
    return applied(fact, of, None, postings=posted)


def refused(
    of: PlayerChart, posting: Posting, refusal: Refusal, situation: Situation
) -> Decision[PlayerChart]:
    """Answer the ledger's final refusal: take what is there and owed now, or leave it at that."""
    if not refusal.is_of_account:
        return unanswerable(posting, refusal, of)
    amount = min(posting.amount_on(of.receivable) - 1, situation.receivable_minor)
    if posting.name == facts.ReceivableRecovered.name:
        amount = min(amount, still_spendable(posting, refusal, situation.cash_minor))
        entries = postings.receivable_recovered(of, max(0, amount))
    else:
        entries = postings.receivable_written_off(of, max(0, amount))
    return answered(
        posting,
        refusal,
        of,
        None,
        ObjectType.PLAYER,
        situation.now,
        instead=postings.next_try(posting, entries) if entries else None,
    )
