"""Stored rows to the domain's data, and back."""

from typing import Any

import orjson
from pydantic import TypeAdapter
from sqlalchemy import Row

from services.kernel.movements import Pot
from services.reconciliation.domain.breaks import Break, BreakKey, Lifecycle
from services.reconciliation.domain.classes import BreakClass, Severity
from services.reconciliation.domain.rows import Comparison
from services.reconciliation.domain.runs import (
    IncompleteReason,
    PhaseRecord,
    ReportInput,
    Run,
    RunCounts,
    RunCut,
    RunMode,
    RunPhase,
    RunState,
    RunTrigger,
)
from services.reconciliation.domain.statement import SequenceCut, Statement
from services.reconciliation.domain.verdict import Verdict

COUNTS: TypeAdapter[RunCounts] = TypeAdapter(RunCounts)
STATEMENT: TypeAdapter[Statement] = TypeAdapter(Statement)
REPORTS: TypeAdapter[tuple[ReportInput, ...]] = TypeAdapter(tuple[ReportInput, ...])

SEVERITIES = tuple(Severity)
"""The worst first; a severity's rank is its place."""


def dumped(adapter: TypeAdapter[Any], value: object) -> str:
    """Return data as the text of a JSON column."""
    return adapter.dump_json(value).decode()


def run(row: Row[Any], cut: RunCut | None = None, phases: tuple[PhaseRecord, ...] = ()) -> Run:
    """Read a row of `runs`."""
    return Run(
        tenant_id=row.tenant_id,
        run_id=str(row.run_id),
        provider=row.provider,
        provider_account=row.provider_account,
        business_date=row.business_date,
        mode=RunMode(row.mode),
        trigger=RunTrigger(row.trigger),
        request_id=row.request_id,
        requested_by=row.requested_by,
        rerun_number=row.rerun_number,
        rerun_reason=row.rerun_reason,
        workflow_id=row.workflow_id,
        first_execution_run_id=row.first_execution_run_id,
        state=RunState(row.state),
        verdict=Verdict(row.verdict) if row.verdict else None,
        incomplete_reasons=tuple(map(IncompleteReason, row.incomplete_reasons)),
        failure_message=row.failure_message,
        counts=COUNTS.validate_python(row.counts) if row.counts else None,
        manifest_sha256=row.manifest_sha256 or "",
        alerts_held=row.alerts_held,
        stale=row.stale,
        superseded_by_run_id=str(row.superseded_by_run_id or ""),
        create_time=row.create_time,
        update_time=row.update_time,
        publish_time=row.publish_time,
        cut=cut,
        phases=phases,
    )


def cut(row: Row[Any]) -> RunCut:
    """Read a row of `cuts`."""
    return RunCut(
        ledger=SequenceCut(row.ledger_after_sequence, row.ledger_through_sequence),
        gateway=SequenceCut(row.gateway_after_sequence, row.gateway_through_sequence),
        reports=REPORTS.validate_python(row.reports),
        accounts={account_id: Pot(pot) for account_id, pot in sorted(row.accounts.items())},
        rules_version=row.rules_version,
        rules_sha256=row.rules_sha256,
        predecessor_run_id=str(row.predecessor_run_id or ""),
        predecessor_date=row.predecessor_date,
        predecessor_manifest_sha256=row.predecessor_manifest_sha256 or "",
        resolve_time=row.resolve_time,
    )


def cut_values(cut: RunCut) -> dict[str, object]:
    """Return the columns of a cut."""
    return {
        "ledger_after_sequence": cut.ledger.after,
        "ledger_through_sequence": cut.ledger.through,
        "gateway_after_sequence": cut.gateway.after,
        "gateway_through_sequence": cut.gateway.through,
        "reports": dumped(REPORTS, cut.reports),
        "accounts": orjson.dumps({name: pot.value for name, pot in cut.accounts.items()}).decode(),
        "rules_version": cut.rules_version,
        "rules_sha256": cut.rules_sha256,
        "predecessor_run_id": cut.predecessor_run_id or None,
        "predecessor_date": cut.predecessor_date,
        "predecessor_manifest_sha256": cut.predecessor_manifest_sha256 or None,
        "resolve_time": cut.resolve_time,
    }


def phase(row: Row[Any]) -> PhaseRecord:
    """Read a row of `phases`."""
    return PhaseRecord(RunPhase(row.phase), row.start_time, row.end_time, row.detail)


BREAK_COLUMNS = (
    "tenant_id", "run_id", "break_id", "comparison", "pot", "key", "kind", "currency_code",
    "occurrence", "break_class", "previous_class", "severity", "severity_rank", "lifecycle",
    "outside_minor", "ledger_minor", "row_count", "first_seen_date", "break_on_date", "row_ids",
)  # fmt: skip


def break_values(tenant_id: str, run_id: str, found: Break) -> tuple[object, ...]:
    """Return a break as a row of `breaks`, in the order of BREAK_COLUMNS."""
    return (
        tenant_id,
        run_id,
        found.break_id,
        found.key.comparison.value,
        found.key.pot.value,
        found.key.key,
        found.key.kind,
        found.key.currency_code,
        found.occurrence,
        found.break_class.value,
        found.previous_class.value if found.previous_class else None,
        found.severity.value,
        SEVERITIES.index(found.severity),
        found.lifecycle.value,
        found.outside_minor,
        found.ledger_minor,
        found.row_count,
        found.first_date,
        found.break_date,
        list(found.row_ids),
    )


def break_record(row: Row[Any]) -> Break:
    """Read a row of `breaks`."""
    return Break(
        break_id=row.break_id,
        key=BreakKey(
            Comparison(row.comparison), Pot(row.pot), row.key, row.kind, row.currency_code
        ),
        occurrence=row.occurrence,
        break_class=BreakClass(row.break_class),
        previous_class=BreakClass(row.previous_class) if row.previous_class else None,
        severity=Severity(row.severity),
        lifecycle=Lifecycle(row.lifecycle),
        outside_minor=row.outside_minor,
        ledger_minor=row.ledger_minor,
        row_count=row.row_count,
        first_date=row.first_seen_date,
        break_date=row.break_on_date,
        row_ids=tuple(row.row_ids),
    )
