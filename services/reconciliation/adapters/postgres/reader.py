"""What people ask for, on PostgreSQL. Implements `RunReader`."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import Text, Uuid

from services.reconciliation.adapters.postgres import rows
from services.reconciliation.adapters.postgres.unit import store_unit
from services.reconciliation.application.questions import (
    BreakFilter,
    BreakPosition,
    BreakView,
    RunFilter,
    RunPosition,
)
from services.reconciliation.domain.runs import PhaseRecord, Run, RunCut
from services.reconciliation.domain.statement import Statement

_ONE = "SELECT * FROM reconciliation.runs WHERE tenant_id = :tenant AND run_id = :run_id"

_CUTS = """
SELECT * FROM reconciliation.cuts WHERE tenant_id = :tenant AND run_id = ANY(:run_ids)
"""

_PHASES = """
SELECT * FROM reconciliation.phases WHERE tenant_id = :tenant AND run_id = ANY(:run_ids)
ORDER BY start_time, phase
"""

_RUNS = """
SELECT * FROM reconciliation.runs
WHERE tenant_id = :tenant
    AND (:provider = '' OR provider = :provider)
    AND (:provider_account = '' OR provider_account = :provider_account)
    AND business_date BETWEEN :from_date AND :through_date
    AND (cardinality(:modes) = 0 OR mode = ANY(:modes))
    AND (cardinality(:triggers) = 0 OR trigger = ANY(:triggers))
    AND (cardinality(:states) = 0 OR state = ANY(:states))
    AND (cardinality(:verdicts) = 0 OR verdict = ANY(:verdicts))
    AND (NOT :stale_only OR stale)
    AND (business_date, run_id) < (:after_date, :after_id)
ORDER BY business_date DESC, run_id DESC
LIMIT :limit
"""

_STATEMENT = """
SELECT content, markdown
FROM reconciliation.statements JOIN reconciliation.runs USING (tenant_id, run_id)
WHERE tenant_id = :tenant AND run_id = :run_id AND publish_time IS NOT NULL
"""

# The runs whose breaks are asked for: one by its id, those of a date, or each account's last. A run
# that could read nothing would hide what its predecessor found.
_OF_RUN = "run_id = :run_id"
_OF_DATE = "business_date = :business_date AND mode = 'COMMIT' AND state = 'PUBLISHED'"
_LAST = """
run_id IN (
    SELECT DISTINCT ON (provider, provider_account) run_id
    FROM reconciliation.runs
    WHERE tenant_id = :tenant AND mode = 'COMMIT' AND state = 'PUBLISHED'
        AND manifest_sha256 IS NOT NULL
    ORDER BY provider, provider_account, business_date DESC, publish_time DESC
)
"""

_BREAKS = """
SELECT breaks.*
FROM reconciliation.breaks JOIN reconciliation.runs USING (tenant_id, run_id)
WHERE tenant_id = :tenant AND publish_time IS NOT NULL AND {found_by}
    AND (:provider = '' OR provider = :provider)
    AND (:provider_account = '' OR provider_account = :provider_account)
    AND (cardinality(:comparisons) = 0 OR comparison = ANY(:comparisons))
    AND (cardinality(:classes) = 0 OR break_class = ANY(:classes))
    AND (cardinality(:severities) = 0 OR severity = ANY(:severities))
    AND (cardinality(:lifecycles) = 0 OR lifecycle = ANY(:lifecycles))
    AND (NOT :open_only OR lifecycle <> 'RESOLVED')
    AND (:currency_code = '' OR currency_code = :currency_code)
    AND (:key = '' OR key = :key)
    AND (:break_id = '' OR break_id = :break_id)
    AND first_seen_date BETWEEN :from_first_seen AND :through_first_seen
    AND (severity_rank, first_seen_date, run_id, break_id)
        > (:after_rank, :after_date, :after_run_id, :after_break_id)
