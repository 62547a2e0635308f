"""How a run moves on, on PostgreSQL. Implements `RunProgress`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import Text

from services.kernel.invariant import present
from services.reconciliation.adapters.postgres import rows
from services.reconciliation.adapters.postgres.claims import RESTORE, drop_drafts, of_scope
from services.reconciliation.adapters.postgres.unit import lock_account, store_unit
from services.reconciliation.application.ports import ClaimLostError
from services.reconciliation.domain.breaks import Break
from services.reconciliation.domain.runs import (
    Predecessor,
    Run,
    RunCut,
    RunMode,
    RunPhase,
    RunPlan,
)
from services.reconciliation.domain.statement import Statement
from services.reconciliation.domain.steps import Proven, Published
from services.reconciliation.domain.verdict import Verdict

_BEGIN = """
UPDATE reconciliation.runs
SET first_execution_run_id = :execution, update_time = :now
WHERE tenant_id = :tenant AND run_id = :run_id AND state = 'RUNNING'
    AND first_execution_run_id IN ('', :execution)
RETURNING run_id
"""

_START_PHASE = """
INSERT INTO reconciliation.phases (tenant_id, run_id, phase, start_time, detail)
VALUES (:tenant, :run_id, :phase, :now, :detail)
ON CONFLICT (tenant_id, run_id, phase) DO UPDATE SET detail = excluded.detail
WHERE phases.end_time IS NULL AND excluded.detail NOT IN ('', phases.detail)
RETURNING phase
"""

_END_PHASE = """
UPDATE reconciliation.phases SET end_time = :now, detail = :detail
WHERE tenant_id = :tenant AND run_id = :run_id AND phase = :phase AND end_time IS NULL
RETURNING phase
"""

_TOUCH = """
UPDATE reconciliation.runs SET update_time = :now
WHERE tenant_id = :tenant AND run_id = :run_id AND state = 'RUNNING'
"""

_ONE = "SELECT * FROM reconciliation.runs WHERE tenant_id = :tenant AND run_id = :run_id"

_EARLIER_AT_WORK = """
SELECT * FROM reconciliation.runs
WHERE tenant_id = :tenant AND provider = :provider AND provider_account = :provider_account
    AND business_date < :business_date AND mode = 'COMMIT' AND state = 'RUNNING'
ORDER BY business_date DESC LIMIT 1
"""

_LAST_COMPLETE = """
SELECT run_id FROM reconciliation.runs
WHERE tenant_id = :tenant AND provider = :provider AND provider_account = :provider_account
    AND business_date < :business_date AND mode = 'COMMIT' AND state = 'PUBLISHED'
    AND verdict <> 'INCOMPLETE'
ORDER BY business_date DESC LIMIT 1
"""

_FIX = """
UPDATE reconciliation.runs SET ordered = true, predecessor_run_id = :predecessor
WHERE tenant_id = :tenant AND run_id = :run_id AND state = 'RUNNING'
"""

_PREDECESSOR = """
SELECT runs.run_id, runs.business_date, runs.manifest_sha256, cuts.*
FROM reconciliation.runs JOIN reconciliation.cuts USING (tenant_id, run_id)
WHERE tenant_id = :tenant AND run_id = :run_id
"""

_CUT = "SELECT * FROM reconciliation.cuts WHERE tenant_id = :tenant AND run_id = :run_id"

_EARLIER_CUT = """
SELECT cuts.* FROM reconciliation.cuts JOIN reconciliation.runs USING (tenant_id, run_id)
WHERE tenant_id = :tenant AND provider = :provider AND provider_account = :provider_account
    AND business_date = :business_date AND mode = 'COMMIT' AND state = 'PUBLISHED'
    AND verdict <> 'INCOMPLETE'
"""

_STORE_CUT = """
INSERT INTO reconciliation.cuts (
    tenant_id, run_id, ledger_after_sequence, ledger_through_sequence, gateway_after_sequence,
    gateway_through_sequence, reports, accounts, rules_version, rules_sha256, predecessor_run_id,
    predecessor_date, predecessor_manifest_sha256, resolve_time
) VALUES (
    :tenant, :run_id, :ledger_after_sequence, :ledger_through_sequence, :gateway_after_sequence,
    :gateway_through_sequence, CAST(:reports AS jsonb), CAST(:accounts AS jsonb), :rules_version,
    :rules_sha256, :predecessor_run_id, :predecessor_date, :predecessor_manifest_sha256,
    :resolve_time
) ON CONFLICT (tenant_id, run_id) DO NOTHING
"""

_LOCK_WORKING = """
SELECT 1 FROM reconciliation.runs
WHERE tenant_id = :tenant AND run_id = :run_id AND state = 'RUNNING' FOR UPDATE
"""

_STORE_STATEMENT = """
INSERT INTO reconciliation.statements (tenant_id, run_id, content, markdown)
VALUES (:tenant, :run_id, CAST(:content AS jsonb), :markdown)
"""

_SUPERSEDE = """
UPDATE reconciliation.runs
SET state = 'SUPERSEDED', superseded_by_run_id = :run_id, stale = false, update_time = :now
WHERE tenant_id = :tenant AND provider = :provider AND provider_account = :provider_account
    AND business_date = :business_date AND mode = 'COMMIT' AND state = 'PUBLISHED'
    AND verdict <> 'INCOMPLETE' AND run_id <> :run_id
