"""The tables of the machines are complete, and each machine does what its table says."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import pytest

from services.psp_gateway.domain import (
    deposit,
    dispute,
    facts,
    player,
    provider_account,
    refund,
    withdrawal,
)
from services.psp_gateway.domain.accounts import PlayerChart
from services.psp_gateway.domain.machine import (
    Go,
    NoOp,
    Raise,
    Situation,
    Stay,
    Table,
    Verdict,
    Wait,
)
from services.psp_gateway.domain.objects import (
    DepositState,
    DisputeState,
    RefundState,
    SettlementState,
    SweepState,
    WithdrawalState,
)
from tests.fakes import gateway_rows as rows
from tests.fakes.provider_news import AT


def _facts_of(object_type: facts.ObjectType, *but: type[facts.Fact]) -> set[type[facts.Fact]]:
    return {
        one
        for one in vars(facts).values()
        if isinstance(one, type)
        and issubclass(one, facts.Fact)
        and hasattr(one, "name")
        and one.object_type is object_type
        and one not in but
    }


SETTLEMENT_FACTS = {
    facts.DepositAvailable,
    facts.DepositSwept,
    facts.DepositBanked,
    facts.DepositSweepFailed,
}
SWEEP_FACTS = {facts.SweepSent, facts.SweepBanked, facts.SweepFailed}
ATTEMPT_FACTS = {
    one for one in _facts_of(facts.ObjectType.WITHDRAWAL) if issubclass(one, facts.AttemptFact)
}
Kind = facts.ObjectType
TABLES: list[tuple[str, Table[Any], set[Any], set[type[facts.Fact]]]] = [
    ("deposit", deposit.TABLE, set(DepositState), _facts_of(Kind.DEPOSIT)),
    ("settlement", deposit.SETTLEMENT_TABLE, set(SettlementState), SETTLEMENT_FACTS),
    ("refund", refund.TABLE, {None, *RefundState}, _facts_of(Kind.REFUND)),
    ("dispute", dispute.TABLE, {None, *DisputeState}, _facts_of(Kind.DISPUTE)),
    ("withdrawal", withdrawal.TABLE, set(WithdrawalState), _facts_of(Kind.WITHDRAWAL)),
    ("earlier", withdrawal.EARLIER_ATTEMPT_TABLE, set(WithdrawalState), ATTEMPT_FACTS),
    ("sweep", provider_account.SWEEP_TABLE, {None, *SweepState}, SWEEP_FACTS),
    ("account", provider_account.TABLE, {None}, _facts_of(Kind.PROVIDER_ACCOUNT, *SWEEP_FACTS)),
    ("player", player.TABLE, {None}, _facts_of(Kind.PLAYER)),
]


@pytest.mark.parametrize(("table", "states", "fact_types"), [t[1:] for t in TABLES])
def test_table_is_complete(
    table: Table[Any], states: set[Any], fact_types: set[type[facts.Fact]]
) -> None:
    """Every state meets every fact, and there is no cell beside these."""
    assert set(table) == set(itertools.product(states, fact_types))


def test_every_state_is_reached() -> None:
    """No state stands in a machine that no fact, and no refusal, leads to."""
    by_refusal = {RefundState.REJECTED, DepositState.CREATED, WithdrawalState.REQUESTED}
    for _, table, states, _ in TABLES[:5]:
        reached = {state for cell in table.values() if isinstance(cell, Go) for state in cell.to}
        assert states - reached - by_refusal - {None, SettlementState.UNSETTLED} == set()


@dataclass(frozen=True)
class Case:
    """One cell, and how to bring its fact to a row in its state."""

    table: str
    cell: Any
    fact: facts.Fact
    state: StrEnum | None
    decide: Callable[[Situation], Any]

    def __str__(self) -> str:
        return f"{self.table}-{self.state}-{type(self.fact).__name__}"


def _cases() -> Iterator[Case]:
    captured = rows.a_deposit(DepositState.CAPTURED)
    for (state, fact_type), cell in deposit.TABLE.items():
        row, fact = rows.a_deposit(state), rows.a_fact(fact_type)
        yield Case(
            "deposit", cell, fact, state, lambda s, row=row, fact=fact: deposit.decide(row, fact, s)
        )
    for (state, fact_type), cell in refund.TABLE.items():
        row, fact = rows.a_refund(state), rows.a_fact(fact_type)
        yield Case(
            "refund",
            cell,
            fact,
            state,
            lambda s, row=row, fact=fact: refund.decide(row, captured, fact, s),
        )
    for (state, fact_type), cell in dispute.TABLE.items():
        row = rows.a_dispute(state)
        # A new round where the last one is over, else the round under way.
        number = row.round_number + (state is DisputeState.WON or isinstance(cell, Wait))
        if fact_type is facts.DisputeFundsWithdrawn:
            number = row.round_number + 1
        more = {"round_number": number} if issubclass(fact_type, facts.RoundFact) else {}
        fact = rows.a_fact(fact_type, **more)
        yield Case(
            "dispute",
            cell,
            fact,
            state,
            lambda s, row=row, fact=fact: dispute.decide(row, captured, fact, s),
        )
    yield from _withdrawal_cases()
    for (state, fact_type), cell in provider_account.SWEEP_TABLE.items():
        row, fact = rows.a_sweep(state), rows.a_fact(fact_type, row_id="sw_1")
        yield Case(
            "sweep",
            cell,
            fact,
            state,
            lambda s, row=row, fact=fact: provider_account.decide_sweep(row, fact, s),
        )
    for (state, fact_type), cell in provider_account.TABLE.items():
        fact = rows.a_fact(fact_type)
        yield Case(
            "account", cell, fact, state, lambda s, fact=fact: provider_account.decide(AT, fact, s)
        )
    for (state, fact_type), cell in player.TABLE.items():
        fact = rows.a_fact(fact_type)
        of = PlayerChart("anna", "EUR")
        yield Case(
            "player", cell, fact, state, lambda s, of=of, fact=fact: player.decide(of, fact, s)
        )


def _withdrawal_cases() -> Iterator[Case]:
    for (state, fact_type), cell in withdrawal.TABLE.items():
        row = rows.a_withdrawal(state)
        more = {}
        if fact_type is facts.WithdrawalSubmitStarted and state is WithdrawalState.APPROVED:
            more = {"attempt": 2}
        fact = rows.a_fact(fact_type, **more)
        yield Case(
            "withdrawal",
            cell,
            fact,
            state,
            lambda s, row=row, fact=fact: withdrawal.decide(row, fact, s),
        )
    for (state, fact_type), cell in withdrawal.EARLIER_ATTEMPT_TABLE.items():
        if rows.a_withdrawal(state).attempts:
            row, fact = rows.a_withdrawal(state, attempts=(AT, AT)), rows.a_fact(fact_type)
            yield Case(
                "earlier",
                cell,
                fact,
                state,
                lambda s, row=row, fact=fact: withdrawal.decide(row, fact, s),
            )


CASES = list(_cases())


def _owing(fact: facts.Fact) -> Situation:
    """Return that a player owes; of a fact that does not look at it, that nobody has looked."""
    owing = rows.situation(receivable_minor=9_000)
    return owing if fact.looks_at_holdings else replace(owing, holdings=None)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_machine_does_what_its_table_says(case: Case) -> None:
    """A cell's transition, no-op, wait or exception is what the machine decides.

    A fact that does not say that it looks at what the player has is decided without it.
    """
    decision = case.decide(_owing(case.fact))

    expected = {
        Go: Verdict.APPLIED,
        Stay: Verdict.APPLIED,
        NoOp: Verdict.IGNORED,
        Wait: Verdict.DEFERRED,
        Raise: Verdict.EXCEPTION,
    }[type(case.cell)]
    if isinstance(case.cell, Stay) and type(case.fact) in SETTLEMENT_FACTS - {
        facts.DepositAvailable
    }:
        expected = Verdict.DEFERRED  # The other axis says that it waits.
    assert decision.verdict is expected
    after = getattr(decision.row, "state", None)
    if isinstance(case.cell, Go):
        assert after in case.cell.to
    else:
        assert after == case.state
    if expected is not Verdict.APPLIED:
        assert decision.why
        assert not decision.postings
        assert not decision.events


@pytest.mark.parametrize("case", CASES, ids=str)
def test_known_fact_changes_nothing(case: Case) -> None:
    """A fact that was applied before changes nothing, in any state, whoever brings it again."""
    decision = case.decide(rows.situation(known=True))

    assert decision.verdict is not Verdict.APPLIED
    assert not decision.postings


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fact_waits_for_earlier_postings(case: Case) -> None:
    """Nothing changes while an earlier posting of the object is not in the ledger."""
    decision = case.decide(rows.situation(posted=False, receivable_minor=9_000))

    assert decision.verdict is not Verdict.APPLIED
    if isinstance(case.cell, Go | Stay):
        assert decision.verdict is Verdict.DEFERRED


@pytest.mark.parametrize("case", CASES, ids=str)
def test_events_and_postings_are_one_to_one(case: Case) -> None:
    """Each posting has the one event with its object and fact, which holds its effects."""
    decision = case.decide(_owing(case.fact))

    effects = {(event.object_id, event.fact): event.effects for event in decision.events}
    assert len(effects) == len(decision.events)
    for posting in decision.postings:
        assert effects[posting.object_id, posting.fact] == posting.effects
    if decision.verdict is Verdict.APPLIED:
        assert decision.events[0].fact == case.fact.key
