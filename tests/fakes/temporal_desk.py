"""A gateway whose withdrawals run on a real Temporal server, and what people do with them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from services.local.databases import Databases
from services.psp_gateway.adapters.providers.calling import CallLimits
from services.psp_gateway.adapters.temporal.workflows import TemporalWorkflows
from services.psp_gateway.application.withdrawal_ports import Workflows
from services.psp_gateway.domain.withdrawal_steps import Rhythm, WithdrawalTimes
from services.psp_gateway.worker import gateway_worker
from services.psp_gateway.workflows.models import PersonsDecision
from services.psp_gateway.workflows.withdrawal import WithdrawalWorkflow
from tests.fakes.gateway_server import Clock, running_stack
from tests.fakes.temporal_server import TemporalServer
from tests.fakes.withdrawal_desk import APPROVAL_RULES, Desk, PresentLedger

SILENT = WithdrawalTimes(ask=Rhythm(timedelta(hours=1), timedelta(hours=1)))
"""For tests in real time: nobody asks the provider, so only its webhooks tell."""

SELDOM = WithdrawalTimes(ask=Rhythm(timedelta(hours=6), timedelta(days=1)))
"""For tests that skip time: the server needs a second for each skip, however long."""


@dataclass(kw_only=True)
class TemporalDesk(Desk):
    """What a test of withdrawals talks to, and their workflows."""

    temporal: TemporalServer
    client: Client

    def workflow(self, withdrawal_id: str) -> "WorkflowHandle[WithdrawalWorkflow, str]":
        """Return the handle of its workflow."""
        workflow_id = f"withdrawal/{self.stack.tenant}/{withdrawal_id}"
        return self.client.get_workflow_handle_for(WithdrawalWorkflow.run, workflow_id)

    async def ended(self, withdrawal_id: str, within_s: float = 60) -> str:
        """Wait for the end of its workflow, and return the state in which that was."""
        async with asyncio.timeout(within_s):
            while True:
                try:
                    return await self.workflow(withdrawal_id).result()
                except RPCError as error:
                    # The answer to the request does not wait for the start.
                    if error.status is not RPCStatusCode.NOT_FOUND:
                        raise
                    await asyncio.sleep(0.02)

    async def decides(
        self, withdrawal_id: str, update: Any, person: str, decision_id: str, comment: str = ""
    ) -> str:
        """Let a person decide; return the state afterwards, or the reason of the refusal."""
        decision = PersonsDecision(decision_id=decision_id, decided_by=person, comment=comment)
        try:
            standing = await self.workflow(withdrawal_id).execute_update(update, decision)
        except WorkflowUpdateFailedError as error:
            cause: BaseException | None = error.cause
            while cause is not None and not isinstance(cause, ApplicationError):
                cause = cause.__cause__
            assert isinstance(cause, ApplicationError)
            return cause.type or ""
        return str(standing.state)


@asynccontextmanager
async def running_desk(
    databases: Databases,
    folder: Path,
    tenant: str,
    temporal: TemporalServer,
    client: Client,
    *,
    clock: Clock | None = None,
    times: WithdrawalTimes = SILENT,
    workflows: Workflows | None = None,
    works: bool = True,
) -> AsyncIterator[TemporalDesk]:
    """Run a gateway with a worker, unless it is not to work; workflows start through a client."""
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(
            running_stack(
                databases,
                folder,
                tenant,
                wrap_ledger=PresentLedger,
                limits=CallLimits(timeout_s=1.0, breaker_pause_s=0.2),
                clock=clock,
                workflows=workflows or TemporalWorkflows(client),
                times=times,
                approval_rules=APPROVAL_RULES,
            )
        )
        if works:
            worker: Worker = gateway_worker(client, running.gateway, 5)
            await stack.enter_async_context(worker)
        yield TemporalDesk(running, temporal=temporal, client=client)
