"""The janitor's round, on a real Temporal server: one tenant's trouble is nobody else's."""

from collections.abc import Mapping, Sequence

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from services.psp_gateway.workflows.janitor import JanitorWorkflow
from tests.fakes.temporal_desk import TemporalDesk
from tests.fakes.temporal_server import TemporalServer

QUEUE = "janitor-test"


@activity.defn
async def list_tenants() -> Sequence[str]:
    """Three tenants."""
    return ["acme", "bolt", "crow"]


@activity.defn
async def take_up_leftovers(tenant_id: str) -> Mapping[str, int]:
    """Bolt's database is away; the others have something to do."""
    if tenant_id == "bolt":
        raise ApplicationError("The database is not there")
    return {"intents": 2, "reports": 0}


@activity.defn
async def attend_withdrawals(tenant_id: str) -> Mapping[str, int]:
    """One each."""
    attended.append(tenant_id)
    return {"withdrawals": 1}


attended: list[str] = []


async def test_a_tenant_s_trouble_keeps_no_other_waiting(temporal: TemporalServer) -> None:
    """Every job of every tenant is done; then the run fails, for somebody to see."""
    attended.clear()
    async with Worker(
        temporal.client,
        task_queue=QUEUE,
        workflows=[JanitorWorkflow],
        activities=[list_tenants, take_up_leftovers, attend_withdrawals],
    ):
        with pytest.raises(WorkflowFailureError) as error:
            await temporal.client.execute_workflow(
                JanitorWorkflow.run, id="round-1", task_queue=QUEUE
            )

    assert str(error.value.cause) == "1 of 6 jobs failed; the next round goes on"
    assert sorted(attended) == ["acme", "bolt", "crow"]


async def test_a_round_says_what_it_took_up(desk: TemporalDesk) -> None:
    """A round on a real gateway ends with what it found: here two withdrawals nobody looked at."""
    await desk.fund("p1", 70_000)
    for _ in range(2):
        withdrawal_id = await desk.withdraw("p1", 30_000)
        await desk.until_waiting(withdrawal_id, "APPROVALS")
    await desk.forget_workflows()

    found = await desk.client.execute_workflow(
        JanitorWorkflow.run, id="round-2", task_queue="psp-gateway"
    )

    assert found["withdrawals"] == 2
