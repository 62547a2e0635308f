"""What happens to a provider account as a whole: sweeps, rolling reserves, top-ups and so on.

Only a sweep has a life; every other fact stands alone, and happens once under its id.
"""

from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType

from services.kernel.invariant import invariant
from services.kernel.movements import MovementKind
from services.psp_gateway.domain import facts, postings
from services.psp_gateway.domain.accounts import HouseChart, ProviderAccount, ProviderChart
from services.psp_gateway.domain.facts import ProviderAccountFact
from services.psp_gateway.domain.machine import (
    Decision,
    Go,
    NoOp,
    Refusal,
    Situation,
    Stay,
    Table,
    Wait,
    applied,
    begin,
    go,
    row,
    unanswerable,
)
from services.psp_gateway.domain.objects import Sweep, SweepState
from services.psp_gateway.domain.postings import Movement, Posting, draft

SweepFact = facts.SweepSent | facts.SweepBanked | facts.SweepFailed
LoneFact = (
    facts.RollingReserveKept
    | facts.RollingReserveReleased
    | facts.AccountFee
    | facts.ToppedUp
    | facts.Exchanged
)

S = SweepState
_NONE = frozenset({None})

TABLE: Table[StrEnum] = MappingProxyType(
    dict(
        (
            *row(facts.RollingReserveKept, (_NONE, Stay())),
            *row(facts.RollingReserveReleased, (_NONE, Stay())),
            *row(facts.AccountFee, (_NONE, Stay())),
            *row(facts.ToppedUp, (_NONE, Stay())),
            *row(facts.Exchanged, (_NONE, Stay())),
        )
    )
)
"""What each fact that stands alone does to a provider account, which has no states."""

SWEEP_TABLE: Table[SweepState] = MappingProxyType(
    dict(
        (
            *row(
                facts.SweepSent,
                (_NONE, go(S.IN_TRANSIT)),
                ({S.IN_TRANSIT, S.BANKED, S.FAILED}, NoOp("SENT_BEFORE")),
            ),
            *row(
                facts.SweepBanked,
                (_NONE, Wait("sweep")),
                ({S.IN_TRANSIT}, go(S.BANKED)),
                ({S.BANKED}, NoOp("BANKED_BEFORE")),
                # It was on the statement before it came back; the news is late.
                ({S.FAILED}, Stay()),
            ),
            *row(
                facts.SweepFailed,
                (_NONE, Wait("sweep")),
                ({S.IN_TRANSIT, S.BANKED}, go(S.FAILED)),
                ({S.FAILED}, NoOp("FAILED_BEFORE")),
            ),
        )
    )
)
"""What each fact does to a sweep in each state; None is a sweep without a fact."""


def decide(at: ProviderAccount, fact: LoneFact, situation: Situation) -> Decision[ProviderAccount]:
    """Decide what a fact that stands alone does to its provider account."""
    _check_object(at, fact)
    cell = begin(TABLE, at, None, fact, situation)
    if isinstance(cell, Decision):
        return cell
    entries, movement = _row_of(at, fact)
    posted = draft(fact, fact.name, entries, now=situation.now, at=at, movement=movement)
    return applied(fact, at, None, postings=posted)


