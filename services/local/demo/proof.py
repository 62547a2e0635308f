"""What runs must say: each seeded fault by its reason, nothing that was not seeded, every proof."""

from collections.abc import Callable, Sequence

from services.kernel.invariant import present
from services.kernel.money import format_amount
from services.local.demo.day import Advance, Day, Expected, Findings, Seed
from vezne.reconciliation.v1.break_pb2 import Break, BreakClass
from vezne.reconciliation.v1.break_service_pb2 import ListBreaksRequest
from vezne.reconciliation.v1.break_service_pb2_grpc import BreakServiceStub
from vezne.reconciliation.v1.run_pb2 import VERDICT_BREAKS, Verdict
from vezne.reconciliation.v1.run_service_pb2 import (
    PROOF_OUTCOME_HOLDS,
    PROOF_OUTCOME_NOT_APPLICABLE,
    PROOF_OUTCOME_NOT_MADE,
    GetStatementRequest,
    Proof,
)
from vezne.reconciliation.v1.run_service_pb2_grpc import RunServiceStub

_BREAKS_MAX = 200
_FINE = {PROOF_OUTCOME_HOLDS, PROOF_OUTCOME_NOT_APPLICABLE, PROOF_OUTCOME_NOT_MADE}

Wanted = Callable[[Expected], BreakClass.ValueType]


async def of_the_day(day: Day, _advance: Advance) -> None:
    """Check the run of the day itself: what may still come is pending."""
    await _check(day, lambda expected: expected.at_first)


async def in_the_end(day: Day, _advance: Advance) -> None:
    """Check the run after the days of grace: what has not come is a break."""
    await _check(day, lambda expected: expected.in_the_end)


async def _check(day: Day, wanted: Wanted) -> None:
    run = present(day.run, "the day was reconciled")
    found = await RunServiceStub(day.reconciliation).GetStatement(
        GetStatementRequest(tenant_id=day.tenant, run_id=run.run_id)
    )
    listed = await BreakServiceStub(day.reconciliation).ListBreaks(
        ListBreaksRequest(
            tenant_id=day.tenant, run_id=run.run_id, open_only=True, page_size=_BREAKS_MAX
        )
    )
    day.findings.statement, day.findings.breaks = found.statement, listed.breaks
    date, verdict = run.business_date, found.statement.run.verdict
    outcomes = {proof.proof: proof.outcome for proof in found.statement.proofs}
    # All that the contract knows are asked for: a proof that is not listed does not hold.
    failed = [
        Proof.Name(proof) for proof in Proof.values() if proof and outcomes.get(proof) not in _FINE
    ]
    check = day.findings.check
    check(f"{date}: every proof of the run holds", holds=not failed, detail=", ".join(failed))
    check(
        f"{date}: the verdict is BREAKS",
        holds=verdict == VERDICT_BREAKS,
        detail=Verdict.Name(verdict),
    )
    compare(day.findings, date, day.seeds, listed.breaks, wanted)


def compare(
    findings: Findings, date: str, seeds: Sequence[Seed], breaks: Sequence[Break], wanted: Wanted
) -> None:
    """Compare what a run found with what was seeded: all of it by its reason, and nothing else.

    Args:
        findings: get the promises.
        date: the business date of the run.
        seeds: what was seeded.
        breaks: what was found.
        wanted: which class a seed must have by now.
    """
    for seed in seeds:
        of_seed = [one for one in breaks if one.key == seed.key]
        found = {(one.kind, one.break_class, one.difference_minor) for one in of_seed}
        expected = {(str(one.kind), wanted(one), one.difference_minor) for one in seed.expected}
        findings.check(
            f"{date}: {seed.about}, found as {_name(wanted(seed.expected[0]))}",
            holds=found == expected,
            detail="; ".join(_said(one) for one in of_seed) or "not found",
        )
    keys = {seed.key for seed in seeds}
    unseeded = [one for one in breaks if one.key not in keys]
    findings.check(
        f"{date}: no break is found that was not seeded",
        holds=not unseeded,
        detail="; ".join(_said(one) for one in unseeded),
    )


def _name(break_class: BreakClass.ValueType) -> str:
    return BreakClass.Name(break_class).removeprefix("BREAK_CLASS_")


def _said(one: Break) -> str:
    amount = format_amount(one.difference_minor, one.currency_code)
    return f"{_name(one.break_class)} {one.key} {one.kind} {amount}"
