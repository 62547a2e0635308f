"""Runs as people start them, from the request to the statement, on a real Temporal."""

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from services.reconciliation.workflows.models import QUEUE, REQUEST
from tests.fakes.recon_world import MONDAY, World


@pytest.fixture
def client(temporal: WorkflowEnvironment) -> Client:
    """A client of Temporal."""
    return temporal.client


async def request(client: Client, world: World, day: object = MONDAY, **others: object) -> dict:
    """Ask for a run as a person in the UI does, and return the answer."""
    return await client.execute_workflow(
        REQUEST,
        {
            "tenant_id": world.tenant_id,
            "provider": "mock",
            "provider_account": "main",
            "business_date": str(day),
            **others,
        },
        id=f"ask-{world.tenant_id}-{day}",
        task_queue=QUEUE,
    )


async def test_a_good_day_is_reconciled(client: Client, world: World) -> None:
    """A day on which all agree ends as RECONCILED, and its workflow shows the statement."""
    for number in range(1, 6):
        await world.deposit(number)
    world.report(MONDAY)

    answer = await request(client, world)
    ended = await client.get_workflow_handle(answer["workflow_id"]).result()

    assert answer["outcome"] == "STARTED"
    assert ended["published"]["verdict"] == "RECONCILED"
