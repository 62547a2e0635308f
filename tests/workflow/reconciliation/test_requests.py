"""What a person gives is answered at once: a run, or a sentence that names the field."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from services.reconciliation.workflows.models import QUEUE, REQUEST
from tests.fakes.recon_client import ReconClient, ask, run_day, wish
from tests.fakes.recon_world import MONDAY, World


async def refusal(client: Client, *inputs: object, name: str = REQUEST) -> ApplicationError:
    """Start a workflow with these inputs and return what it fails with, at once."""
    handle = await client.start_workflow(
        name,
        args=inputs,
        id=f"wrong-{uuid4()}",
        task_queue=QUEUE,
        execution_timeout=timedelta(seconds=15),
    )
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    # What the UI shows: the outermost failure, not one that it was caused by.
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.non_retryable
    return cause


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"business_date": None}, "business_date: must be a date such as"),
        ({"business_date": "02.03.2026"}, "business_date: must be a date such as"),
        ({"business_date": "2026-02-30"}, "business_date: 2026-02-30 is not a date"),
        ({"business_date": 20260302}, "business_date: must be a date such as"),
        ({"tenant_id": 7}, "tenant_id: Input should be a valid string"),
        ({"tenant_id": "ACME"}, "tenant_id: String should match pattern"),
        ({"provider_acount": "main"}, "provider_acount: Extra inputs are not permitted"),
        ({"mode": "TRY"}, "mode: Input should be 'COMMIT' or 'DRY_RUN'"),
    ],
)
async def test_a_wrong_field_is_named(
    client: Client, world: World, change: dict[str, object], sentence: str
) -> None:
    """A wrong, misspelt or unknown field fails the request at once, non-retryably, by name."""
    failed = await refusal(client, wish(world, **change))

    assert failed.type == "InvalidInput"
    assert sentence in failed.message
    assert "http" not in failed.message


async def test_a_missing_field_is_named(client: Client, world: World) -> None:
    """A field that is not there is named."""
    given = wish(world)
    del given["business_date"]

    failed = await refusal(client, given)

    assert failed.message == "business_date: Field required"


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ((), "takes one JSON object, not 0 inputs"),
        (({}, {}), "takes one JSON object, not 2 inputs"),
        (("acme",), "must be one JSON object"),
        ((None,), "must be one JSON object"),
        (
            (RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b'{"tenant_id": ')),),
            "The input is not JSON",
        ),
        (
            (RawValue(Payload(metadata={"encoding": b"json/protobuf"}, data=b"{}")),),
            "The input is not JSON",
        ),
    ],
    ids=["none", "two", "text", "null", "broken", "protobuf"],
)
async def test_what_is_no_object_fails_at_once(
    client: Client, world: World, inputs: tuple[object, ...], sentence: str
) -> None:
    """No input, two of them, and what is no JSON object do not hang: they fail with a sentence."""
    assert world

    failed = await refusal(client, *inputs)

    assert failed.type == "InvalidInput"
    assert sentence in failed.message
    assert "http" not in failed.message


async def test_a_mistyped_type_fails_at_once(client: Client, world: World) -> None:
    """A workflow type that there is not is answered with the one that there is."""
    failed = await refusal(client, wish(world), name="RequestReconcilation")

    assert "the type is RequestReconciliation" in failed.message


async def test_a_date_that_is_not_over_is_refused(client: Client, world: World) -> None:
    """Today and every later date are refused with the date that it is."""
    today = datetime.now(UTC).date()

    for day in (today, today + timedelta(days=30)):
        failed = await refusal(client, wish(world, day))
        assert failed.type == "BUSINESS_DATE_NOT_OVER"
        assert f"{day} is not over in UTC" in failed.message


async def test_an_unknown_provider_account_is_refused(client: Client, world: World) -> None:
    """A provider account that the gateway does not have is refused at once, as is a tenant."""
    unknown = await refusal(client, wish(world, provider_account="mian"))
    nobody = await refusal(client, wish(world, tenant_id="nobody-at-all"))

    assert unknown.type == "PROVIDER_ACCOUNT_NOT_FOUND"
    assert nobody.type == "TENANT_NOT_FOUND"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def start_in_ui(http_port: int, workflow_id: str, value: object) -> httpx.Response:
    """Start a workflow as the Web UI's form does: one JSON input, no policies, no timeouts."""
    async with httpx.AsyncClient() as browser:
        return await browser.post(
            f"http://127.0.0.1:{http_port}/api/v1/namespaces/default/workflows/{workflow_id}",
            json={
                "workflowId": workflow_id,
                "taskQueue": {"name": QUEUE},
                "workflowType": {"name": REQUEST},
                "input": {
                    "payloads": [
                        {
                            "metadata": {"encoding": _base64("json/plain")},
                            "data": _base64(json.dumps(value)),
                        }
                    ]
                },
                "userMetadata": {},
                "searchAttributes": {"indexedFields": {}},
            },
        )


