"""A date is claimed once, whoever asks and however often; a claim that nobody works on falls."""

import asyncio
from datetime import timedelta

import grpc
import pytest
from temporalio.client import Client, WorkflowFailureError

from services.platform.errors import from_rpc_error
from tests.fakes.recon_client import ReconClient, ask, run_day
from tests.fakes.recon_world import MONDAY, World
from vezne.reconciliation.v1.run_pb2 import (
    RUN_MODE_DRY_RUN,
    RUN_STATE_CANCELLED,
    RUN_STATE_FAILED,
    RUN_STATE_PUBLISHED,
    RUN_STATE_SUPERSEDED,
    RUN_TRIGGER_STALE,
    Run,
)
from vezne.reconciliation.v1.run_service_pb2 import (
    RUN_OUTCOME_ALREADY_DONE,
    RUN_OUTCOME_ALREADY_RUNNING,
    RUN_OUTCOME_STARTED,
    ListRunsRequest,
)

TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)


async def runs_of(recon: ReconClient, world: World) -> list[Run]:
    """All runs of a world, the latest date first."""
    response = await recon.runs.ListRuns(ListRunsRequest(tenant_id=world.tenant_id))
    return list(response.runs)


async def test_three_at_once_are_one_run(client: Client, world: World, recon: ReconClient) -> None:
    """Of three requests at once one starts the run, and the others are told of it."""
    await world.deposit(1)

    answers = await asyncio.gather(*(ask(client, world) for _ in range(3)))

    assert sorted(answer["outcome"] for answer in answers) == [
        "ALREADY_RUNNING",
        "ALREADY_RUNNING",
        "STARTED",
    ]
    assert len({answer["run_id"] for answer in answers}) == 1
    assert len(await runs_of(recon, world)) == 1
    world.report(MONDAY)
    await client.get_workflow_handle(answers[0]["workflow_id"]).result()


async def test_a_date_that_is_done_stays_done(
    client: Client, world: World, recon: ReconClient
) -> None:
    """After a result, every way of asking answers ALREADY_DONE with the verdict and a link."""
    await world.deposit(1)
    world.report(MONDAY)
    first = await run_day(client, world)

    again = await ask(client, world)
    by_rpc = await recon.create(world)

    assert again["outcome"] == "ALREADY_DONE"
    assert again["run_id"] == first["run_id"]
    assert again["verdict"] == "RECONCILED"
    assert again["workflow_url"].startswith("http://127.0.0.1:8233/namespaces/default/workflows/")
    assert by_rpc.outcome == RUN_OUTCOME_ALREADY_DONE
    assert by_rpc.run.run_id == first["run_id"]


async def test_a_program_and_a_person_share_one_run(
    client: Client, world: World, recon: ReconClient
) -> None:
    """CreateRun and the UI meet in the same row; a repeated request id is answered as at first."""
    await world.deposit(1)

    created = await recon.create(world, request_id="nightly-1")
    asked = await ask(client, world)
    repeated = await recon.create(world, request_id="nightly-1")
    other = await recon.create(world)
    world.report(MONDAY)
    await client.get_workflow_handle(created.run.workflow_id).result()

    assert created.outcome == repeated.outcome == RUN_OUTCOME_STARTED
    assert (created.replayed, repeated.replayed) == (False, True)
    assert asked["outcome"] == "ALREADY_RUNNING"
    assert asked["run_id"] == created.run.run_id == repeated.run.run_id
    assert other.outcome == RUN_OUTCOME_ALREADY_RUNNING
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await recon.create(world, TUESDAY, request_id="nightly-1")
    assert from_rpc_error(refused.value).reason == "REQUEST_ID_REUSED"


async def test_a_claim_whose_workflow_is_gone_is_taken_over(
    client: Client, world: World, recon: ReconClient
) -> None:
    """After a termination, which tells nobody, the next request takes the date over."""
    await world.deposit(1)
    first = await ask(client, world)
    await recon.get_when(world, first["run_id"], lambda run: bool(run.first_execution_run_id))
    await client.get_workflow_handle(first["workflow_id"]).terminate("by hand")
    world.report(MONDAY)

    second = await run_day(client, world)
    left = await recon.get(world, first["run_id"])

    assert second["outcome"] == "STARTED"
    assert second["verdict"] == "RECONCILED"
    assert second["run_id"] != first["run_id"]
    assert left.state == RUN_STATE_FAILED
    assert left.failure_message == "Its workflow ended without telling how"


