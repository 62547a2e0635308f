"""Protobuf to requests and filters. The enums of the contract have our names, with a prefix."""

from datetime import date

from services.kernel.errors import DomainError, Violation
from services.reconciliation.application.questions import BreakFilter, RunFilter
from services.reconciliation.domain.inputs import RunScope
from services.reconciliation.domain.reasons import CATEGORIES, Reason
from services.reconciliation.domain.runs import RunMode, RunRequest, RunTrigger
from vezne.reconciliation.v1.break_pb2 import BreakClass, BreakLifecycle, Comparison, Severity
from vezne.reconciliation.v1.break_service_pb2 import ListBreaksRequest
from vezne.reconciliation.v1.run_pb2 import RunMode as ModeMessage
from vezne.reconciliation.v1.run_pb2 import RunState as StateMessage
from vezne.reconciliation.v1.run_pb2 import RunTrigger as TriggerMessage
from vezne.reconciliation.v1.run_pb2 import Verdict as VerdictMessage
from vezne.reconciliation.v1.run_service_pb2 import CreateRunRequest, ListRunsRequest


def day(field: str, text: str) -> date:
    """Return a date of the shape that the contract checks.

    Raises:
        DomainError: INVALID_REQUEST, if the calendar does not have it.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise DomainError(
            Reason.INVALID_REQUEST,
            CATEGORIES[Reason.INVALID_REQUEST],
            f"{field}: {text} is not a date of the calendar",
            violations=[Violation(field, "must be a date of the calendar")],
        ) from error


def maybe_day(field: str, text: str) -> date | None:
    """Return a date, or None where the field is empty; refuses as `day`."""
    return day(field, text) if text else None


def run_request(request: CreateRunRequest) -> RunRequest:
    """Read a CreateRun.

    Raises:
        DomainError: INVALID_REQUEST.
    """
    return RunRequest(
        scope=RunScope(
            request.tenant_id,
            request.provider,
            request.provider_account,
            day("business_date", request.business_date),
        ),
        mode=RunMode(ModeMessage.Name(request.mode).removeprefix("RUN_MODE_")),
        trigger=RunTrigger.API,
        request_id=request.request_id,
        requested_by=request.requested_by,
        rerun_reason=request.rerun_reason,
    )


def run_filter(request: ListRunsRequest) -> RunFilter:
    """Read the filter of a ListRuns.

    Raises:
        DomainError: INVALID_REQUEST.
    """
    return RunFilter(
        provider=request.provider,
        provider_account=request.provider_account,
        from_date=maybe_day("from_business_date", request.from_business_date),
        through_date=maybe_day("through_business_date", request.through_business_date),
        modes=[ModeMessage.Name(one).removeprefix("RUN_MODE_") for one in request.modes],
        triggers=[
            TriggerMessage.Name(one).removeprefix("RUN_TRIGGER_") for one in request.triggers
        ],
        states=[StateMessage.Name(one).removeprefix("RUN_STATE_") for one in request.states],
        verdicts=[VerdictMessage.Name(one).removeprefix("VERDICT_") for one in request.verdicts],
        stale_only=request.stale_only,
    )


def break_filter(request: ListBreaksRequest) -> BreakFilter:
    """Read the filter of a ListBreaks.

    Raises:
        DomainError: INVALID_REQUEST.
    """
    return BreakFilter(
        run_id=request.run_id,
        business_date=maybe_day("business_date", request.business_date),
        provider=request.provider,
        provider_account=request.provider_account,
        comparisons=[
            Comparison.Name(one).removeprefix("COMPARISON_").lower() for one in request.comparisons
        ],
        classes=[
            BreakClass.Name(one).removeprefix("BREAK_CLASS_") for one in request.break_classes
        ],
        severities=[Severity.Name(one).removeprefix("SEVERITY_") for one in request.severities],
        lifecycles=[
            BreakLifecycle.Name(one).removeprefix("BREAK_LIFECYCLE_") for one in request.lifecycles
        ],
        currency_code=request.currency_code,
        key=request.key,
        break_id=request.break_id,
        from_first_seen=maybe_day("from_first_seen_date", request.from_first_seen_date),
        through_first_seen=maybe_day("through_first_seen_date", request.through_first_seen_date),
        open_only=request.open_only,
    )
