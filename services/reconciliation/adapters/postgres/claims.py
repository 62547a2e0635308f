"""Claims of dates on PostgreSQL: a partial unique index is the guard. Implements `RunClaims`."""

import hashlib
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.reconciliation.adapters.postgres import rows
from services.reconciliation.adapters.postgres.unit import lock_account, store_unit
from services.reconciliation.application.ports import Claimed
from services.reconciliation.domain.inputs import RunScope
from services.reconciliation.domain.reasons import Reason, ReconciliationError
from services.reconciliation.domain.runs import (
    Run,
    RunMode,
    RunOutcome,
    RunPlan,
    RunRequest,
    RunState,
    RunTrigger,
    workflow_id,
)

_AFTER_INCOMPLETE = "The run before it ended without a complete result"

_OF_DATE = """
tenant_id = :tenant AND provider = :provider AND provider_account = :provider_account
    AND business_date = :business_date
"""

_ANSWERED = """
SELECT requests.outcome, requests.request_hash, runs.*
FROM reconciliation.requests
JOIN reconciliation.runs USING (tenant_id, run_id)
WHERE requests.tenant_id = :tenant AND requests.request_id = :request_id
"""

_RECORD = """
INSERT INTO reconciliation.requests
    (tenant_id, request_id, request_hash, outcome, run_id, create_time)
VALUES (:tenant, :request_id, :request_hash, :outcome, :run_id, :now)
ON CONFLICT (tenant_id, request_id) DO NOTHING
RETURNING run_id
"""

_HOLDER = f"SELECT * FROM reconciliation.runs WHERE {_OF_DATE} AND claims"  # noqa: S608 - ours.

# A run of a later date that is published, or has fixed its predecessor, reads what this date would.
_LATER = """
SELECT business_date FROM reconciliation.runs
WHERE tenant_id = :tenant AND provider = :provider AND provider_account = :provider_account
    AND business_date > :business_date AND mode = 'COMMIT'
    AND ((state = 'PUBLISHED' AND verdict <> 'INCOMPLETE') OR (claims AND ordered))
LIMIT 1
"""

_NUMBER = f"SELECT count(*) FROM reconciliation.runs WHERE {_OF_DATE} AND mode = :mode"  # noqa: S608 - ours.

_RELEASE = f"""
UPDATE reconciliation.runs SET claims = false WHERE {_OF_DATE} AND claims AND state = 'PUBLISHED'
"""  # noqa: S608 - text of ours.

_INSERT = """
INSERT INTO reconciliation.runs (
    tenant_id, run_id, provider, provider_account, business_date, mode, trigger, request_id,
    requested_by, rerun_number, rerun_reason, workflow_id, first_execution_run_id, state, claims,
    ordered, incomplete_reasons, failure_message, alerts_held, stale, create_time, update_time
) VALUES (
    :tenant, :run_id, :provider, :provider_account, :business_date, :mode, :trigger, :request_id,
    :requested_by, :rerun_number, :rerun_reason, :workflow_id, '', 'RUNNING', :claims,
    false, '{}', '', false, false, :now, :now
)
RETURNING *
"""

_NEXT_STALE = """
SELECT * FROM reconciliation.runs
WHERE tenant_id = :tenant AND provider = :provider AND provider_account = :provider_account
    AND stale AND claims AND state = 'PUBLISHED'
ORDER BY business_date LIMIT 1
"""

_AT_WORK = """
SELECT 1 FROM reconciliation.runs
WHERE tenant_id = :tenant AND provider = :provider AND provider_account = :provider_account
    AND trigger = 'STALE' AND state = 'RUNNING'
LIMIT 1
"""

_CLOSE = """
UPDATE reconciliation.runs
SET state = :state, failure_message = :message, claims = false, update_time = :now
WHERE tenant_id = :tenant AND run_id = :run_id AND state = 'RUNNING'
    AND first_execution_run_id IN ('', :execution)
RETURNING run_id
"""

# The result that a re-run was to replace claims its date again.
RESTORE = f"""
UPDATE reconciliation.runs SET claims = true
WHERE {_OF_DATE} AND mode = 'COMMIT' AND state = 'PUBLISHED' AND verdict <> 'INCOMPLETE'
"""  # noqa: S608 - text of ours.

_DROP_DRAFTS = (
    "DELETE FROM reconciliation.breaks WHERE tenant_id = :tenant AND run_id = :run_id",
    "DELETE FROM reconciliation.statements WHERE tenant_id = :tenant AND run_id = :run_id",
)
_MESSAGE_LENGTH_MAX = 512


def of_scope(scope: RunScope) -> dict[str, object]:
    """Return the parameters that name a provider account's date."""
    return {
        "tenant": scope.tenant_id,
        "provider": scope.provider,
        "provider_account": scope.provider_account,
        "business_date": scope.business_date,
    }


async def drop_drafts(connection: AsyncConnection, tenant_id: str, run_id: str) -> None:
    """Delete what a run has not published."""
    for statement in _DROP_DRAFTS:
        await connection.execute(text(statement), {"tenant": tenant_id, "run_id": run_id})