async def test_a_cancelled_run_frees_its_date(
    client: Client, world: World, recon: ReconClient
) -> None:
    """A run that is cancelled while it waits says so, and its date can be run again."""
    await world.deposit(1)
    first = await ask(client, world)
    await recon.get_when(world, first["run_id"], lambda run: bool(run.first_execution_run_id))
    handle = client.get_workflow_handle(first["workflow_id"])
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    world.report(MONDAY)

    second = await run_day(client, world)

    assert (await recon.get(world, first["run_id"])).state == RUN_STATE_CANCELLED
    assert second["verdict"] == "RECONCILED"


async def test_dates_run_in_order(client: Client, world: World, recon: ReconClient) -> None:
    """A date waits while the one before is at work, and carries on from its result."""
    await world.deposit(1)
    first = await ask(client, world)
    await recon.get_when(world, first["run_id"], lambda run: bool(run.first_execution_run_id))
    second = await ask(client, world, TUESDAY)
    world.report(MONDAY)
    await world.deposit(2)
    world.report(TUESDAY)

    result = await client.get_workflow_handle(second["workflow_id"]).result()
    run = await recon.get(world, second["run_id"])

    assert result["published"]["verdict"] == "RECONCILED"
    assert run.cut.predecessor_run_id == first["run_id"]


async def test_a_skipped_date_cannot_be_run_later(
    client: Client, world: World, recon: ReconClient
) -> None:
    """Once a later date has read what belongs to a date that never ran, that date is refused."""
    await world.deposit(1)
    world.report(MONDAY)
    world.report(TUESDAY)
    skipping = await run_day(client, world, TUESDAY)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await recon.create(world, MONDAY)

    assert skipping["verdict"] == "RECONCILED"
    assert from_rpc_error(refused.value).reason == "BUSINESS_DATE_OUT_OF_ORDER"


async def test_a_dry_run_stands_in_nobodys_way(
    client: Client, world: World, recon: ReconClient
) -> None:
    """Dry runs are always started and claim nothing; what they find is listed by their id only."""
    await world.deposit(1)
    await world.deposit(2, booked=False)
    world.report(MONDAY)
    dry = [await recon.create(world, mode=RUN_MODE_DRY_RUN) for _ in range(2)]
    for one in dry:
        await client.get_workflow_handle(one.run.workflow_id).result()

    answer = await run_day(client, world)

    assert [one.run.workflow_id.rpartition("/")[2] for one in dry] == ["dry-1", "dry-2"]
    assert [one.outcome for one in dry] == [RUN_OUTCOME_STARTED] * 2
    assert answer["outcome"] == "STARTED"
    assert {one.run_id for one in await recon.list_breaks(world)} == {answer["run_id"]}
    assert await recon.list_breaks(world, run_id=dry[0].run.run_id)


async def test_a_rerun_replaces_the_result_and_those_after_it(
    client: Client, world: World, recon: ReconClient
) -> None:
    """A re-run reads what its date had read and takes its place; the later dates follow."""
    for number, day in enumerate((MONDAY, TUESDAY, WEDNESDAY), start=1):
        await world.deposit(number)
        world.report(day)
        await run_day(client, world, day)
    before = await runs_of(recon, world)

    created = await recon.create(world, MONDAY, rerun_reason="the rules were wrong")
    await client.get_workflow_handle(created.run.workflow_id).result()
    async with asyncio.timeout(60):
        while any(run.stale or run.state == 1 for run in await runs_of(recon, world)):
            await asyncio.sleep(0.1)

    after = {run.run_id: run for run in await runs_of(recon, world)}
    old = [after[run.run_id] for run in before]
    new = sorted(
        (run for run in after.values() if run.run_id not in {run.run_id for run in before}),
        key=lambda run: run.business_date,
    )
    assert [run.state for run in old] == [RUN_STATE_SUPERSEDED] * 3
    assert [run.state for run in new] == [RUN_STATE_PUBLISHED] * 3
    assert [run.superseded_by_run_id for run in reversed(old)] == [run.run_id for run in new]
    assert [run.trigger for run in new[1:]] == [RUN_TRIGGER_STALE] * 2
    assert [run.cut.predecessor_run_id for run in new] == ["", new[0].run_id, new[1].run_id]
    for was, run in zip(reversed(old), new, strict=True):
        assert run.cut.ledger_through_sequence == was.cut.ledger_through_sequence
        assert run.manifest_sha256 == was.manifest_sha256
