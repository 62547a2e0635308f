"""Starts and wakes the workflows of withdrawals. Implements `Workflows`."""

from datetime import timedelta

import structlog
from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from services.psp_gateway.application.withdrawal_ports import WorkflowsUnavailableError
from services.psp_gateway.workflows.models import TASK_QUEUE, WithdrawalRef
from services.psp_gateway.workflows.withdrawal import WithdrawalWorkflow

_START_TIMEOUT = timedelta(seconds=10)
# Whoever brings a fact waits for this; a workflow that was not woken looks by itself.
_WAKE_TIMEOUT = timedelta(seconds=2)

log = structlog.get_logger("vezne.workflows")


class TemporalWorkflows:
    """Starts and wakes workflows."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, tenant_id: str, withdrawal_id: str) -> None:
        of = WithdrawalRef(tenant_id=tenant_id, withdrawal_id=withdrawal_id)
        try:
            await self._client.start_workflow(
                WithdrawalWorkflow.run,
                of,
                id=of.workflow_id,
                task_queue=TASK_QUEUE,
                # One at a time, and any number after one another: the row is the truth.
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=f"{tenant_id}: withdrawal {withdrawal_id}",
                rpc_timeout=_START_TIMEOUT,
            )
        except (RPCError, RuntimeError) as error:
            # A lazy client says with a RuntimeError that it cannot connect.
            raise WorkflowsUnavailableError(str(error)) from error

    async def wake(self, tenant_id: str, withdrawal_id: str) -> None:
        of = WithdrawalRef(tenant_id=tenant_id, withdrawal_id=withdrawal_id)
        if activity.in_activity() and activity.info().workflow_id == of.workflow_id:
            # Its own activity brought the news, and answers with it.
            return
        handle = self._client.get_workflow_handle_for(WithdrawalWorkflow.run, of.workflow_id)
        try:
            await handle.signal(WithdrawalWorkflow.something_happened, rpc_timeout=_WAKE_TIMEOUT)
        except (RPCError, RuntimeError) as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                # It has ended: what happens afterwards needs nobody to wait for it.
                return
            log.warning("workflow_not_woken", withdrawal_id=withdrawal_id, error=str(error))
