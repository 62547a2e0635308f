"""Starting runs: whoever asks, and however often, a date is claimed once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.kernel.clock import Clock
from services.reconciliation.application.ports import Claimed, Gateway, RunClaims, Workflows
from services.reconciliation.domain.links import Links
from services.reconciliation.domain.reasons import Reason, ReconciliationError
from services.reconciliation.domain.runs import (
    Run,
    RunOutcome,
    RunPlan,
    RunRequest,
    RunState,
    Waits,
)

CLAIM_GRACE = timedelta(seconds=60)
"""How long a claim may be without a workflow: it is committed before the workflow is started."""
_TAKE_OVERS_MAX = 3
TAKEN_OVER = "Its workflow ended without telling how"


@dataclass(frozen=True, slots=True)
class StartRules:
    """What differs from one installation to another.

    Args:
        zone: in which business dates end.
        links: where people look at workflows.
        waits: how long a run waits for what it needs.
    """

    zone: ZoneInfo
    links: Links
    waits: Waits


class RunStarter:
    """Starts runs and finds those that there are."""

    def __init__(
        self,
        claims: RunClaims,
        gateway: Gateway,
        workflows: Workflows,
        clock: Clock,
        new_run_id: Callable[[datetime], str],
        rules: StartRules,
    ) -> None:
        self._claims = claims
        self._gateway = gateway
        self._workflows = workflows
        self._clock = clock
        self._new_run_id = new_run_id
        self._rules = rules

    async def create(self, request: RunRequest) -> Claimed:
        """Claim the date and start the run's workflow, or find the run that there is.

        Raises: as `claim`.
        """
        claimed = await self.claim(request)
        run = claimed.run
        if run.state is RunState.RUNNING and not run.first_execution_run_id:
            # Also where the run was found: the one who claimed it may have died before this line.
            await self._workflows.start(self.plan(run))
        return claimed

    async def claim(self, request: RunRequest) -> Claimed:
        """Claim the date, or find the run that holds it. A claim whose workflow is gone falls.

        Raises:
            ReconciliationError: TENANT_NOT_FOUND, REQUEST_ID_REUSED, PROVIDER_ACCOUNT_NOT_FOUND,
                BUSINESS_DATE_NOT_OVER, BUSINESS_DATE_OUT_OF_ORDER; UNAVAILABLE.
        """
        answered = await self._claims.answered(request)
        if answered is not None:
            return answered
        await self._gateway.check_provider_account(request.scope.account)
        self._refuse_unless_over(request)
        for _ in range(_TAKE_OVERS_MAX):
            now = self._clock()
            claimed = await self._claims.claim(request, self._new_run_id(now), now)
            if claimed.replayed or claimed.outcome is RunOutcome.STARTED:
                return claimed
            if not await self.is_abandoned(claimed.run):
                return await self._claims.record(request, claimed, self._clock())
            await self.give_up(claimed.run)
        raise ReconciliationError(
            Reason.UNAVAILABLE, "The date is claimed again and again by runs that do not work"
        )

    async def is_abandoned(self, run: Run) -> bool:
        """Return whether a run claims to work, and nobody does its work."""
        if run.has_ended:
            return False
        if not run.first_execution_run_id and self._clock() - run.create_time < CLAIM_GRACE:
            return False
        return not await self._workflows.is_open(run.workflow_id)

    async def give_up(self, run: Run) -> None:
        """End a run that nobody works on, so that its date is free."""
        await self._claims.close(
            self.plan(run), run.first_execution_run_id, RunState.FAILED, TAKEN_OVER, self._clock()
        )

    async def claim_stale(self, plan: RunPlan) -> RunPlan | None:
        """Claim the re-run of the account's earliest stale date; None if there is none to do."""
        now = self._clock()
        run = await self._claims.claim_stale(plan, self._new_run_id(now), now)
        return None if run is None else self.plan(run)

    def plan(self, run: Run) -> RunPlan:
        """Return what the workflow of a run is started with."""
        return run.plan(self._rules.links.to(run.workflow_id), self._rules.waits)

    def _refuse_unless_over(self, request: RunRequest) -> None:
        today = self._clock().astimezone(self._rules.zone).date()
        day = request.scope.business_date
        if day >= today:
            raise ReconciliationError(
                Reason.BUSINESS_DATE_NOT_OVER,
                f"{day} is not over in {self._rules.zone.key}, where it is {today}",
                business_date=day.isoformat(),
                zone=self._rules.zone.key,
            )
