"""Prove: every total once more, from the frozen files, the balances and the predecessor.

Nothing of the matcher is imported and no query is shared with it; where both need the same answer,
the prover asks another way. What it concludes is the run's statement.
"""

from services.formats.report import ReportBalance
from services.kernel.movements import Pot
from services.reconciliation.adapters.duckdb.engine import Engine
from services.reconciliation.adapters.duckdb.manifest import Manifest, ManifestError, read_manifest
from services.reconciliation.adapters.duckdb.prove import balances, inputs, rows
from services.reconciliation.adapters.duckdb.prove.evidence import Bench, Evidence, Findings
from services.reconciliation.domain.breaks import BreakKey
from services.reconciliation.domain.classes import SEVERITY_OF, BreakClass
from services.reconciliation.domain.rows import SCOPES, Comparison, Side
from services.reconciliation.domain.statement import (
    Cut,
    ReportCut,
    RoundTrip,
    Section,
    SequenceCut,
    Statement,
)

__all__ = ["PROOFS_MADE", "Evidence", "prove"]

PROOFS_MADE = {
    1: "File",
    2: "Sides",
    3: "Range",
    4: "Matches",
    5: "Classes",
    6: "Bridge",
    7: "Roll-forward",
}
"""The proofs of a run, by number; `domain/proofs.py` says why the others are not among them."""
_ROUND_TRIPS_SHOWN = 100


def prove(engine: Engine, evidence: Evidence) -> Statement:
    """Prove a run whose files are written, and return its statement.

    A proof that fails is part of the statement, whose verdict is then INCOMPLETE.

    Raises:
        RunCancelledError: the run was cancelled.
    """
    findings = {number: Findings() for number in PROOFS_MADE}
    bench = Bench(engine, evidence, _predecessor(evidence, findings[7]))
    inputs.check_files(bench, findings[1])
    inputs.check_ranges(bench, findings[3])
    balances.check_predecessor(bench, findings[7])
    provider = balances.provider_balances(bench, findings[6])
    ledger = balances.ledger_balances(bench, findings[6])
    rows.load_rules(bench)

    exclusions = {
        f"{side} {rule}": count
        for side, staged in evidence.staged.items()
        for rule, count in sorted(staged.excluded.items())
    }
    sections: list[Section] = []
    round_trips: list[RoundTrip] = []
    new_breaks = 0
    for comparison in SCOPES:
        rows.load_sources(bench, comparison)
        exclusions |= rows.check_sides(bench, comparison, findings[2])
        rows.check_matches(bench, comparison, findings[4])
        rows.check_classes(bench, comparison, findings[5])
        sections += balances.sections(bench, comparison, provider, ledger, findings[6], findings[7])
        round_trips += _round_trips(bench, comparison)
        new_breaks += _new_breaks(bench)
    return Statement(
        scope=evidence.scope,
        cut=_cut(evidence),
        sections=tuple(sections),
        proofs=tuple(findings[number].proof(number, name) for number, name in PROOFS_MADE.items()),
        exclusions=exclusions,
        new_breaks=new_breaks,
        round_trips=tuple(round_trips),
        provider_balances=tuple(
            ReportBalance(place.pot, place.currency_code, own.opening_minor, own.closing_minor)
            for place, own in provider.items()
        ),
    )


def _predecessor(evidence: Evidence, findings: Findings) -> Manifest | None:
    if evidence.folders.predecessor is None:
        return None
    try:
        manifest, _ = read_manifest(evidence.folders.predecessor, evidence.predecessor_sha256)
    except ManifestError as error:
        findings.fail(str(error))
        return None
    return manifest


def _cut(evidence: Evidence) -> Cut:
    ledger, gateway = evidence.ledger_range, evidence.gateway_range
    reports = sorted(evidence.reports, key=lambda report: report.batch_number)
    return Cut(
        ledger=SequenceCut(ledger.after, ledger.through),
        gateway=SequenceCut(gateway.after, gateway.through),
        reports=tuple(ReportCut(report.batch_number, report.sha256) for report in reports),
        rules_version=evidence.rules.version,
        rules_sha256=evidence.rules.sha256,
        predecessor_sha256=evidence.predecessor_sha256,
    )


def _round_trips(bench: Bench, comparison: Comparison) -> list[RoundTrip]:
    return [
        RoundTrip(
            BreakKey(comparison, Pot(pot), key, kind, currency), Side(side), count, int(gross)
        )
        for pot, key, kind, currency, side, count, gross in bench.engine.run(
            f"""
            SELECT pot, key, kind, currency_code, side, count(*), sum(abs(amount_minor)) AS gross
            FROM result_closed WHERE method = 'ROUND_TRIP'
            GROUP BY ALL ORDER BY gross DESC, pot, key, kind, currency_code, side
            LIMIT {_ROUND_TRIPS_SHOWN}
            """  # noqa: S608 - a number of ours.
        )
    ]


def _new_breaks(bench: Bench) -> int:
    """Count the groups that are breaks now and were none, or were not open, in the run before."""
    return sum(
        count
        for now, before, count in bench.engine.run(
            "SELECT class, previous_class, count(*) FROM result_breaks "
            "WHERE lifecycle <> 'RESOLVED' GROUP BY ALL"
        )
        if SEVERITY_OF[BreakClass(now)].is_break
        and not (before and SEVERITY_OF[BreakClass(before)].is_break)
    )