def decide_sweep(sweep: Sweep, fact: SweepFact, situation: Situation) -> Decision[Sweep]:
    """Decide what a fact does to its sweep."""
    _check_object(sweep.at, fact)
    invariant(fact.row_id == sweep.sweep_id, "the fact is about this sweep")
    cell = begin(SWEEP_TABLE, sweep, sweep.state, fact, situation)
    if isinstance(cell, Decision):
        return cell
    match fact:
        case facts.SweepSent():
            sweep = replace(sweep, amount=fact.amount)
            entries = postings.swept(_chart(sweep), fact.amount.minor_units)
            movement: Movement | None = Movement(MovementKind.SWEEP, sweep.sweep_id)
        case facts.SweepBanked():
            entries = _banked(sweep, fact)
            movement = Movement(MovementKind.SWEEP, sweep.sweep_id)
            sweep = replace(sweep, bank_account=fact.bank_account)
        case facts.SweepFailed():
            entries = _came_back(sweep)
            movement = Movement(MovementKind.SWEEP_FAILURE, fact.movement_key)
    if isinstance(cell, Go):
        sweep = replace(sweep, state=SweepState(cell.to[0]))
    else:
        # What the bank keeps of a sweep that came back moves none of the provider's pots.
        movement = None
    posted = draft(fact, fact.name, entries, now=situation.now, at=sweep.at, movement=movement)
    return applied(fact, sweep, sweep.state, postings=posted)


def refused(at: ProviderAccount, posting: Posting, refusal: Refusal) -> Decision[ProviderAccount]:
    """Answer the ledger's final refusal of a posting of this provider account.

    None of these postings touches a player, so nobody may refuse one: a person looks into it.
    """
    return unanswerable(posting, refusal, at)


def _row_of(at: ProviderAccount, fact: LoneFact) -> tuple[postings.Entries, Movement]:
    match fact:
        case facts.RollingReserveKept(amount=amount):
            chart = ProviderChart(at, amount.currency_code)
            entries = postings.rolling_reserve_kept(chart, amount.minor_units)
            kind = MovementKind.ROLLING_RESERVE
        case facts.RollingReserveReleased(amount=amount):
            chart = ProviderChart(at, amount.currency_code)
            entries = postings.rolling_reserve_kept(chart, -amount.minor_units)
            kind = MovementKind.ROLLING_RESERVE_RELEASE
        case facts.AccountFee(fee=fee):
            chart = ProviderChart(at, fee.currency_code)
            expense = HouseChart(fee.currency_code).psp_fees
            entries = postings.fee(expense, chart.available, fee.minor_units)
            kind = MovementKind.ACCOUNT_FEE
        case facts.ToppedUp(amount=amount):
            chart = ProviderChart(at, amount.currency_code)
            bank = HouseChart(amount.currency_code).bank(fact.bank_account)
            entries = postings.topped_up(chart, bank, amount.minor_units)
            kind = MovementKind.TOP_UP
        case facts.Exchanged(sold=sold, bought=bought):
            entries = postings.exchanged(
                ProviderChart(at, sold.currency_code),
                sold.minor_units,
                ProviderChart(at, bought.currency_code),
                bought.minor_units,
            )
            kind = MovementKind.EXCHANGE
    return entries, Movement(kind, fact.movement_key)


def _banked(sweep: Sweep, fact: facts.SweepBanked) -> postings.Entries:
    chart = _chart(sweep)
    house = HouseChart(chart.currency_code)
    bank = house.bank(fact.bank_account)
    if sweep.state is S.FAILED:
        # It left the bank again when it came back to the provider: only the bank's fee stays.
        return postings.fee(house.bank_fees, bank, fact.bank_fee_minor)
    return postings.banked(chart, bank, _net(sweep), fact.bank_fee_minor)


def _came_back(sweep: Sweep) -> postings.Entries:
    chart = _chart(sweep)
    if sweep.state is S.IN_TRANSIT:
        return postings.swept(chart, -_net(sweep))
    bank = HouseChart(chart.currency_code).bank(sweep.bank_account)
    return postings.topped_up(chart, bank, _net(sweep))


def _chart(sweep: Sweep) -> ProviderChart:
    invariant(sweep.amount is not None, "a sweep that was sent has an amount")
    return ProviderChart(sweep.at, sweep.amount.currency_code if sweep.amount else "")


def _net(sweep: Sweep) -> int:
    return sweep.amount.minor_units if sweep.amount else 0


def _check_object(at: ProviderAccount, fact: ProviderAccountFact) -> None:
    invariant(fact.object_id == str(at), "the fact is about this provider account")
