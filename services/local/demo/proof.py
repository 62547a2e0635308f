"""What runs must say: each seeded fault by its reason, nothing that was not seeded, every proof."""

from collections.abc import Callable, Sequence

from services.kernel.money import format_amount
from services.local.demo.day import Advance, Day, Expected, Seed
from vezne.reconciliation.v1.break_pb2 import Break, BreakClass
from vezne.reconciliation.v1.break_service_pb2 import ListBreaksRequest
from vezne.reconciliation.v1.break_service_pb2_grpc import BreakServiceStub
from vezne.reconciliation.v1.run_pb2 import VERDICT_BREAKS, Verdict
from vezne.reconciliation.v1.run_service_pb2 import (
    PROOF_OUTCOME_FAILED,
    GetStatementRequest,
    Proof,
)
from vezne.reconciliation.v1.run_service_pb2_grpc import RunServiceStub

_BREAKS_MAX = 200

_Class = Callable[[Expected], BreakClass.ValueType]


async def of_the_day(day: Day, _advance: Advance) -> None:
    """Check the run of the day itself: what may still come is pending."""
    await _check(day, lambda expected: expected.at_first)


async def in_the_end(day: Day, _advance: Advance) -> None:
    """Check the run after the days of grace: what has not come is a break."""
    await _check(day, lambda expected: expected.in_the_end)


async def _check(day: Day, wanted: _Class) -> None:
    assert day.run is not None
    found = await RunServiceStub(day.reconciliation).GetStatement(
        GetStatementRequest(tenant_id=day.tenant, run_id=day.run.run_id)
    )
    listed = await BreakServiceStub(day.reconciliation).ListBreaks(
        ListBreaksRequest(
            tenant_id=day.tenant, run_id=day.run.run_id, open_only=True, page_size=_BREAKS_MAX
        )
    )
    day.findings.statement, day.findings.breaks = found.statement, listed.breaks
    date, verdict = day.run.business_date, found.statement.run.verdict
    failed = [
        Proof.Name(proof.proof)
        for proof in found.statement.proofs
        if proof.outcome == PROOF_OUTCOME_FAILED
    ]
    check = day.findings.check
    check(f"{date}: every proof of the run holds", holds=not failed, detail=", ".join(failed))
    check(
        f"{date}: the verdict is BREAKS",
        holds=verdict == VERDICT_BREAKS,
        detail=Verdict.Name(verdict),
    )
    for seed in day.seeds:
        _check_seed(day, seed, listed.breaks, wanted)
    unseeded = unexpected(listed.breaks, day.seeds)
    check(
        f"{date}: no break is found that was not seeded",
        holds=not unseeded,
        detail="; ".join(_said(one) for one in unseeded),
    )


def _check_seed(day: Day, seed: Seed, breaks: Sequence[Break], wanted: _Class) -> None:
    assert day.run is not None
    found = {
        (one.kind, one.break_class, one.difference_minor) for one in breaks if one.key == seed.key
    }
    expected = {(str(one.kind), wanted(one), one.difference_minor) for one in seed.expected}
    called = BreakClass.Name(wanted(seed.expected[0])).removeprefix("BREAK_CLASS_")
    day.findings.check(
        f"{day.run.business_date}: {seed.about}, found as {called}",
        holds=found == expected,
        detail="; ".join(_said(one) for one in breaks if one.key == seed.key) or "not found",
    )


def unexpected(breaks: Sequence[Break], seeds: Sequence[Seed]) -> Sequence[Break]:
    """Return what was found and has nothing to do with what was seeded."""
    keys = {seed.key for seed in seeds}
    return [one for one in breaks if one.key not in keys]


def _said(one: Break) -> str:
    name = BreakClass.Name(one.break_class).removeprefix("BREAK_CLASS_")
    return f"{name} {one.key} {one.kind} {format_amount(one.difference_minor, one.currency_code)}"
