"""What the store and the ledger must say together at any moment, whatever has happened."""

import math
from collections import Counter

from services.psp_gateway.application.records import IntentState
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.machine import Event
from services.psp_gateway.domain.objects import Dispute, Refund
from tests.fakes.gateway_stored import Stored
from tests.fakes.ledger_model import LedgerModel


def check_bookkeeping(stored: Stored, ledger: LedgerModel) -> None:
    """Check the history, the intents and the ledger against each other."""
    _history_is_gapless(stored)
    _history_and_intents_and_ledger_agree(stored, ledger)
    _postings_keep_their_order(stored, ledger)


def fact_of(event: Event) -> tuple[str, str]:
    """Return what reconciliation joins an event on: its object and fact."""
    return (event.object_id, event.fact)


def _history_is_gapless(stored: Stored) -> None:
    """Events are numbered without a gap, and each fact of an object is recorded once."""
    assert [number for number, _ in stored.events] == list(range(1, stored.head + 1))
    recorded = Counter(fact_of(event) for _, event in stored.events if not event.refusal)
    assert not recorded or max(recorded.values()) == 1


def _history_and_intents_and_ledger_agree(stored: Stored, ledger: LedgerModel) -> None:
    """What an event decided has one intent; what is POSTED is booked, once, and nothing else.

    Each number of a posting but its last was refused, and each refusal has one event.
    """
    tries: dict[tuple[str, str], list[IntentState]] = {}
    for row in stored.intents:
        posting = row.intent.posting
        numbers = tries.setdefault((posting.object_id, posting.fact), [])
        numbers.append(row.state)
        assert posting.number == len(numbers)
        booked = ledger.booked.get(posting.request_id)
        if row.state is IntentState.POSTED:
            assert booked
            assert (booked.request, booked.sequence) == (
                row.intent.request,
                row.ledger_sequence,
            )
        if row.state is IntentState.REFUSED:
            assert posting.request_id in ledger.refused
    assert all(one is IntentState.REFUSED for states in tries.values() for one in states[:-1])
    assert all(one is not IntentState.BLOCKED for states in tries.values() for one in states)
    decided = {row.intent.posting.request_id for row in stored.intents}
    assert decided >= ledger.asked.keys()
    once = Counter((one.object_id, one.fact) for one in ledger.booked.values())
    assert not once or max(once.values()) == 1
    refused = Counter({key: states.count(IntentState.REFUSED) for key, states in tries.items()})
    told = Counter(fact_of(event) for _, event in stored.events if event.refusal)
    assert +refused == told
    moved = {fact_of(event) for _, event in stored.events if event.effects}
    assert moved <= tries.keys()


def _postings_keep_their_order(stored: Stored, ledger: LedgerModel) -> None:
    """No posting is booked before one that was decided earlier of its object or deposit."""
    parents = {one.refund_id: one.deposit_id for one in stored.of(Refund)}
    parents |= {one.dispute_id: one.deposit_id for one in stored.of(Dispute)}
    last: dict[tuple[str, str], float] = {}
    for row in stored.intents:
        posting = row.intent.posting
        if posting.request_id in ledger.refused:
            continue
        booked = ledger.booked.get(posting.request_id)
        sequence = booked.sequence if booked else math.inf
        own = (posting.object_id, row.intent.row_id)
        family = [own, (parents.get(posting.object_id, ""), "")]
        alone = row.intent.object_type is ObjectType.PROVIDER_ACCOUNT
        if booked and not (alone and not row.intent.row_id):
            assert all(last.get(one, 0) < sequence for one in family)
        last[own] = max(last.get(own, 0), sequence)
