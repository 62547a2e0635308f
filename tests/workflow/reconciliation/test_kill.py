"""A worker that is ended by force, in the middle of a run, changes nothing of its result."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from services.reconciliation.adapters.temporal import (
    SearchAttributesMissingError,
    check_search_attributes,
)
from services.reconciliation.settings import ReconciliationSettings
from tests.fakes.recon_client import ReconClient
from tests.fakes.recon_world import MONDAY, Worlds

ROOT = Path(__file__).resolve().parents[3]


def environment(settings: ReconciliationSettings) -> dict[str, str]:
    """The settings as a process of its own is given them."""
    prefix = "VEZNE_RECONCILIATION_"
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}",
        f"{prefix}DATABASE__URL": settings.database.url.get_secret_value(),
        f"{prefix}LEDGER__TARGET": settings.ledger.target,
        f"{prefix}PSP_GATEWAY__TARGET": settings.psp_gateway.target,
        f"{prefix}OBJECT_STORE_URL": settings.object_store_url,
        f"{prefix}WORKER__HEALTH_PORT": "0",
    }


@contextmanager
def worker(settings: ReconciliationSettings) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the worker as a process, and end it by force."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from services.reconciliation.worker import main; main()"],
        env=environment(settings),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.timeout(180)
async def test_kill_9_ends_in_the_same_bytes(
    client: Client, stage: Worlds, recon: ReconClient
) -> None:
    """A worker is killed while it stages; another one ends the run, with the very same manifest."""
    world = await stage.new()
    for number in range(1, 30):
        settled_minor = None if number % 5 else 12_00
        await world.deposit(
            number,
            reported=bool(number % 7),
            booked=bool(number % 11),
            settled_minor=settled_minor,
        )
    world.report(MONDAY)
    world.gateway.hold_exports.clear()
    created = await recon.create(world)

    with worker(stage.settings):
        async with asyncio.timeout(60):
            await world.gateway.exporting.wait()
        unfinished = await recon.get(world, created.run.run_id)
    world.gateway.hold_exports.set()
    with worker(stage.settings):
        ended = await client.get_workflow_handle(created.run.workflow_id).result()
        rerun = await recon.create(world, rerun_reason="once more, and nobody is killed")
        again = await client.get_workflow_handle(rerun.run.workflow_id).result()

    assert not unfinished.HasField("publish_time")
    assert ended["published"]["verdict"] == "BREAKS"
    assert ended["published"]["manifest_sha256"] == again["published"]["manifest_sha256"]


async def test_a_worker_needs_its_search_attributes(temporal: WorkflowEnvironment) -> None:
    """Without the search attributes a worker refuses to run, and says which command makes them."""
    await temporal.client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace="bare", workflow_execution_retention_period={"seconds": 86_400}
        )
    )
    bare = await Client.connect(temporal.client.service_client.config.target_host, namespace="bare")

    async with asyncio.timeout(30):
        while True:
            with pytest.raises(Exception, match=r".") as refused:
                await check_search_attributes(bare)
            if isinstance(refused.value, SearchAttributesMissingError):
                break
            # A new namespace is known to all parts of the server a little later.
            await asyncio.sleep(0.2)

    assert (
        "temporal operator search-attribute create --namespace bare --name VezneTenant "
        "--type Keyword --name VezneProvider --type Keyword"
    ) in str(refused.value)
