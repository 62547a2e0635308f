"""Runs on a real PostgreSQL without their workflows: claimed, proven and published by hand."""

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kernel.movements import Pot
from services.reconciliation.adapters.postgres.claims import PostgresClaims
from services.reconciliation.adapters.postgres.progress import PostgresProgress
from services.reconciliation.domain.breaks import Break, BreakKey, Lifecycle
from services.reconciliation.domain.classes import BreakClass, Severity
from services.reconciliation.domain.inputs import RunScope
from services.reconciliation.domain.rows import Comparison, Side
from services.reconciliation.domain.runs import (
    IncompleteReason,
    ReportInput,
    RunCounts,
    RunCut,
    RunMode,
    RunPhase,
    RunPlan,
    RunRequest,
    RunTrigger,
    SideCounts,
    Waits,
)
from services.reconciliation.domain.statement import (
    Bridge,
    ClassTotal,
    Cut,
    Figure,
    Proof,
    ReportCut,
    RollForward,
    RoundTrip,
    Section,
    SequenceCut,
    Statement,
)
from services.reconciliation.domain.steps import Proven, Published
from services.reconciliation.domain.verdict import Verdict

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
MONDAY = date(2026, 3, 2)
SHA = "ab" * 32
_SECONDS = itertools.count()


def later() -> datetime:
    """A moment that is a second after the last one that was given."""
    return NOON + timedelta(seconds=next(_SECONDS))


def request(scope: RunScope, **others: object) -> RunRequest:
    """Ask for a run."""
    asked = RunRequest(
        scope=scope,
        mode=RunMode.COMMIT,
        trigger=RunTrigger.API,
        request_id=str(uuid4()),
        requested_by="",
        rerun_reason="",
    )
    return replace(asked, **others)  # type: ignore[arg-type]  # Fields of the caller's choice.


def scope_of(tenant_id: str, day: date = MONDAY, account: str = "main") -> RunScope:
    """Name a date."""
    return RunScope(tenant_id, "mock", account, day)


def some_break(number: int, **others: object) -> Break:
    """A break of PROVIDER; the higher its number the older it is."""
    made = Break(
        break_id=f"{number:032x}",
        key=BreakKey(Comparison.PROVIDER, Pot.PROVIDER, f"ch_{number}", "capture", "EUR"),
        occurrence=1,
        break_class=BreakClass.AMOUNT_OVER,
        previous_class=None,
        severity=Severity.P2,
        lifecycle=Lifecycle.NEW,
        outside_minor=1_200,
        ledger_minor=1_000,
        row_count=2,
        first_date=MONDAY - timedelta(days=number),
        break_date=MONDAY,
        row_ids=(f"S 1:{number}:movement", f"L {number}:P:EUR"),
    )
    return replace(made, **others)  # type: ignore[arg-type]  # Fields of the caller's choice.


def statement_of(scope: RunScope) -> Statement:
    """A statement that shows something of everything."""
    nothing = Figure(0, 0, 0)
    rolled = RollForward(
        Side.SETTLEMENT,
        nothing,
        Figure(3, 300, 500),
        Figure(2, 200, 400),
        nothing,
        Figure(1, 100, 100),
    )
    return Statement(
        scope=scope,
        cut=Cut(SequenceCut(0, 4), SequenceCut(0, 5), (ReportCut(1, SHA),), "1", SHA, ""),
        sections=(
            Section(
                Comparison.PROVIDER,
                Pot.PROVIDER,
                "EUR",
                rolled,
                replace(rolled, side=Side.LEDGER),
                (ClassTotal(BreakClass.AMOUNT_OVER, Severity.P2, 1, 100, 100),),
                Bridge(300, True, 200, 100, 0),
            ),
        ),
        proofs=(Proof(1, "File", ("one file",), ()), Proof(6, "Bridge", (), ("1 is not 0",))),
        exclusions={"S NO_MONEY": 2, "booking G REPORT_BOOKED": 3},
        new_breaks=1,
        round_trips=(
            RoundTrip(
                BreakKey(Comparison.PROVIDER, Pot.PROVIDER, "re_1", "refund", "EUR"),
                Side.SETTLEMENT,
                2,
                400,
            ),
        ),
        provider_balances=(),
    )


class Store:
    """Claims and moves on runs as the use cases do."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.claims = PostgresClaims(engine)
        self.progress = PostgresProgress(engine)

    async def start(self, scope: RunScope, **others: object) -> RunPlan:
        """Claim a date and begin its run."""
        claimed = await self.claims.claim(request(scope, **others), str(uuid4()), later())
        plan = claimed.run.plan("", Waits(1, 1, 1))
        await self.progress.begin(plan, f"execution of {plan.run_id}", later())
        return plan

    async def cut(self, plan: RunPlan, through: int = 4) -> RunCut:
        """Fix the predecessor and the cut."""
        await self.progress.fix_predecessor(plan)
        return await self.progress.store_cut(
            plan,
            RunCut(
                SequenceCut(0, through),
                SequenceCut(0, through),
                (ReportInput(str(uuid4()), 1, SHA, "mock", 3),),
                {"asset/psp/mock/main/pending/eur": Pot.PROVIDER},
                "1",
                SHA,
                "",
                None,
                "",
                later(),
            ),
        )

    async def draft(self, plan: RunPlan, breaks: Sequence[Break]) -> None:
        """Store drafts."""
        await self.progress.store_drafts(
            plan, statement_of(plan.scope), "# BREAKS\n", _pages(breaks)
        )

    async def publish(self, plan: RunPlan, verdict: Verdict = Verdict.BREAKS) -> bool:
        """Make the drafts visible."""
        counts = RunCounts((SideCounts(Side.LEDGER, 4, 4, 0),), 2, 1, 1, 0, 0, 0)
        proven = Proven(verdict, (), counts, SHA, SHA, "")
        published = Published(verdict, (), 1, 1, False, SHA)
        return await self.progress.publish(plan, published, proven, later())

    async def publish_nothing(self, plan: RunPlan) -> None:
        """End a run that could read nothing."""
        published = Published(
            Verdict.INCOMPLETE, (IncompleteReason.PREDECESSOR_MISSING,), 0, 0, False, ""
        )
        await self.progress.publish(plan, published, None, later())

    async def run(
        self,
        scope: RunScope,
        breaks: Sequence[Break] = (),
        verdict: Verdict = Verdict.BREAKS,
        **others: object,
    ) -> RunPlan:
        """Run a date from its claim to its publication."""
        plan = await self.start(scope, **others)
        await self.progress.start_phase(plan, RunPhase.MATCH, "", later())
        await self.progress.end_phase(plan, RunPhase.MATCH, "2 rows closed, 1 open", later())
        await self.cut(plan)
        await self.draft(plan, breaks)
        await self.publish(plan, verdict)
        return plan


async def _pages(breaks: Sequence[Break]) -> AsyncIterator[Sequence[Break]]:
    for start in range(0, len(breaks), 2):
        yield breaks[start : start + 2]
