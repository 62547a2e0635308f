"""The gateway worker's composition root: withdrawals and the janitor, as Temporal runs them."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from services.platform import database, temporal
from services.platform.process import run
from services.platform.temporal import WorkerProcess, serve_workers
from services.psp_gateway.activities.janitor import JanitorActivities
from services.psp_gateway.activities.withdrawals import WithdrawalActivities
from services.psp_gateway.adapters.temporal.janitor_schedule import schedule_janitor
from services.psp_gateway.adapters.temporal.workflows import TemporalWorkflows
from services.psp_gateway.settings import PspGatewaySettings
from services.psp_gateway.wiring import Gateway, open_gateway
from services.psp_gateway.workflows.janitor import JanitorWorkflow
from services.psp_gateway.workflows.models import TASK_QUEUE
from services.psp_gateway.workflows.withdrawal import WithdrawalWorkflow

CONCURRENT_ACTIVITIES_MAX = 100
CONCURRENT_WORKFLOW_TASKS_MAX = 100


def build(settings: PspGatewaySettings) -> Callable[[AsyncExitStack], Awaitable[WorkerProcess]]:
    """Return what builds the worker on a stack that closes what it opened."""

    async def built(stack: AsyncExitStack) -> WorkerProcess:
        client = await temporal.connect()
        gateway = await open_gateway(
            settings, stack, "vezne-psp-gateway-worker", workflows=TemporalWorkflows(client)
        )
        stack.push_async_callback(gateway.background.drain)
        await schedule_janitor(client, timedelta(seconds=settings.janitor_every_s))
        return WorkerProcess(
            name="psp_gateway",
            workers=[gateway_worker(client, gateway, settings.worker.drain_grace_s)],
            pings={
                "database": lambda: database.ping(gateway.engine),
                "temporal": lambda: temporal.ping(client),
            },
        )

    return built


def gateway_worker(client: Client, gateway: Gateway, drain_grace_s: float) -> Worker:
    """Return the worker of the gateway's task queue."""
    withdrawals = WithdrawalActivities(gateway.withdrawal_steps, gateway.clock)
    janitor = JanitorActivities(gateway.janitor, gateway.withdrawals, gateway.connections.tenants)
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[WithdrawalWorkflow, JanitorWorkflow],
        activities=[
            withdrawals.look_at_withdrawal,
            withdrawals.reserve_withdrawal,
            withdrawals.ask_withdrawal_rules,
            withdrawals.expire_withdrawal,
            withdrawals.submit_withdrawal,
            withdrawals.give_withdrawal_up,
            withdrawals.ask_provider,
            withdrawals.decide_withdrawal,
            janitor.list_tenants,
            janitor.take_up_leftovers,
            janitor.attend_withdrawals,
        ],
        max_concurrent_activities=CONCURRENT_ACTIVITIES_MAX,
        max_concurrent_workflow_tasks=CONCURRENT_WORKFLOW_TASKS_MAX,
        graceful_shutdown_timeout=timedelta(seconds=drain_grace_s),
    )


def main() -> None:
    """Run the gateway's worker: the command `vezne-psp-gateway-worker`."""
    run(
        "vezne-psp-gateway-worker",
        PspGatewaySettings,
        lambda settings: serve_workers(build(settings), settings.worker),
    )
