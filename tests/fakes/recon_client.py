"""Short ways to ask for runs, as people and programs do."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import uuid4

import grpc
from temporalio.client import Client

from services.reconciliation.workflows.models import QUEUE, REQUEST
from tests.fakes.recon_world import MONDAY, World
from vezne.reconciliation.v1.break_pb2 import Break
from vezne.reconciliation.v1.break_service_pb2 import ListBreaksRequest
from vezne.reconciliation.v1.break_service_pb2_grpc import BreakServiceStub
from vezne.reconciliation.v1.run_pb2 import RUN_MODE_COMMIT, Run, RunMode
from vezne.reconciliation.v1.run_service_pb2 import (
    CreateRunRequest,
    CreateRunResponse,
    GetRunRequest,
)
from vezne.reconciliation.v1.run_service_pb2_grpc import RunServiceStub


def wish(world: World, day: date = MONDAY, **others: object) -> dict[str, object]:
    """The JSON object with which a person asks for a run."""
    return {
        "tenant_id": world.tenant_id,
        "provider": "mock",
        "provider_account": "main",
        "business_date": day.isoformat(),
        **others,
    }


async def ask(client: Client, world: World, day: date = MONDAY, **others: object) -> dict[str, Any]:
    """Ask for a run as a person does, and return the answer."""
    answer: dict[str, Any] = await client.execute_workflow(
        REQUEST, wish(world, day, **others), id=f"ask-{uuid4()}", task_queue=QUEUE
    )
    return answer


async def run_day(
    client: Client, world: World, day: date = MONDAY, **others: object
) -> dict[str, Any]:
    """Ask for a run and wait until it has ended; return the answer and its result."""
    answer = await ask(client, world, day, **others)
    result: dict[str, Any] = await client.get_workflow_handle(answer["workflow_id"]).result()
    return answer | result["published"]


@dataclass
class ReconClient:
    """The stubs of a running server, and short ways to call it."""

    channel: grpc.aio.Channel

    def __post_init__(self) -> None:
        self.runs = RunServiceStub(self.channel)
        self.breaks = BreakServiceStub(self.channel)

    async def create(
        self,
        world: World,
        day: date = MONDAY,
        *,
        request_id: str = "",
        mode: RunMode.ValueType = RUN_MODE_COMMIT,
        rerun_reason: str = "",
    ) -> CreateRunResponse:
        """Ask for a run."""
        response: CreateRunResponse = await self.runs.CreateRun(
            CreateRunRequest(
                tenant_id=world.tenant_id,
                request_id=request_id or str(uuid4()),
                provider="mock",
                provider_account="main",
                business_date=day.isoformat(),
                mode=mode,
                rerun_reason=rerun_reason,
            )
        )
        return response

    async def get(self, world: World, run_id: str) -> Run:
        """Read a run."""
        response = await self.runs.GetRun(GetRunRequest(tenant_id=world.tenant_id, run_id=run_id))
        run: Run = response.run
        return run

    async def get_when(self, world: World, run_id: str, holds: Callable[[Run], bool]) -> Run:
        """Read a run until something holds of it, for ten seconds at most."""
        async with asyncio.timeout(10):
            while True:
                run = await self.get(world, run_id)
                if holds(run):
                    return run
                await asyncio.sleep(0.05)

    async def list_breaks(self, world: World, **chosen: Any) -> list[Break]:
        """List breaks."""
        response = await self.breaks.ListBreaks(
            ListBreaksRequest(tenant_id=world.tenant_id, page_size=200, **chosen)
        )
        return list(response.breaks)
