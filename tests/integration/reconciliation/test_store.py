"""What PostgreSQL holds of runs: one claim a date, drafts that nobody sees, results that stay."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reconciliation.adapters.postgres.reader import PostgresReader
from services.reconciliation.application.ports import ClaimLostError
from services.reconciliation.application.questions import BreakFilter, RunFilter, RunPosition
from services.reconciliation.domain.reasons import ReconciliationError
from services.reconciliation.domain.runs import (
    Predecessor,
    Run,
    RunMode,
    RunOutcome,
    RunPlan,
    RunState,
)
from services.reconciliation.domain.verdict import Verdict
from tests.fakes.recon_store import MONDAY, Store, later, request, scope_of, some_break

TUESDAY = MONDAY + timedelta(days=1)
STARTERS = 12


@pytest.fixture
def store(engine: AsyncEngine) -> Store:
    """The store of the service."""
    return Store(engine)


@pytest.fixture
def reader(engine: AsyncEngine) -> PostgresReader:
    """What people read."""
    return PostgresReader(engine)


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test knows."""
    return f"t-{uuid4().hex[:12]}"


async def test_of_many_starters_one_wins(store: Store, tenant: str) -> None:
    """However many claim a date at once, one run is made and all others find it."""
    scope = scope_of(tenant)

    claims = await asyncio.gather(
        *(store.claims.claim(request(scope), str(uuid4()), later()) for _ in range(STARTERS))
    )

    outcomes = [claim.outcome for claim in claims]
    assert outcomes.count(RunOutcome.STARTED) == 1
    assert outcomes.count(RunOutcome.ALREADY_RUNNING) == STARTERS - 1
    assert len({claim.run.run_id for claim in claims}) == 1


async def test_the_index_is_the_guard(store: Store, engine: AsyncEngine, tenant: str) -> None:
    """Even what goes past the claim's own questions cannot claim a date twice."""
    plan = await store.start(scope_of(tenant))

    with pytest.raises(DBAPIError, match="runs_claimed"):
        async with engine.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO reconciliation.runs SELECT (jsonb_populate_record(runs, "
                    "jsonb_build_object('run_id', gen_random_uuid(), 'workflow_id', 'other'))).* "
                    "FROM reconciliation.runs WHERE tenant_id = :tenant AND run_id = :run_id"
                ),
                {"tenant": tenant, "run_id": plan.run_id},
            )


async def test_drafts_are_invisible_until_the_flip(
    store: Store, reader: PostgresReader, tenant: str
) -> None:
    """Breaks and statement of a run that works are shown to nobody; one commit shows them all."""
    plan = await store.start(scope_of(tenant))
    await store.cut(plan)
    await store.draft(plan, [some_break(number) for number in range(5)])
    chosen = BreakFilter(run_id=plan.run_id)

    before = await reader.breaks(tenant, chosen, None, 10)
    statement_before = await reader.statement(tenant, plan.run_id)
    await store.publish(plan)

    assert before == []
    assert statement_before is None
    assert len(await reader.breaks(tenant, chosen, None, 10)) == 5
    assert await reader.statement(tenant, plan.run_id) is not None


async def test_a_step_may_be_repeated(store: Store, reader: PostgresReader, tenant: str) -> None:
    """Drafts stored twice are there once, and a second publication finds the first."""
    plan = await store.start(scope_of(tenant))
    cut = await store.cut(plan)
    for _ in range(2):
        await store.draft(plan, [some_break(1)])
    await store.publish(plan)
    first = await reader.run(tenant, plan.run_id)

    await store.publish(plan)
    await store.draft(plan, [some_break(2)])
    again = await store.cut(plan, through=99)

    assert again == cut
    assert await reader.run(tenant, plan.run_id) == first
    found = await reader.breaks(tenant, BreakFilter(run_id=plan.run_id), None, 10)
    assert [view.found.break_id for view in found] == [some_break(1).break_id]


async def test_what_is_published_stays(store: Store, engine: AsyncEngine, tenant: str) -> None:
    """The service itself cannot change or delete published breaks, statements or a cut."""
    plan = await store.run(scope_of(tenant), [some_break(1)])

    for change in (
        "DELETE FROM reconciliation.breaks",
        "DELETE FROM reconciliation.statements",
        "UPDATE reconciliation.cuts SET rules_version = '2'",
        "DELETE FROM reconciliation.requests",
    ):
        with pytest.raises(DBAPIError, match=r"is not possible|permission denied"):
            async with engine.begin() as connection:
                await connection.execute(
                    text(f"{change} WHERE tenant_id = :tenant"), {"tenant": plan.tenant_id}
                )


async def test_an_ended_run_cannot_publish(store: Store, tenant: str) -> None:
    """A run that was given up shows nothing, whatever its workflow still does."""
    plan = await store.start(scope_of(tenant))
    await store.cut(plan)
    await store.draft(plan, [some_break(1)])
    await store.claims.close(
        plan, f"execution of {plan.run_id}", RunState.FAILED, "given up", later()
    )

    for step in (store.publish(plan), store.draft(plan, [some_break(1)])):
        with pytest.raises(ClaimLostError):
            await step
    with pytest.raises(ClaimLostError):
        await store.progress.begin(plan, f"execution of {plan.run_id}", later())


async def test_one_execution_does_the_work(store: Store, tenant: str) -> None:
    """Another execution can neither take up a claim nor end its run; the first one may, again."""
    plan = await store.start(scope_of(tenant))

    await store.progress.begin(plan, f"execution of {plan.run_id}", later())
    with pytest.raises(ClaimLostError):
        await store.progress.begin(plan, "another", later())
    await store.claims.close(plan, "another", RunState.FAILED, "not mine", later())
    await store.progress.begin(plan, f"execution of {plan.run_id}", later())