ORDER BY severity_rank, first_seen_date, run_id, break_id
LIMIT :limit
"""

_FIRST_ID, _LAST_ID = f"{0:032x}", "f" * 32


class PostgresReader:
    """Reads runs, statements and breaks; what is not published has neither of the latter."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, tenant_id: str, run_id: str) -> Run | None:
        async with store_unit(self._engine) as work:
            found = await work.connection.execute(
                text(_ONE), {"tenant": tenant_id, "run_id": run_id}
            )
            runs = await _whole(work.connection, tenant_id, found.all())
        return runs[0] if runs else None

    async def runs(
        self, tenant_id: str, chosen: RunFilter, after: RunPosition | None, limit: int
    ) -> Sequence[Run]:
        begin = after or RunPosition(date.max, _LAST_ID)
        async with store_unit(self._engine) as work:
            found = await work.connection.execute(
                text(_RUNS).bindparams(*_texts("modes", "triggers", "states", "verdicts")),
                {
                    "tenant": tenant_id,
                    "provider": chosen.provider,
                    "provider_account": chosen.provider_account,
                    "from_date": chosen.from_date or date.min,
                    "through_date": chosen.through_date or date.max,
                    "modes": list(chosen.modes),
                    "triggers": list(chosen.triggers),
                    "states": list(chosen.states),
                    "verdicts": list(chosen.verdicts),
                    "stale_only": chosen.stale_only,
                    "after_date": begin.business_date,
                    "after_id": begin.run_id,
                    "limit": limit,
                },
            )
            return await _whole(work.connection, tenant_id, found.all())

    async def statement(self, tenant_id: str, run_id: str) -> tuple[Statement, str] | None:
        async with store_unit(self._engine) as work:
            row = (
                await work.connection.execute(
                    text(_STATEMENT), {"tenant": tenant_id, "run_id": run_id}
                )
            ).first()
        return None if row is None else (rows.STATEMENT.validate_python(row.content), row.markdown)

    async def breaks(
        self, tenant_id: str, chosen: BreakFilter, after: BreakPosition | None, limit: int
    ) -> Sequence[BreakView]:
        found_by = _OF_RUN if chosen.run_id else _OF_DATE if chosen.business_date else _LAST
        begin = after or BreakPosition(-1, date.min, _FIRST_ID, "")
        async with store_unit(self._engine) as work:
            found = await work.connection.execute(
                text(_BREAKS.format(found_by=found_by)).bindparams(
                    *_texts("comparisons", "classes", "severities", "lifecycles")
                ),
                {
                    "tenant": tenant_id,
                    **({"run_id": chosen.run_id} if chosen.run_id else {}),
                    **({"business_date": chosen.business_date} if found_by == _OF_DATE else {}),
                    "provider": chosen.provider,
                    "provider_account": chosen.provider_account,
                    "comparisons": list(chosen.comparisons),
                    "classes": list(chosen.classes),
                    "severities": list(chosen.severities),
                    "lifecycles": list(chosen.lifecycles),
                    "open_only": chosen.open_only,
                    "currency_code": chosen.currency_code,
                    "key": chosen.key,
                    "break_id": chosen.break_id,
                    "from_first_seen": chosen.from_first_seen or date.min,
                    "through_first_seen": chosen.through_first_seen or date.max,
                    "after_rank": begin.severity_rank,
                    "after_date": begin.first_seen_date,
                    "after_run_id": begin.run_id,
                    "after_break_id": begin.break_id,
                    "limit": limit,
                },
            )
            found_rows = found.all()
            runs = await _runs_of(work.connection, tenant_id, found_rows)
        return [
            BreakView(
                rows.break_record(row),
                runs[row.run_id],
                BreakPosition(
                    row.severity_rank, row.first_seen_date, str(row.run_id), row.break_id
                ),
            )
            for row in found_rows
        ]


def _texts(*names: str) -> list[Any]:
    return [bindparam(name, type_=ARRAY(Text)) for name in names]


async def _whole(
    connection: AsyncConnection, tenant_id: str, found: Sequence[Row[Any]]
) -> list[Run]:
    """Return runs with their cuts and phases."""
    of_runs = {"tenant": tenant_id, "run_ids": [row.run_id for row in found]}
    ids = bindparam("run_ids", type_=ARRAY(Uuid))
    cuts: dict[object, RunCut] = {
        row.run_id: rows.cut(row)
        for row in await connection.execute(text(_CUTS).bindparams(ids), of_runs)
    }
    phases: dict[object, list[PhaseRecord]] = defaultdict(list)
    for row in await connection.execute(text(_PHASES).bindparams(ids), of_runs):
        phases[row.run_id].append(rows.phase(row))
    return [rows.run(row, cuts.get(row.run_id), tuple(phases[row.run_id])) for row in found]


async def _runs_of(
    connection: AsyncConnection, tenant_id: str, breaks: Sequence[Row[Any]]
) -> dict[object, Run]:
    ids = list({row.run_id for row in breaks})
    found = await connection.execute(
        text(
            "SELECT * FROM reconciliation.runs WHERE tenant_id = :tenant AND run_id = ANY(:run_ids)"
        ).bindparams(bindparam("run_ids", type_=ARRAY(Uuid))),
        {"tenant": tenant_id, "run_ids": ids},
    )
    return {row.run_id: rows.run(row) for row in found}