async def failure_in_ui(http_port: int, workflow_id: str) -> dict[str, Any]:
    """Wait for a workflow's end and read its failure as the Web UI does."""
    base = f"http://127.0.0.1:{http_port}/api/v1/namespaces/default/workflows/{workflow_id}"
    async with httpx.AsyncClient() as browser, asyncio.timeout(30):
        while True:
            response = await browser.get(
                f"{base}/history", params={"historyEventFilterType": 2, "waitNewEvent": True}
            )
            [*_, last] = response.json()["history"]["events"] or [{}]
            if "workflowExecutionFailedEventAttributes" in last:
                failure: dict[str, Any] = last["workflowExecutionFailedEventAttributes"]["failure"]
                return failure


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"business_date": "monday"}, "business_date: must be a date such as"),
        ({"provider_account": "mian"}, "no mock/mian"),
    ],
    ids=["field", "refused"],
)
async def test_the_web_ui_shows_the_sentence_at_the_top(
    world: World, temporal_http_port: int, change: dict[str, object], sentence: str
) -> None:
    """What the UI's failure says first is which field is wrong, or what was refused."""
    workflow_id = str(uuid4())

    await start_in_ui(temporal_http_port, workflow_id, wish(world, **change))
    failure = await failure_in_ui(temporal_http_port, workflow_id)

    assert failure["message"].startswith(sentence)


async def test_the_web_ui_starts_a_run(
    client: Client, world: World, temporal_http_port: int
) -> None:
    """The UI's own request starts a run; sent again under the same id it finds what there is."""
    await world.deposit(1)
    world.report(MONDAY)
    workflow_id = str(uuid4())

    answers: list[dict[str, Any]] = []
    for _ in range(2):
        response = await start_in_ui(temporal_http_port, workflow_id, wish(world))
        assert response.status_code == 200, response.text
        answers.append(await client.get_workflow_handle(workflow_id).result())
        await client.get_workflow_handle(answers[0]["workflow_id"]).result()

    assert [answer["outcome"] for answer in answers] == ["STARTED", "ALREADY_DONE"]
    assert answers[0]["run_id"] == answers[1]["run_id"]


async def test_a_run_is_found_and_read_in_the_ui(client: Client, world: World) -> None:
    """A run has search attributes, a memo, a summary and a page with its statement."""
    await world.deposit(1)
    world.report(MONDAY)
    answer = await run_day(client, world)
    handle = client.get_workflow_handle(answer["workflow_id"])

    found = await handle.describe()
    memo = await found.memo()
    attributes = {pair.key.name: pair.value for pair in found.typed_search_attributes}
    page = await handle.query("__temporal_workflow_metadata")
    history = [event async for event in handle.fetch_history_events()]
    first_attributes = history[0].workflow_execution_started_event_attributes.search_attributes

    assert {name: attributes[name] for name in attributes if name.startswith("Vezne")} == {
        "VezneTenant": world.tenant_id,
        "VezneProvider": "mock",
        "VezneProviderAccount": "main",
        "VezneBusinessDate": "2026-03-02",
        "VezneTrigger": "UI",
        "VezneVerdict": "RECONCILED",
    }
    assert b"WAITING_REPORT" in first_attributes.indexed_fields["VezneVerdict"].data
    assert memo["run_id"] == answer["run_id"]
    assert memo["verdict"] == "RECONCILED"
    assert memo["breaks"] == 0
    assert await found.static_summary() == "mock/main 2026-03-02 · COMMIT"
    assert "# RECONCILED" in str(page)
    assert len(history) < 150


async def test_a_waiting_run_says_what_it_waits_for(
    client: Client, world: World, recon: ReconClient
) -> None:
    """While the report is not there, the row's last phase and the verdict attribute say so."""
    await world.deposit(1)
    answer = await ask(client, world)

    run = await recon.get_when(
        world, answer["run_id"], lambda run: any("no report" in p.detail for p in run.phases)
    )
    found = await client.get_workflow_handle(answer["workflow_id"]).describe()
    attributes = {pair.key.name: pair.value for pair in found.typed_search_attributes}

    assert run.phases[-1].detail == "The provider has no report of 2026-03-02 yet"
    assert attributes["VezneVerdict"] == "WAITING_REPORT"
    world.report(MONDAY)
    await client.get_workflow_handle(answer["workflow_id"]).result()