class PostgresClaims:
    """Keeps claims."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def answered(self, request: RunRequest) -> Claimed | None:
        async with store_unit(self._engine) as work:
            return await _answered(work.connection, request)

    async def claim(self, request: RunRequest, run_id: str, now: datetime) -> Claimed:
        async with store_unit(self._engine) as work:
            connection = work.connection
            await lock_account(connection, request.scope)
            answered = await _answered(connection, request)
            if answered is not None:
                return answered
            if request.mode is RunMode.COMMIT:
                found = await _holder(connection, request.scope)
                if found is not None and found.state is RunState.RUNNING:
                    return Claimed(found, RunOutcome.ALREADY_RUNNING)
                if found is not None and not request.rerun_reason:
                    return Claimed(found, RunOutcome.ALREADY_DONE)
                if found is None:
                    await _refuse_out_of_order(connection, request.scope)
                await connection.execute(text(_RELEASE), of_scope(request.scope))
            run = await _insert(connection, request, run_id, now)
            claimed = Claimed(run, RunOutcome.STARTED)
            await _record(connection, request, claimed, now)
            await work.commit()
        return claimed

    async def record(self, request: RunRequest, claimed: Claimed, now: datetime) -> Claimed:
        async with store_unit(self._engine) as work:
            await _record(work.connection, request, claimed, now)
            await work.commit()
        return claimed

    async def claim_stale(self, plan: RunPlan, run_id: str, now: datetime) -> Run | None:
        async with store_unit(self._engine) as work:
            connection = work.connection
            await lock_account(connection, plan.scope)
            if await connection.scalar(text(_AT_WORK), of_scope(plan.scope)):
                # That one claims the next when it is done.
                return None
            row = (await connection.execute(text(_NEXT_STALE), of_scope(plan.scope))).first()
            if row is None:
                return None
            request = RunRequest(
                scope=rows.run(row).scope,
                mode=RunMode.COMMIT,
                trigger=RunTrigger.STALE,
                request_id=f"stale:{run_id}",
                requested_by="",
                rerun_reason=f"{plan.business_date} was run again",
            )
            await connection.execute(text(_RELEASE), of_scope(request.scope))
            run = await _insert(connection, request, run_id, now)
            await work.commit()
        return run

    async def close(
        self, plan: RunPlan, execution: str, state: RunState, message: str, now: datetime
    ) -> None:
        async with store_unit(self._engine) as work:
            connection = work.connection
            await lock_account(connection, plan.scope)
            closed = await connection.scalar(
                text(_CLOSE),
                {
                    "tenant": plan.tenant_id,
                    "run_id": plan.run_id,
                    "execution": execution,
                    "state": state.value,
                    "message": message[:_MESSAGE_LENGTH_MAX],
                    "now": now,
                },
            )
            if closed is None:
                return
            await drop_drafts(connection, plan.tenant_id, plan.run_id)
            if plan.mode is RunMode.COMMIT:
                await connection.execute(text(RESTORE), of_scope(plan.scope))
            await work.commit()


async def _answered(connection: AsyncConnection, request: RunRequest) -> Claimed | None:
    row = (
        await connection.execute(
            text(_ANSWERED), {"tenant": request.scope.tenant_id, "request_id": request.request_id}
        )
    ).first()
    if row is None:
        return None
    if row.request_hash != request_hash(request):
        raise ReconciliationError(
            Reason.REQUEST_ID_REUSED,
            "The request id was used before with another body",
            request_id=request.request_id,
        )
    return Claimed(rows.run(row), RunOutcome(row.outcome), replayed=True)


async def _holder(connection: AsyncConnection, scope: RunScope) -> Run | None:
    row = (await connection.execute(text(_HOLDER), of_scope(scope))).first()
    return None if row is None else rows.run(row)


async def _refuse_out_of_order(connection: AsyncConnection, scope: RunScope) -> None:
    later = await connection.scalar(text(_LATER), of_scope(scope))
    if later is not None:
        raise ReconciliationError(
            Reason.BUSINESS_DATE_OUT_OF_ORDER,
            f"{scope.business_date} has no result and {later} has read what belongs to it",
            business_date=scope.business_date.isoformat(),
            later_business_date=later.isoformat(),
        )


async def _insert(
    connection: AsyncConnection, request: RunRequest, run_id: str, now: datetime
) -> Run:
    scope = request.scope
    number = await connection.scalar(text(_NUMBER), {**of_scope(scope), "mode": request.mode.value})
    reason = request.rerun_reason
    if number and not reason and request.mode is RunMode.COMMIT:
        reason = _AFTER_INCOMPLETE
    row = (
        await connection.execute(
            text(_INSERT),
            {
                **of_scope(scope),
                "run_id": run_id,
                "mode": request.mode.value,
                "trigger": request.trigger.value,
                "request_id": (request.request_id if request.trigger is RunTrigger.API else ""),
                "requested_by": request.requested_by,
                "rerun_number": number,
                "rerun_reason": reason if number else "",
                "workflow_id": workflow_id(scope, request.mode, number),
                "claims": request.mode is RunMode.COMMIT,
                "now": now,
            },
        )
    ).one()
    return rows.run(row)


async def _record(
    connection: AsyncConnection, request: RunRequest, claimed: Claimed, now: datetime
) -> None:
    await connection.execute(
        text(_RECORD),
        {
            "tenant": request.scope.tenant_id,
            "request_id": request.request_id,
            "request_hash": request_hash(request),
            "outcome": claimed.outcome.value,
            "run_id": claimed.run.run_id,
            "now": now,
        },
    )


def request_hash(request: RunRequest) -> bytes:
    """Return what tells two bodies of one request id apart."""
    scope = request.scope
    parts = (
        scope.provider,
        scope.provider_account,
        scope.business_date.isoformat(),
        request.mode,
        request.rerun_reason,
        request.requested_by,
    )
    return hashlib.sha256("\x1f".join(parts).encode()).digest()
