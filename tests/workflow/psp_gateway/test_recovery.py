"""Nothing is lost with a process, a workflow, or Temporal itself: others go on from the rows."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client, Schedule, ScheduleOverlapPolicy

from services.local.databases import Databases
from services.psp_gateway.adapters.temporal.janitor_schedule import SCHEDULE_ID, schedule_janitor
from services.psp_gateway.adapters.temporal.workflows import TemporalWorkflows
from services.psp_gateway.application.withdrawal_ports import WorkflowsUnavailableError
from tests.fakes.temporal_desk import TemporalDesk, running_desk
from tests.fakes.temporal_server import TemporalServer
from tests.fakes.withdrawal_desk import AUTOMATIC

ROOT = Path(__file__).resolve().parents[3]


class _WakesOnly(TemporalWorkflows):
    """Finds no Temporal whenever a workflow is to be started."""

    async def start(self, tenant_id: str, withdrawal_id: str) -> None:
        raise WorkflowsUnavailableError(f"{tenant_id}, {withdrawal_id}")


@pytest.fixture(scope="module")
async def idle_desk(
    databases: Databases, temporal: TemporalServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TemporalDesk]:
    """A gateway that stores withdrawals, cannot start workflows, and has no worker here."""
    async with running_desk(
        databases,
        tmp_path_factory.mktemp("gateway"),
        "acme",
        temporal,
        temporal.client,
        workflows=_WakesOnly(temporal.client),
        works=False,
    ) as running:
        yield running


@asynccontextmanager
async def worker_process(desk: TemporalDesk, databases: Databases) -> AsyncIterator[Process]:
    """Run the real worker in a process of its own, until the block is left."""
    settings, prefix = desk.stack.settings, "VEZNE_PSP_GATEWAY_"
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
        "TEMPORAL_ADDRESS": desk.temporal.address,
        f"{prefix}DATABASE__URL": databases.url("psp_gateway"),
        f"{prefix}LEDGER__TARGET": f"127.0.0.1:{desk.stack.ledger.port}",
        f"{prefix}PROVIDER_ACCOUNTS_FILE": str(settings.provider_accounts_file),
        f"{prefix}INBOX_KEY_FILE": str(settings.inbox_key_file),
        f"{prefix}APPROVAL_RULES_FILE": str(settings.approval_rules_file),
        f"{prefix}JANITOR_EVERY_S": "1",
        f"{prefix}WORKER__HEALTH_PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from services.psp_gateway.worker import main; main()",
        cwd=ROOT,
        env=environment,
        stderr=PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            while b"working" not in await process.stderr.readline():
                assert process.returncode is None
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.communicate()


async def test_a_killed_worker_s_withdrawal_is_gone_on_with_by_another(
    idle_desk: TemporalDesk, databases: Databases
) -> None:
    """Killed in the middle of its call, it leaves an attempt; another sends the same once more.

    The workflow had not been started when the request was answered: the janitor's schedule did it.
    """
    desk = idle_desk
    await desk.fund("p1", 10_000)
    async with worker_process(desk, databases) as first:
        withdrawal_id = await desk.withdraw("p1", AUTOMATIC, words=["timeout_before"])
        assert await desk.state(withdrawal_id) == "REQUESTED"
        await desk.forget_workflows()
        await desk.until(withdrawal_id, "SUBMITTING")
        # It is booked, so the call is under way: the provider lets it hang.
        first.kill()
        await first.wait()
    left = await desk.get(withdrawal_id)
    assert (await desk.state(withdrawal_id), len(left.attempts)) == ("SUBMITTING", 1)

    async with worker_process(desk, databases):
        assert await desk.ended(withdrawal_id, within_s=90) == "PAID"

    paid = await desk.until(withdrawal_id, "PAID")
    assert [attempt.reference for attempt in paid.attempts] == [left.attempts[0].reference]
    assert await desk.stack.cash("p1") == 10_000 - AUTOMATIC
    await desk.in_the_books()


async def test_the_janitors_schedule_is_made_once_and_kept_as_people_left_it(
    temporal: TemporalServer,
) -> None:
    """Any worker may make it, at any time; a change of the settings is taken over, a pause kept."""
    handle = temporal.client.get_schedule_handle(SCHEDULE_ID)

    async def until(holds: Callable[[Schedule], bool]) -> Schedule:
        # What is asked of a schedule is done a moment later, in no order.
        async with asyncio.timeout(20):
            while not holds(found := (await handle.describe()).schedule):
                await asyncio.sleep(0.02)
        return found

    def every(seconds: int) -> Callable[[Schedule], bool]:
        wanted = [timedelta(seconds=seconds)]
        return lambda found: [one.every for one in found.spec.intervals] == wanted

    await schedule_janitor(temporal.client, timedelta(seconds=30))
    await until(every(30))
    await handle.pause(note="an operator's wish")
    await until(lambda found: found.state.paused)

    await schedule_janitor(temporal.client, timedelta(seconds=20))

    found = await until(every(20))
    assert found.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert found.state.paused


async def test_without_temporal_a_start_fails_and_a_wake_does_not() -> None:
    """Whoever stores a withdrawal hears of it; whoever brings a fact is not held up by it."""
    lost = TemporalWorkflows(await Client.connect("127.0.0.1:1", lazy=True))

    with pytest.raises(WorkflowsUnavailableError):
        await lost.start("acme", "w-1")
    await lost.wake("acme", "w-1")
