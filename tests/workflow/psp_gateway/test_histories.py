"""Workflows that run already go on under the code of today: their recorded histories replay."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from services.psp_gateway.workflows.withdrawal import WithdrawalWorkflow
from tests.fakes.changed_workflow import LooksTwice
from tests.fakes.withdrawal_stories import OF, STORIES

HISTORIES = Path(__file__).resolve().parents[1] / "histories" / "psp_gateway"
RECORDED = sorted(HISTORIES.glob("*.json"))


def history(path: Path) -> WorkflowHistory:
    """Read a recorded history."""
    return WorkflowHistory.from_json(OF.workflow_id, path.read_text("utf-8"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_history_replays(path: Path) -> None:
    """The workflow asks for the same, in the same order, as when the history was made."""
    replayer = Replayer(workflows=[WithdrawalWorkflow], data_converter=pydantic_data_converter)

    await replayer.replay_workflow(history(path))


async def test_a_change_that_would_break_running_workflows_is_found() -> None:
    """A workflow that asks for one thing more than it did fails its replay."""
    replayer = Replayer(workflows=[LooksTwice], data_converter=pydantic_data_converter)

    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(history(HISTORIES / "paid_by_webhook.json"))


def test_every_story_has_its_history() -> None:
    """A new way to go is recorded: `python -m tests.workflow.psp_gateway.record`."""
    assert {path.stem for path in RECORDED} >= set(STORIES)
