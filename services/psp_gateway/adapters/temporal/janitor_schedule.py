"""The schedule that runs the janitor."""

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError

from services.platform.temporal import TemporalUnavailableError
from services.psp_gateway.workflows.janitor import JanitorWorkflow
from services.psp_gateway.workflows.models import TASK_QUEUE

SCHEDULE_ID = "psp-gateway-janitor"
_RPC_TIMEOUT = timedelta(seconds=10)


async def schedule_janitor(client: Client, every: timedelta) -> None:
    """Create the schedule, or make it what it should be: any worker may do so, at any time.

    A person's pause of it is kept.

    Raises:
        TemporalUnavailableError: Temporal does not take it.
    """
    wanted = _schedule(every)
    try:
        await _create_or_update(client, wanted)
    except RPCError as error:
        raise TemporalUnavailableError(f"Temporal does not take {SCHEDULE_ID}: {error}") from error


async def _create_or_update(client: Client, wanted: Schedule) -> None:
    try:
        await client.create_schedule(SCHEDULE_ID, wanted, rpc_timeout=_RPC_TIMEOUT)
    except ScheduleAlreadyRunningError:

        def updated(found: ScheduleUpdateInput) -> ScheduleUpdate:
            wanted.state = found.description.schedule.state
            return ScheduleUpdate(wanted)

        handle = client.get_schedule_handle(SCHEDULE_ID)
        await handle.update(updated, rpc_timeout=_RPC_TIMEOUT)


def _schedule(every: timedelta) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            JanitorWorkflow.run,
            id="janitor",
            task_queue=TASK_QUEUE,
            static_summary="Takes up what a crash or a silent provider left",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        # A round that goes on is enough, and rounds that were missed need no making up.
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy.SKIP,
            catchup_window=timedelta(minutes=1),
            pause_on_failure=False,
        ),
    )
