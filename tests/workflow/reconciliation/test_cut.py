"""The cut: taken once the report is booked, and nothing that is committed later counts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from services.local.databases import Databases
from tests.fakes.recon_client import ReconClient, ask
from tests.fakes.recon_world import MONDAY, World, Worlds, worlds
from vezne.reconciliation.v1.run_pb2 import RunPhase


@pytest.fixture(scope="module")
async def stage(
    temporal: WorkflowEnvironment,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Worlds]:
    """Worlds, whose reconciliation waits for a booking as long as the tests need."""
    assert temporal.client
    folder: Path = tmp_path_factory.mktemp("objects")
    async with worlds(databases, folder, booking_wait_s=60) as made:
        yield made


async def test_the_cut_is_taken_after_the_booking(
    client: Client, world: World, recon: ReconClient
) -> None:
    """What is committed while the report is being booked is before the cut, on both sides."""
    await world.deposit(1)
    report = world.report(MONDAY, booked=False)
    answer = await ask(client, world)
    waiting = await recon.get_when(
        world, answer["run_id"], lambda run: any("lines are booked" in p.detail for p in run.phases)
    )
    await world.deposit(2)
    world.gateway.book(report.report_id, world.posted)

    result = await client.get_workflow_handle(answer["workflow_id"]).result()
    run = await recon.get(world, answer["run_id"])

    assert waiting.phases[-1].phase == RunPhase.RUN_PHASE_WAIT_BOOKING
    assert not waiting.HasField("cut")
    assert result["published"]["verdict"] == "RECONCILED_WITH_PENDING"
    assert run.cut.ledger_through_sequence == world.posted == 4
    assert run.cut.gateway_through_sequence == len(world.gateway.events) == 4


async def test_what_is_committed_after_the_cut_changes_nothing(
    client: Client, world: World, recon: ReconClient
) -> None:
    """Events and entries from after the cut are in no file of the run: a re-run is the same."""
    await world.deposit(1)
    world.report(MONDAY)
    world.gateway.hold_exports.clear()
    answer = await ask(client, world)
    await world.gateway.exporting.wait()
    await world.deposit(2)
    await world.deposit(3, known=False)
    world.gateway.happen("deposit-4", "expired")
    world.gateway.hold_exports.set()

    first = await client.get_workflow_handle(answer["workflow_id"]).result()
    rerun = await recon.create(world, rerun_reason="the books have moved on")
    second = await client.get_workflow_handle(rerun.run.workflow_id).result()
    runs = [await recon.get(world, run_id) for run_id in (answer["run_id"], rerun.run.run_id)]

    for result, run in zip((first, second), runs, strict=True):
        assert result["published"]["verdict"] == "RECONCILED"
        assert run.cut.ledger_through_sequence == 2
        assert run.cut.gateway_through_sequence == 2
        assert [side.scanned for side in run.counts.sides if side.side != 1] == [2, 2]
    assert first["published"]["manifest_sha256"] == second["published"]["manifest_sha256"]