async def test_closing_never_undoes_a_publication(
    store: Store, reader: PostgresReader, tenant: str
) -> None:
    """A cancellation that comes after the flip changes nothing."""
    plan = await store.run(scope_of(tenant), [some_break(1)])

    await store.claims.close(
        plan, f"execution of {plan.run_id}", RunState.CANCELLED, "too late", later()
    )

    run = await reader.run(tenant, plan.run_id)
    assert run is not None
    assert run.state is RunState.PUBLISHED
    assert len(await reader.breaks(tenant, BreakFilter(), None, 10)) == 1


async def test_an_incomplete_run_frees_its_date(store: Store, tenant: str) -> None:
    """After INCOMPLETE the date is claimed anew, under the next number and with a reason."""
    await store.run(scope_of(tenant), verdict=Verdict.INCOMPLETE)

    again = await store.claims.claim(request(scope_of(tenant)), str(uuid4()), later())

    assert again.outcome is RunOutcome.STARTED
    assert again.run.rerun_number == 1
    assert again.run.workflow_id.endswith("/rerun-1")
    assert again.run.rerun_reason == "The run before it ended without a complete result"


async def test_a_failed_rerun_leaves_the_result(
    store: Store, reader: PostgresReader, tenant: str
) -> None:
    """A re-run that fails or concludes nothing gives the claim back to the result that stands."""
    first = await store.run(scope_of(tenant))
    failing = await store.start(scope_of(tenant), rerun_reason="again")
    await store.claims.close(
        failing, f"execution of {failing.run_id}", RunState.FAILED, "broken", later()
    )
    await store.run(scope_of(tenant), verdict=Verdict.INCOMPLETE, rerun_reason="again")

    found = await store.claims.claim(request(scope_of(tenant)), str(uuid4()), later())

    assert found.outcome is RunOutcome.ALREADY_DONE
    assert found.run.run_id == first.run_id
    run = await reader.run(tenant, first.run_id)
    assert run is not None
    assert run.state is RunState.PUBLISHED


async def test_an_earlier_date_cannot_begin_once_order_is_fixed(store: Store, tenant: str) -> None:
    """When a date has fixed what it carries on from, an earlier one that never ran is refused."""
    later_date = await store.start(scope_of(tenant, TUESDAY))
    await store.progress.fix_predecessor(later_date)

    with pytest.raises(ReconciliationError) as refused:
        await store.start(scope_of(tenant, MONDAY))

    assert refused.value.reason == "BUSINESS_DATE_OUT_OF_ORDER"


async def test_a_date_waits_for_the_one_before(store: Store, tenant: str) -> None:
    """The predecessor is the last complete result; an earlier date that works comes first."""
    monday = await store.start(scope_of(tenant, MONDAY))
    tuesday = await store.start(scope_of(tenant, TUESDAY))

    working = await store.progress.fix_predecessor(tuesday)
    await store.cut(monday)
    await store.publish(monday)
    fixed = await store.progress.fix_predecessor(tuesday)

    assert isinstance(working, Run)
    assert working.run_id == monday.run_id
    assert isinstance(fixed, Predecessor)
    assert fixed.run_id == monday.run_id
    assert fixed.last_batch_number == 1


async def test_a_rerun_that_began_late_makes_its_successor_stale(
    store: Store, reader: PostgresReader, tenant: str
) -> None:
    """A run whose predecessor is replaced while it works is stale from its publication on."""
    await store.run(scope_of(tenant, MONDAY))
    tuesday = await store.start(scope_of(tenant, TUESDAY))
    await store.cut(tuesday)
    rerun = await store.start(scope_of(tenant, MONDAY), rerun_reason="again")
    await store.cut(rerun)
    await store.publish(rerun)

    has_stale = await store.publish(tuesday)
    following = await store.claims.claim_stale(tuesday, str(uuid4()), later())

    run = await reader.run(tenant, tuesday.run_id)
    assert run is not None
    assert run.stale
    assert has_stale
    assert following is not None
    assert following.business_date == TUESDAY
    assert await store.claims.claim_stale(tuesday, str(uuid4()), later()) is None


async def test_lists_are_in_order_and_whole(
    store: Store, reader: PostgresReader, tenant: str
) -> None:
    """Pages of runs and of breaks, put together, are all of them, in the order that is promised."""
    plans: list[RunPlan] = [
        await store.run(
            scope_of(tenant, MONDAY + timedelta(days=number)),
            [some_break(one) for one in range(4)],
        )
        for number in range(3)
    ]
    dry = await store.run(scope_of(tenant), [some_break(9)], mode=RunMode.DRY_RUN)

    runs: list[Run] = []
    while page := await reader.runs(
        tenant,
        RunFilter(),
        RunPosition.of(runs[-1]) if runs else None,
        2,
    ):
        runs += page
    by_date = await reader.breaks(tenant, BreakFilter(business_date=MONDAY), None, 100)
    last = await reader.breaks(tenant, BreakFilter(), None, 100)
    rest = await reader.breaks(tenant, BreakFilter(), last[1].position, 100)

    dates = [run.business_date for run in runs]
    assert dates == sorted(dates, reverse=True)
    assert {run.run_id for run in runs} == {plan.run_id for plan in [*plans, dry]}
    assert {view.run.run_id for view in by_date} == {plans[0].run_id}
    assert {view.run.run_id for view in last} == {plans[2].run_id}
    assert [view.found.first_date for view in last] == sorted(
        view.found.first_date for view in last
    )
    assert rest == last[2:]