RETURNING run_id
"""

_MARK_LATER = """
UPDATE reconciliation.runs SET stale = true, update_time = :now
WHERE tenant_id = :tenant AND provider = :provider AND provider_account = :provider_account
    AND business_date > :business_date AND mode = 'COMMIT' AND state = 'PUBLISHED'
    AND verdict <> 'INCOMPLETE'
"""

# Whoever was replaced while this run worked made its opening rows out of date.
_PUBLISH = """
UPDATE reconciliation.runs AS own
SET state = 'PUBLISHED', verdict = :verdict, incomplete_reasons = :reasons,
    counts = CAST(:counts AS jsonb), manifest_sha256 = :manifest, alerts_held = :alerts_held,
    publish_time = :now, update_time = :now,
    claims = own.mode = 'COMMIT' AND :verdict <> 'INCOMPLETE',
    stale = own.mode = 'COMMIT' AND :verdict <> 'INCOMPLETE' AND EXISTS (
        SELECT FROM reconciliation.runs AS before
        WHERE before.tenant_id = own.tenant_id AND before.run_id = own.predecessor_run_id
            AND before.state <> 'PUBLISHED'
    )
WHERE tenant_id = :tenant AND run_id = :run_id AND state = 'RUNNING'
RETURNING run_id
"""

_ANY_STALE = """
SELECT EXISTS (
    SELECT FROM reconciliation.runs
    WHERE tenant_id = :tenant AND provider = :provider AND provider_account = :provider_account
        AND stale AND claims
)
"""


class PostgresProgress:
    """Keeps how far runs have come."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def begin(self, plan: RunPlan, first_execution_run_id: str, now: datetime) -> None:
        async with store_unit(self._engine) as work:
            begun = await work.connection.scalar(
                text(_BEGIN), {**_of(plan), "execution": first_execution_run_id, "now": now}
            )
            if begun is None:
                raise ClaimLostError
            await work.commit()

    async def start_phase(self, plan: RunPlan, phase: RunPhase, detail: str, now: datetime) -> None:
        await self._note(_START_PHASE, plan, phase, detail, now)

    async def end_phase(self, plan: RunPlan, phase: RunPhase, detail: str, now: datetime) -> None:
        await self._note(_END_PHASE, plan, phase, detail, now)

    async def _note(
        self, sql: str, plan: RunPlan, phase: RunPhase, detail: str, now: datetime
    ) -> None:
        parameters = {**_of(plan), "phase": phase.value, "detail": detail, "now": now}
        async with store_unit(self._engine) as work:
            changed = await work.connection.scalar(text(sql), parameters)
            if changed is None:
                # Whoever watches the run is told of changes, not of every look at the clock.
                return
            await work.connection.execute(text(_TOUCH), {**_of(plan), "now": now})
            await work.commit()

    async def fix_predecessor(self, plan: RunPlan) -> Run | Predecessor | None:
        async with store_unit(self._engine) as work:
            connection = work.connection
            await lock_account(connection, plan.scope)
            own = (await connection.execute(text(_ONE), _of(plan))).one()
            predecessor_id: UUID | None = own.predecessor_run_id
            if not own.ordered:
                if plan.mode is RunMode.COMMIT:
                    earlier = await connection.execute(text(_EARLIER_AT_WORK), of_scope(plan.scope))
                    if (row := earlier.first()) is not None:
                        return rows.run(row)
                predecessor_id = await connection.scalar(text(_LAST_COMPLETE), of_scope(plan.scope))
                await connection.execute(text(_FIX), {**_of(plan), "predecessor": predecessor_id})
            found = await _predecessor(connection, plan.tenant_id, predecessor_id)
            await work.commit()
        return found

    async def cut(self, plan: RunPlan) -> RunCut | None:
        async with store_unit(self._engine) as work:
            return await _cut(work.connection, plan)

    async def earlier_cut(self, plan: RunPlan) -> RunCut | None:
        if plan.mode is not RunMode.COMMIT:
            return None
        async with store_unit(self._engine) as work:
            row = (await work.connection.execute(text(_EARLIER_CUT), of_scope(plan.scope))).first()
        return None if row is None else rows.cut(row)

    async def store_cut(self, plan: RunPlan, cut: RunCut) -> RunCut:
        async with store_unit(self._engine) as work:
            await work.connection.execute(text(_STORE_CUT), {**_of(plan), **rows.cut_values(cut)})
            stored = await _cut(work.connection, plan)
            await work.commit()
        return present(stored, "a cut that is stored is there")

    async def store_drafts(
        self,
        plan: RunPlan,
        statement: Statement,
        markdown: str,
        breaks: AsyncIterator[Sequence[Break]],
    ) -> None:
        async with store_unit(self._engine) as work:
            connection = work.connection
            if await connection.scalar(text(_LOCK_WORKING), _of(plan)) is None:
                if await _is_published(connection, plan):
                    return
                raise ClaimLostError
            await drop_drafts(connection, plan.tenant_id, plan.run_id)
            await connection.execute(
                text(_STORE_STATEMENT),
                {
                    **_of(plan),
                    "content": rows.dumped(rows.STATEMENT, statement),
                    "markdown": markdown,
                },
            )
            driver = await work.driver()
            async for page in breaks:
                await driver.copy_records_to_table(
                    "breaks",
                    schema_name="reconciliation",
                    columns=rows.BREAK_COLUMNS,
                    records=[
                        rows.break_values(plan.tenant_id, plan.run_id, found) for found in page
                    ],
                )
            await work.commit()

    async def publish(
        self, plan: RunPlan, published: Published, proven: Proven | None, now: datetime
    ) -> bool:
        scope = {**_of(plan), **of_scope(plan.scope), "now": now}
        counts = rows.dumped(rows.COUNTS, proven.counts) if proven else None
        async with store_unit(self._engine) as work:
            connection = work.connection
            await lock_account(connection, plan.scope)
            complete = published.verdict is not Verdict.INCOMPLETE
            if await connection.scalar(text(_LOCK_WORKING), _of(plan)) is None:
                # A repetition finds what its first try made visible.
                if await _is_published(connection, plan):
                    return bool(await connection.scalar(text(_ANY_STALE), scope))
                raise ClaimLostError
            if plan.mode is RunMode.COMMIT and complete:
                await _replace(connection, scope)
            await connection.execute(
                text(_PUBLISH).bindparams(bindparam("reasons", type_=ARRAY(Text))),
                {
                    **_of(plan),
                    "verdict": published.verdict.value,
                    "reasons": [reason.value for reason in published.incomplete_reasons],
                    "counts": counts,
                    "manifest": published.manifest_sha256 or None,
                    "alerts_held": published.alerts_held,
                    "now": now,
                },
            )
            if plan.mode is RunMode.COMMIT and not complete:
                await connection.execute(text(RESTORE), scope)
            stale = bool(await connection.scalar(text(_ANY_STALE), scope))
            await work.commit()
        return stale


