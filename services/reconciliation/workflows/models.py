"""What people and workflows say to one another: the request, its answer, names and attributes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from services.reconciliation.domain.inputs import RunScope
from services.reconciliation.domain.runs import (
    ReportInput,
    RunMode,
    RunOutcome,
    RunPlan,
    RunRequest,
    RunTrigger,
)
from services.reconciliation.domain.steps import Published
from services.reconciliation.domain.verdict import Verdict

QUEUE = "reconciliation"
"""The task queue of workflows and light activities."""
HEAVY_QUEUE = "reconciliation-heavy"
"""The task queue of what stages, matches and proves."""

REQUEST = "RequestReconciliation"
"""The workflow type that people start."""
RECONCILE = "ReconcileProviderAccount"
"""The workflow type of a run."""

TENANT = SearchAttributeKey.for_keyword("VezneTenant")
PROVIDER = SearchAttributeKey.for_keyword("VezneProvider")
PROVIDER_ACCOUNT = SearchAttributeKey.for_keyword("VezneProviderAccount")
BUSINESS_DATE = SearchAttributeKey.for_keyword("VezneBusinessDate")
TRIGGER = SearchAttributeKey.for_keyword("VezneTrigger")
VERDICT = SearchAttributeKey.for_keyword("VezneVerdict")
SEARCH_ATTRIBUTES = (TENANT, PROVIDER, PROVIDER_ACCOUNT, BUSINESS_DATE, TRIGGER, VERDICT)

WAITING_REPORT = "WAITING_REPORT"
COMPARING = "COMPARING"
"""What stands in the verdict's place before there is one."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _day(value: object) -> date:
    if not (isinstance(value, str) and _DATE.fullmatch(value)):
        raise ValueError("must be a date such as 2026-11-23, in quotes")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{value} is not a date of the calendar") from error


def _text(pattern: str) -> StringConstraints:
    return StringConstraints(strict=True, pattern=pattern)


class ReconciliationRequest(BaseModel):
    """The one JSON object with which a person starts a reconciliation.

        {"tenant_id": "acme", "provider": "mock", "provider_account": "main",
         "business_date": "2026-11-23"}

    The shapes are those of the contract's CreateRunRequest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant_id: Annotated[str, _text(r"^[a-z0-9][a-z0-9-]{0,62}$")]
    provider: Annotated[str, _text(r"^[a-z0-9][a-z0-9_-]{0,15}$")]
    provider_account: Annotated[str, _text(r"^[a-z0-9][a-z0-9_.-]{0,31}$")]
    business_date: Annotated[date, BeforeValidator(_day)]
    mode: RunMode = RunMode.COMMIT
    rerun_reason: Annotated[str, StringConstraints(strict=True, max_length=256)] = ""
    requested_by: Annotated[str, _text(r"^[!-~]{0,128}$")] = ""

    def to_run_request(self, request_id: str) -> RunRequest:
        """Return what is asked for, under the id of the workflow that asks."""
        return RunRequest(
            scope=RunScope(
                self.tenant_id, self.provider, self.provider_account, self.business_date
            ),
            mode=self.mode,
            trigger=RunTrigger.UI,
            request_id=request_id,
            requested_by=self.requested_by,
            rerun_reason=self.rerun_reason,
        )


class InvalidInputError(ValueError):
    """The input of a workflow cannot be used; the message names each field and what is wrong."""


def read_request(value: Any) -> ReconciliationRequest:
    """Read the JSON value that a person gave.

    Raises:
        InvalidInputError: it is no object, or a field is missing, unknown or wrong.
    """
    if not isinstance(value, Mapping):
        raise InvalidInputError("The input must be one JSON object with the field tenant_id, …")
    try:
        return ReconciliationRequest.model_validate(value)
    except ValidationError as error:
        raise InvalidInputError(sentence_of(error)) from error


def sentence_of(error: ValidationError) -> str:
    """Return what is wrong, field by field, without what was given."""
    said = []
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in problem["loc"])
        what = problem["msg"].removeprefix("Value error, ")
        said.append(f"{where}: {what}" if where else what)
    return "; ".join(said)


@dataclass(frozen=True, slots=True)
class ClaimAnswer:
    """What the claim of a date came to."""

    plan: RunPlan
    outcome: RunOutcome
    verdict: Verdict | None
    must_start: bool
    """Whether the run's workflow has not begun."""


@dataclass(frozen=True, slots=True)
class RequestAnswer:
    """What a person who asked for a run is told."""

    outcome: RunOutcome
    run_id: str
    workflow_id: str
    workflow_url: str
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Reports:
    """The reports that a run reads, all of them booked."""

    inputs: tuple[ReportInput, ...]


@dataclass(frozen=True, slots=True)
class PersistAnswer:
    """What was published, and whether a date is stale now."""

    published: Published
    has_stale: bool


@dataclass(frozen=True, slots=True)
class RunAnswer:
    """What a run's workflow ends with."""

    run_id: str
    published: Published
    statement: str
    """The statement as Markdown, shortened; empty if nothing was read."""


def search_attributes(plan: RunPlan) -> TypedSearchAttributes:
    """Return the search attributes of a run's workflow from its first moment."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(TENANT, plan.tenant_id),
            SearchAttributePair(PROVIDER, plan.provider),
            SearchAttributePair(PROVIDER_ACCOUNT, plan.provider_account),
            SearchAttributePair(BUSINESS_DATE, plan.business_date.isoformat()),
            SearchAttributePair(TRIGGER, plan.trigger.value),
            SearchAttributePair(VERDICT, WAITING_REPORT),
        ]
    )


def memo(plan: RunPlan) -> dict[str, str]:
    """Return the memo of a run's workflow from its first moment."""
    return {"run_id": plan.run_id, "mode": plan.mode.value, "link": plan.workflow_url}


def summary(plan: RunPlan) -> str:
    """Return the one line that a run's workflow is listed with."""
    return f"{plan.provider}/{plan.provider_account} {plan.business_date} · {plan.mode}"


def static_details(plan: RunPlan) -> str:
    """Return what is known of a run before it begins, as Markdown."""
    return (
        f"Reconciliation of **{plan.provider}/{plan.provider_account}** of tenant "
        f"**{plan.tenant_id}** for **{plan.business_date}**.\n\n"
        f"- run `{plan.run_id}`, {plan.mode}, re-run {plan.rerun_number}, started by "
        f"{plan.trigger}\n- its breaks and statement: ListBreaks and GetStatement with the run's id"
    )
