"""The composition root of reconciliation's worker: one queue for workflows, one for heavy steps."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

from temporalio.worker import Worker

from services.kernel.clock import utc_now
from services.platform import database, temporal
from services.platform.process import run
from services.platform.temporal import WorkerProcess, serve_workers
from services.reconciliation.activities.heavy import HeavyActivities
from services.reconciliation.activities.light import LightActivities
from services.reconciliation.adapters.duckdb.engine import EngineLimits
from services.reconciliation.adapters.object_store import FolderStore
from services.reconciliation.adapters.postgres.progress import PostgresProgress
from services.reconciliation.adapters.temporal import (
    SearchAttributesMissingError,
    check_search_attributes,
)
from services.reconciliation.adapters.workbench import DuckDbWorkbench
from services.reconciliation.application.comparing import RunComparing
from services.reconciliation.application.ports import UnavailableError
from services.reconciliation.application.waiting import RunWaiting
from services.reconciliation.domain.rules import Rules
from services.reconciliation.main import foundation
from services.reconciliation.settings import ReconciliationSettings
from services.reconciliation.workflows.models import HEAVY_QUEUE, QUEUE
from services.reconciliation.workflows.reconciling import ReconcileProviderAccount
from services.reconciliation.workflows.requesting import RequestReconciliation

_LIGHT_STEPS_MAX = 100


def build(
    settings: ReconciliationSettings,
) -> Callable[[AsyncExitStack], Awaitable[WorkerProcess]]:
    """Return what builds the workers on a stack that closes what it opened."""

    async def built(stack: AsyncExitStack) -> WorkerProcess:
        base = await foundation(settings, stack, lazy=False)
        await check_search_attributes(base.temporal)
        store = FolderStore(settings.object_store_url)
        store.remove_leftovers()
        rules = Rules()
        limits = EngineLimits(settings.engine_threads, settings.engine_memory_mb)
        progress = PostgresProgress(base.engine)
        comparing = RunComparing(
            progress,
            base.claims,
            base.ledger,
            base.gateway,
            DuckDbWorkbench(store, limits, rules),
            utc_now,
            settings.new_breaks_max,
        )
        waiting = RunWaiting(progress, base.starter, base.ledger, base.gateway, rules, utc_now)
        light = LightActivities(base.starter, waiting, comparing)
        heavy = HeavyActivities(comparing)
        grace = timedelta(seconds=settings.worker.drain_grace_s)
        return WorkerProcess(
            name="reconciliation",
            workers=[
                Worker(
                    base.temporal,
                    task_queue=QUEUE,
                    workflows=[RequestReconciliation, ReconcileProviderAccount],
                    activities=[
                        light.claim_run,
                        light.begin_run,
                        light.wait_predecessor,
                        light.wait_report,
                        light.wait_booking,
                        light.resolve_cut,
                        light.persist,
                        light.publish_nothing,
                        light.close_run,
                        light.notify,
                        light.claim_stale,
                    ],
                    max_concurrent_activities=_LIGHT_STEPS_MAX,
                    graceful_shutdown_timeout=grace,
                ),
                Worker(
                    base.temporal,
                    task_queue=HEAVY_QUEUE,
                    activities=[
                        heavy.stage_settlement,
                        heavy.stage_gateway,
                        heavy.stage_ledger,
                        heavy.match,
                        heavy.prove,
                    ],
                    max_concurrent_activities=settings.heavy_steps_max,
                    graceful_shutdown_timeout=grace,
                ),
            ],
            pings={
                "database": lambda: database.ping(base.engine),
                "temporal": lambda: temporal.ping(base.temporal),
            },
        )

    return built


def main() -> None:
    """Run the worker: the command `vezne-reconciliation-worker`."""
    run(
        "vezne-reconciliation-worker",
        ReconciliationSettings,
        lambda settings: serve_workers(build(settings), settings.worker),
        cannot_run=(
            temporal.TemporalUnavailableError,
            SearchAttributesMissingError,
            UnavailableError,
        ),
    )
