"""What a run shows in the Temporal Web UI, and that its steps are what the workflow names."""

import inspect
from datetime import date

import pytest
from temporalio import activity

from services.reconciliation.activities.heavy import HeavyActivities
from services.reconciliation.activities.light import LightActivities
from services.reconciliation.domain.runs import RunMode, RunPlan, RunTrigger, Waits
from services.reconciliation.workflows.models import summary
from services.reconciliation.workflows.steps import HeavySteps, LightSteps
from services.reconciliation.workflows.story import Story

PLAN = RunPlan(
    "acme", "0190", "mock", "main", date(2026, 3, 2), RunMode.COMMIT, RunTrigger.UI, 0,
    "reconciliation/acme/mock/main/2026-03-02", "", Waits(1, 1, 1),
)  # fmt: skip


def test_a_story_tells_each_step_once() -> None:
    """A step that is told anew takes the place of what was said of it before."""
    story = Story(PLAN)
    story.tell("report", "waiting")
    story.tell("report", "there")
    story.tell("cut", "ledger 4")
    story.conclude("# RECONCILED\n")

    page = story.to_markdown()

    assert page.startswith("**mock/main 2026-03-02 · COMMIT**")
    assert "waiting" not in page
    assert page.index("| report | there |") < page.index("| cut | ledger 4 |")
    assert page.endswith("# RECONCILED\n")


def test_a_story_fits_the_page() -> None:
    """A page is at most 20,000 bytes, whatever it tells."""
    story = Story(PLAN)
    story.conclude("ü" * 30_000)

    assert len(story.to_markdown().encode()) < 20_000


def test_a_summary_is_one_short_line() -> None:
    """The line by which a run is listed names the account, the date and the mode."""
    assert summary(PLAN) == "mock/main 2026-03-02 · COMMIT"


@pytest.mark.parametrize(
    ("signatures", "implementation"),
    [(LightSteps, LightActivities), (HeavySteps, HeavyActivities)],
)
def test_activities_are_what_the_workflows_name(signatures: type, implementation: type) -> None:
    """Each step has an implementation that Temporal knows by the same name and arguments."""
    named = {
        name: method
        for name, method in inspect.getmembers(signatures, inspect.isfunction)
        if not name.startswith("_")
    }

    assert named
    for name, method in named.items():
        implemented = getattr(implementation, name)
        assert implemented is not method
        assert inspect.signature(implemented) == inspect.signature(method)
        assert activity._Definition.must_from_callable(implemented).name == name
