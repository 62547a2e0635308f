"""The workflows of runs on Temporal. Implements the port `Workflows`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from services.reconciliation.application.ports import UnavailableError
from services.reconciliation.domain.runs import RunPlan
from services.reconciliation.workflows.models import (
    QUEUE,
    RECONCILE,
    SEARCH_ATTRIBUTES,
    memo,
    search_attributes,
    static_details,
    summary,
)

_RPC_TIMEOUT = timedelta(seconds=5)


class SearchAttributesMissingError(Exception):
    """Temporal does not know attributes that runs are found by; the message says what to run."""


class TemporalWorkflows:
    """Starts workflows and asks about them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def is_open(self, workflow_id: str) -> bool:
        with _reaching():
            try:
                found = await self._client.get_workflow_handle(workflow_id).describe(
                    rpc_timeout=_RPC_TIMEOUT
                )
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return False
                raise
        return found.status is WorkflowExecutionStatus.RUNNING

    async def start(self, plan: RunPlan) -> None:
        with _reaching():
            try:
                await self._client.start_workflow(
                    RECONCILE,
                    plan,
                    id=plan.workflow_id,
                    task_queue=QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    search_attributes=search_attributes(plan),
                    memo=memo(plan),
                    static_summary=summary(plan),
                    static_details=static_details(plan),
                    rpc_timeout=_RPC_TIMEOUT,
                )
            except WorkflowAlreadyStartedError:
                return


async def check_search_attributes(client: Client) -> None:
    """Check that runs can be found by their search attributes.

    Raises:
        SearchAttributesMissingError: Temporal does not know them, or not as keywords.
        UnavailableError: Temporal cannot be reached.
    """
    with _reaching():
        found = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    missing = [
        key.name for key in SEARCH_ATTRIBUTES if found.custom_attributes.get(key.name) != keyword
    ]
    if missing:
        names = " ".join(f"--name {name} --type Keyword" for name in missing)
        raise SearchAttributesMissingError(
            f"Temporal's namespace {client.namespace} lacks search attributes by which runs are "
            f"found; run: temporal operator search-attribute create --namespace {client.namespace} "
            f"{names}"
        )


@contextmanager
def _reaching() -> Iterator[None]:
    """Turn a Temporal that is away into the port's UnavailableError."""
    try:
        yield
    except (RPCError, RuntimeError) as error:
        # A lazy client raises RuntimeError while it cannot connect.
        raise UnavailableError("temporal") from error