async def _replace(connection: AsyncConnection, scope: Mapping[str, object]) -> None:
    """Put a result in the place of the one that its date had; later dates carried on from that."""
    if await connection.scalar(text(_SUPERSEDE), scope) is not None:
        await connection.execute(text(_MARK_LATER), scope)


def _of(plan: RunPlan) -> dict[str, object]:
    return {"tenant": plan.tenant_id, "run_id": plan.run_id}


async def _cut(connection: AsyncConnection, plan: RunPlan) -> RunCut | None:
    row = (await connection.execute(text(_CUT), _of(plan))).first()
    return None if row is None else rows.cut(row)


async def _is_published(connection: AsyncConnection, plan: RunPlan) -> bool:
    own = (await connection.execute(text(_ONE), _of(plan))).one()
    return own.publish_time is not None


async def _predecessor(
    connection: AsyncConnection, tenant_id: str, run_id: UUID | None
) -> Predecessor | None:
    if run_id is None:
        return None
    row = (
        await connection.execute(text(_PREDECESSOR), {"tenant": tenant_id, "run_id": run_id})
    ).one()
    cut = rows.cut(row)
    return Predecessor(
        run_id=str(row.run_id),
        business_date=row.business_date,
        manifest_sha256=row.manifest_sha256,
        ledger_through=cut.ledger.through,
        gateway_through=cut.gateway.through,
        last_batch_number=cut.reports[-1].batch_number,
    )
