"""Workflows that began under an earlier release go on under this one: committed histories replay.

To record the histories anew, on purpose, after a change that no running workflow can meet:

    VEZNE_RECORD_HISTORIES=1 python -m pytest tests/workflow/reconciliation/test_replay.py
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from services.kernel.errors import Category, DomainError
from services.reconciliation.domain.runs import RunPlan
from services.reconciliation.workflows.models import QUEUE, RECONCILE, REQUEST
from services.reconciliation.workflows.reconciling import ReconcileProviderAccount
from services.reconciliation.workflows.requesting import RequestReconciliation
from services.reconciliation.workflows.steps import LightSteps
from tests.fakes.recon_client import ask, run_day, wish
from tests.fakes.recon_world import MONDAY, World

FOLDER = Path(__file__).resolve().parents[1] / "histories"
WORKFLOWS = [ReconcileProviderAccount, RequestReconciliation]
COMMITTED = sorted(FOLDER.glob("*.json"))


def load(path: Path) -> WorkflowHistory:
    """Read a committed history."""
    return WorkflowHistory.from_json(path.stem, path.read_text("utf-8"))


def replayer(*workflows: type, **others: Any) -> Replayer:
    """A replayer as the worker would be."""
    return Replayer(
        workflows=workflows or WORKFLOWS, data_converter=pydantic_data_converter, **others
    )


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
async def test_a_committed_history_replays(path: Path) -> None:
    """This release takes the same decisions as the one that recorded the history."""
    await replayer().replay_workflow(load(path))


def test_every_path_has_a_history() -> None:
    """There is a committed history of every way that a workflow can go."""
    assert [path.stem for path in COMMITTED] == sorted(CASES)


@workflow.defn(name=RECONCILE)
class Changed:
    """A run that waits before it takes up its claim: another order of steps."""

    @workflow.run
    async def run(self, plan: RunPlan) -> None:
        """Wait first."""
        await workflow.execute_activity_method(
            LightSteps.wait_predecessor, plan, start_to_close_timeout=timedelta(minutes=1)
        )


async def test_a_changed_workflow_is_noticed() -> None:
    """A workflow that takes its steps in another order does not replay."""
    changed = replayer(Changed, workflow_runner=UnsandboxedWorkflowRunner())

    with pytest.raises(workflow.NondeterminismError):
        await changed.replay_workflow(load(FOLDER / "run_clean.json"))


async def clean(client: Client, world: World) -> str:
    """A run on which all agree."""
    await world.deposit(1)
    world.report(MONDAY)
    answer = await run_day(client, world)
    return str(answer["workflow_id"])


async def breaks(client: Client, world: World) -> str:
    """A run that finds breaks."""
    await world.deposit(1)
    await world.deposit(2, settled_minor=12_00)
    world.report(MONDAY)
    return str((await run_day(client, world))["workflow_id"])


async def outage(client: Client, world: World) -> str:
    """A run whose gateway is away again and again."""
    await world.deposit(1)
    world.report(MONDAY)
    world.gateway.fail_next = [
        DomainError("INTERNAL", Category.INTERNAL, "broken") for _ in range(4)
    ]
    return str((await run_day(client, world))["workflow_id"])


async def missing_report(client: Client, world: World) -> str:
    """A run whose report does not come."""
    await world.deposit(1)
    return str((await run_day(client, world))["workflow_id"])


async def not_booked(client: Client, world: World) -> str:
    """A run whose report is not booked in time."""
    await world.deposit(1)
    world.report(MONDAY, booked=False)
    return str((await run_day(client, world))["workflow_id"])


async def cancelled(client: Client, world: World) -> str:
    """A run that is cancelled while it waits."""
    answer = await ask(client, world)
    handle = client.get_workflow_handle(answer["workflow_id"])
    async with asyncio.timeout(10):
        while "wait_report" not in (await handle.fetch_history()).to_json():
            await asyncio.sleep(0.05)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    return str(answer["workflow_id"])


async def request(client: Client, world: World) -> str:
    """A request that starts a run."""
    await world.deposit(1)
    world.report(MONDAY)
    workflow_id = f"ask-{uuid4()}"
    answer = await client.execute_workflow(REQUEST, wish(world), id=workflow_id, task_queue=QUEUE)
    await client.get_workflow_handle(answer["workflow_id"]).result()
    return workflow_id


async def rejected(client: Client, world: World) -> str:
    """A request that misses a field."""
    given = wish(world)
    del given["provider"]
    handle = await client.start_workflow(REQUEST, given, id=f"ask-{uuid4()}", task_queue=QUEUE)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    return handle.id


CASES: dict[str, Callable[[Client, World], Awaitable[str]]] = {
    "run_clean": clean,
    "run_breaks": breaks,
    "run_outage": outage,
    "run_missing_report": missing_report,
    "run_not_booked": not_booked,
    "run_cancelled": cancelled,
    "request_started": request,
    "request_rejected": rejected,
}


@pytest.mark.parametrize("case", CASES)
async def test_a_fresh_history_replays(client: Client, world: World, case: str) -> None:
    """What a workflow did just now, it would do again: nothing in it depends on chance or time."""
    workflow_id = await CASES[case](client, world)

    history = await client.get_workflow_handle(workflow_id).fetch_history()
    await replayer().replay_workflow(history)

    if os.environ.get("VEZNE_RECORD_HISTORIES"):
        content = _anonymous(history.to_json_dict())
        (FOLDER / f"{case}.json").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def _anonymous(value: Any) -> Any:
    """Leave out what says on which machine it was recorded."""
    if isinstance(value, dict):
        return {
            name: "recorded" if name in {"identity", "stackTrace"} else _anonymous(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_anonymous(inner) for inner in value]
    return value
