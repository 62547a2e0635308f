"""RequestReconciliation: how a person starts a run, by one small JSON object.

It is a dynamic workflow, because it must answer what a typed one cannot even read: no input, two of
them, broken JSON, or a mistyped type. Those fail at once, with a sentence; a typed workflow would
hang in a task that fails for ever.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from services.reconciliation.domain.runs import RunPlan
    from services.reconciliation.workflows.failing import root_of, told
    from services.reconciliation.workflows.models import (
        BUSINESS_DATE,
        PROVIDER,
        PROVIDER_ACCOUNT,
        RECONCILE,
        REQUEST,
        TENANT,
        InvalidInputError,
        ReconciliationRequest,
        RequestAnswer,
        memo,
        read_request,
        search_attributes,
        sentence_of,
        static_details,
        summary,
    )
    from services.reconciliation.workflows.steps import LightSteps

INVALID_INPUT = "InvalidInput"
CLAIM_DEADLINE = timedelta(minutes=5)


@workflow.defn(dynamic=True)
class RequestReconciliation:
    """Claims a date and starts the run of it, or finds the run that there is."""

    @workflow.run
    async def run(self, inputs: Sequence[RawValue]) -> RequestAnswer:
        """Answer with what happened: STARTED, ALREADY_RUNNING or ALREADY_DONE."""
        try:
            request = _read(workflow.info().workflow_type, inputs)
        except InvalidInputError as error:
            raise ApplicationError(str(error), type=INVALID_INPUT, non_retryable=True) from error
        workflow.upsert_search_attributes(
            [
                TENANT.value_set(request.tenant_id),
                PROVIDER.value_set(request.provider),
                PROVIDER_ACCOUNT.value_set(request.provider_account),
                BUSINESS_DATE.value_set(request.business_date.isoformat()),
            ]
        )
        try:
            answer = await workflow.execute_activity_method(
                LightSteps.claim_run,
                request.to_run_request(_request_id()),
                start_to_close_timeout=timedelta(seconds=30),
                schedule_to_close_timeout=CLAIM_DEADLINE,
                retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
                summary=f"claim {request.business_date}",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            raise told(error, root_of(error).message) from error
        plan = answer.plan
        if answer.must_start:
            await start_run(plan)
        workflow.set_current_details(f"{answer.outcome}: `{plan.workflow_id}` {plan.workflow_url}")
        return RequestAnswer(
            answer.outcome, plan.run_id, plan.workflow_id, plan.workflow_url, answer.verdict
        )


async def start_run(plan: RunPlan) -> None:
    """Start a run's workflow as a child that outlives this one, unless it was started before."""
    try:
        await workflow.start_child_workflow(
            RECONCILE,
            plan,
            id=plan.workflow_id,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            search_attributes=search_attributes(plan),
            memo=memo(plan),
            static_summary=summary(plan),
            static_details=static_details(plan),
        )
    except WorkflowAlreadyStartedError:
        workflow.logger.info("the run's workflow was started by another request")


def _read(workflow_type: str, inputs: Sequence[RawValue]) -> ReconciliationRequest:
    if workflow_type != REQUEST:
        raise InvalidInputError(
            f"There is no workflow {workflow_type!r} here; to start a reconciliation, the type is "
            f"{REQUEST}"
        )
    if len(inputs) != 1:
        raise InvalidInputError(f"{REQUEST} takes one JSON object, not {len(inputs)} inputs")
    try:
        value: Any = workflow.payload_converter().from_payload(inputs[0].payload)
    except Exception as error:
        # Whatever a converter raises, it could not read what the person gave.
        why = sentence_of(error) if isinstance(error, ValidationError) else error
        raise InvalidInputError(f"The input is not JSON: {why}") from error
    return read_request(value)


def _request_id() -> str:
    """Return an id of this request that its repetition would have as well."""
    info = workflow.info()
    name = f"{info.workflow_id}\x1f{info.first_execution_run_id}"
    return f"workflow:{hashlib.sha256(name.encode()).hexdigest()[:32]}"
