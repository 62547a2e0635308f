"""Runs and breaks to protobuf. The enums of the contract have our names, with a prefix."""

from collections.abc import Callable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from services.kernel.clock import to_micros
from services.reconciliation.application.questions import BreakView
from services.reconciliation.domain import runs
from services.reconciliation.domain.links import Links
from services.reconciliation.domain.rows import Side
from services.reconciliation.domain.verdict import Verdict
from vezne.reconciliation.v1.break_pb2 import (
    Break,
    BreakClass,
    BreakLifecycle,
    Comparison,
    Severity,
)
from vezne.reconciliation.v1.break_pb2 import Side as SideMessage
from vezne.reconciliation.v1.run_pb2 import (
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
    SideCounts,
)
from vezne.reconciliation.v1.run_pb2 import Verdict as VerdictMessage
from vezne.type.v1.movement_pb2 import Pot

RunBuilder = Callable[[runs.Run], Run]
"""Builds a run."""


def side(found: Side) -> SideMessage.ValueType:
    """Build a side."""
    return SideMessage.Value(f"SIDE_{found.name}")


def timestamp(moment: datetime) -> Timestamp:
    """Build a timestamp."""
    seconds, rest = divmod(to_micros(moment), 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def maybe_timestamp(moment: datetime | None) -> Timestamp | None:
    """Build a timestamp, if there is a moment."""
    return None if moment is None else timestamp(moment)


def run_builder(links: Links) -> RunBuilder:
    """Return what builds runs with links to their workflows."""

    def build(found: runs.Run) -> Run:
        return Run(
            run_id=found.run_id,
            request_id=found.request_id,
            provider=found.provider,
            provider_account=found.provider_account,
            business_date=found.business_date.isoformat(),
            mode=RunMode.Value(f"RUN_MODE_{found.mode}"),
            trigger=RunTrigger.Value(f"RUN_TRIGGER_{found.trigger}"),
            requested_by=found.requested_by,
            rerun_number=found.rerun_number,
            rerun_reason=found.rerun_reason,
            state=RunState.Value(f"RUN_STATE_{found.state}"),
            verdict=VerdictMessage.Value(f"VERDICT_{found.verdict or 'UNSPECIFIED'}"),
            incomplete_reasons=[
                IncompleteReason.Value(f"INCOMPLETE_REASON_{reason}")
                for reason in found.incomplete_reasons
            ],
            failure_message=found.failure_message,
            stale=found.stale,
            cut=None if found.cut is None else _cut(found.cut),
            counts=None if found.counts is None else _counts(found.counts),
            manifest_sha256=bytes.fromhex(found.manifest_sha256),
            alerts_held=found.alerts_held,
            phases=[_phase(phase) for phase in found.phases],
            workflow_id=found.workflow_id,
            first_execution_run_id=found.first_execution_run_id,
            workflow_url=links.to(found.workflow_id),
            create_time=timestamp(found.create_time),
            update_time=timestamp(found.update_time),
            publish_time=maybe_timestamp(found.publish_time),
            superseded_by_run_id=found.superseded_by_run_id,
        )

    return build


def _cut(found: runs.RunCut) -> RunCut:
    return RunCut(
        ledger_after_sequence=found.ledger.after,
        ledger_through_sequence=found.ledger.through,
        gateway_after_sequence=found.gateway.after,
        gateway_through_sequence=found.gateway.through,
        reports=[
            ReportInput(
                report_id=report.report_id,
                batch_number=report.batch_number,
                sha256=bytes.fromhex(report.sha256),
                posted_sequence=report.posted_sequence,
            )
            for report in found.reports
        ],
        rules_version=found.rules_version,
        rules_sha256=bytes.fromhex(found.rules_sha256),
        predecessor_run_id=found.predecessor_run_id,
        predecessor_manifest_sha256=bytes.fromhex(found.predecessor_manifest_sha256),
        resolve_time=timestamp(found.resolve_time),
    )


def _counts(found: runs.RunCounts) -> RunCounts:
    return RunCounts(
        sides=[
            SideCounts(
                side=side(counts.side),
                scanned=counts.scanned,
                staged=counts.staged,
                carried=counts.carried,
            )
            for counts in found.sides
        ],
        matched_groups=found.matched_groups,
        breaks=found.breaks,
        new_breaks=found.new_breaks,
        resolved_groups=found.resolved_groups,
        warnings=found.warnings,
        pending=found.pending,
    )


def _phase(found: runs.PhaseRecord) -> PhaseRecord:
    return PhaseRecord(
        phase=RunPhase.Value(f"RUN_PHASE_{found.phase}"),
        start_time=timestamp(found.start_time),
        end_time=maybe_timestamp(found.end_time),
        detail=found.detail,
    )


def break_record(view: BreakView) -> Break:
    """Build a break."""
    found, run = view.found, view.run
    key = found.key
    return Break(
        break_id=found.break_id,
        run_id=run.run_id,
        provider=run.provider,
        provider_account=run.provider_account,
        business_date=run.business_date.isoformat(),
        comparison=Comparison.Value(f"COMPARISON_{key.comparison.name}"),
        pot=Pot.Value(f"POT_{key.pot.name}"),
        key=key.key,
        kind=key.kind,
        currency_code=key.currency_code,
        occurrence=found.occurrence,
        break_class=BreakClass.Value(f"BREAK_CLASS_{found.break_class}"),
        previous_class=BreakClass.Value(f"BREAK_CLASS_{found.previous_class or 'UNSPECIFIED'}"),
        severity=Severity.Value(f"SEVERITY_{found.severity}"),
        lifecycle=BreakLifecycle.Value(f"BREAK_LIFECYCLE_{found.lifecycle}"),
        outside_minor=found.outside_minor,
        ledger_minor=found.ledger_minor,
        difference_minor=found.difference_minor,
        first_seen_date=found.first_date.isoformat(),
        break_on_date=found.break_date.isoformat(),
        age_days=(run.business_date - found.first_date).days,
        row_count=found.row_count,
        evidence_row_ids=found.row_ids,
        unproven=run.verdict is Verdict.INCOMPLETE,
    )
