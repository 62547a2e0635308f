"""Statements to protobuf."""

from services.formats.report import ReportBalance
from services.reconciliation.api.building import side
from services.reconciliation.domain import statement as ours
from services.reconciliation.domain.proofs import NOT_MADE, NOT_MADE_THEN
from services.reconciliation.domain.rows import Side
from vezne.reconciliation.v1.break_pb2 import BreakClass, Comparison, Severity
from vezne.reconciliation.v1.run_pb2 import Run
from vezne.reconciliation.v1.run_service_pb2 import (
    PROOF_OUTCOME_FAILED,
    PROOF_OUTCOME_HOLDS,
    PROOF_OUTCOME_NOT_MADE,
    Bridge,
    ClassTotal,
    ExclusionCount,
    Proof,
    ProofResult,
    ProviderBalance,
    RollForward,
    RoundTrip,
    RowTotal,
    Statement,
    StatementSection,
)
from vezne.type.v1.movement_pb2 import Pot

_SENTENCES_MAX = 50


def statement(run: Run, found: ours.Statement) -> Statement:
    """Build a run's statement."""
    given = {
        (section.pot, section.currency_code)
        for section in found.sections
        if section.bridge is not None and section.bridge.outside_balance_given
    }
    return Statement(
        run=run,
        sections=[_section(section) for section in found.sections],
        proofs=_proofs(found),
        exclusions=[_exclusion(rule, count) for rule, count in found.exclusions.items()],
        round_trips=[_round_trip(trip) for trip in found.round_trips],
        provider_balances=[
            _balance(balance, given=(balance.pot, balance.currency_code) in given)
            for balance in found.provider_balances
        ],
    )


def _section(found: ours.Section) -> StatementSection:
    return StatementSection(
        comparison=Comparison.Value(f"COMPARISON_{found.comparison.name}"),
        pot=Pot.Value(f"POT_{found.pot.name}"),
        currency_code=found.currency_code,
        outside=_roll_forward(found.outside),
        ledger=_roll_forward(found.ledger),
        classes=[
            ClassTotal(
                break_class=BreakClass.Value(f"BREAK_CLASS_{total.break_class}"),
                severity=Severity.Value(f"SEVERITY_{total.severity}"),
                group_count=total.count,
                net_minor=total.net_minor,
                gross_minor=total.gross_minor,
            )
            for total in found.classes
        ],
        bridge=None if found.bridge is None else _bridge(found.bridge),
    )


def _roll_forward(found: ours.RollForward) -> RollForward:
    return RollForward(
        side=side(found.side),
        opening=_total(found.opening),
        new_rows=_total(found.new),
        closed=_total(found.closed),
        round_trips=_total(found.round_trips),
        closing=_total(found.closing),
    )


def _total(figure: ours.Figure) -> RowTotal:
    return RowTotal(
        row_count=figure.count, net_minor=figure.net_minor, gross_minor=figure.gross_minor
    )


def _bridge(found: ours.Bridge) -> Bridge:
    return Bridge(
        outside_balance_minor=found.outside_balance_minor,
        outside_balance_given=found.outside_balance_given,
        ledger_balance_minor=found.ledger_balance_minor,
        outside_open_minor=found.outside_open_minor,
        ledger_open_minor=found.ledger_open_minor,
        residual_minor=found.residual_minor,
    )


def _proofs(found: ours.Statement) -> list[ProofResult]:
    """Return all ten, in order: those that are not made are listed, and say why."""
    made = {proof.number: proof for proof in found.proofs}
    results = []
    for number in [number for number in Proof.values() if number]:
        proof = made.get(number)
        if proof is None:
            reason = NOT_MADE[number].reason if number in NOT_MADE else NOT_MADE_THEN
            results.append(
                ProofResult(proof=number, outcome=PROOF_OUTCOME_NOT_MADE, not_made_reason=reason)
            )
            continue
        results.append(
            ProofResult(
                proof=number,
                outcome=PROOF_OUTCOME_HOLDS if proof.holds else PROOF_OUTCOME_FAILED,
                figures=proof.figures[:_SENTENCES_MAX],
                failures=proof.failures[:_SENTENCES_MAX],
            )
        )
    return results


def _exclusion(rule: str, count: int) -> ExclusionCount:
    """Read a count's name: `S NO_MONEY` of all comparisons, `booking G REPORT_BOOKED` of one."""
    *comparison, letter, name = rule.split(" ")
    return ExclusionCount(
        comparison=Comparison.Value(f"COMPARISON_{(comparison or ['UNSPECIFIED'])[0].upper()}"),
        side=side(Side(letter)),
        rule=name,
        item_count=count,
    )


def _round_trip(found: ours.RoundTrip) -> RoundTrip:
    return RoundTrip(
        comparison=Comparison.Value(f"COMPARISON_{found.key.comparison.name}"),
        side=side(found.side),
        pot=Pot.Value(f"POT_{found.key.pot.name}"),
        key=found.key.key,
        currency_code=found.key.currency_code,
        row_count=found.row_count,
        gross_minor=found.gross_minor,
    )


def _balance(found: ReportBalance, *, given: bool) -> ProviderBalance:
    return ProviderBalance(
        pot=Pot.Value(f"POT_{found.pot.name}"),
        currency_code=found.currency_code,
        opening_minor=found.opening_minor,
        closing_minor=found.closing_minor,
        given=given,
    )
