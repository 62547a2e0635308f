"""What goes between workflows and activities, and what the UI shows of it."""

import inspect
from typing import Any, get_args

import pytest

from services.psp_gateway.activities.janitor import JanitorActivities
from services.psp_gateway.activities.withdrawals import WithdrawalActivities
from services.psp_gateway.domain.withdrawal_steps import Step
from services.psp_gateway.workflows import signatures
from services.psp_gateway.workflows.details import details
from services.psp_gateway.workflows.models import Attempt, NextStep, Standing, WithdrawalRef
from services.psp_gateway.workflows.withdrawal import STEPS

SIGNATURES = {
    name: found
    for name, found in vars(signatures).items()
    if hasattr(found, "__temporal_activity_definition")
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_each_signature_is_implemented_as_it_says(name: str) -> None:
    """An activity has the name, the arguments and the result that workflows call it with."""
    found: Any = getattr(WithdrawalActivities, name, None) or getattr(JanitorActivities, name)
    asked = inspect.signature(SIGNATURES[name], eval_str=True)
    given = inspect.signature(found, eval_str=True)

    assert hasattr(found, "__temporal_activity_definition")
    assert list(given.parameters.values())[1:] == list(asked.parameters.values())
    assert given.return_annotation == asked.return_annotation


def test_the_workflow_knows_every_step_that_the_rules_know() -> None:
    """A step that the rules can name and the workflow cannot take would stop it."""
    assert set(get_args(NextStep)) == {step.value for step in Step}
    assert set(STEPS) == set(get_args(NextStep)) - {"NOTHING"}


def test_a_workflow_s_id_names_its_withdrawal() -> None:
    """There is one workflow a withdrawal, and anybody can find it."""
    of = WithdrawalRef(tenant_id="acme", withdrawal_id="w-1")

    assert of.workflow_id == "withdrawal/acme/w-1"


def test_the_page_tells_state_wait_reason_and_attempts() -> None:
    """Whoever opens a workflow in the UI sees what is the matter without reading a history."""
    page = details(
        Standing(
            state="SUBMIT_UNKNOWN",
            event_sequence=7,
            step="ASK_PROVIDER",
            pause_s=5_400.4,
            why="The provider's answer never came; it may pay or not",
            waiting_for="PROVIDER",
            amount="25.00 EUR",
            provider_account="mock/main",
            attempts=[
                Attempt(
                    number=1,
                    provider_account="mock/main",
                    outcome="",
                    provider_state="",
                    failure_code="timeout",
                )
            ],
        )
    )

    assert page == (
        "## SUBMIT_UNKNOWN\n"
        "\n"
        "The provider's answer never came; it may pay or not.\n"
        "\n"
        "| | |\n"
        "| --- | --- |\n"
        "| amount | 25.00 EUR |\n"
        "| provider account | mock/main |\n"
        "| waits for | provider |\n"
        "| next | ask provider in 1 h 30 min |\n"
        "\n"
        "| attempt | at | outcome | the provider says |\n"
        "| --- | --- | --- | --- |\n"
        "| 1 | mock/main | no answer | timeout |"
    )


@pytest.mark.parametrize(
    ("pause_s", "shown"),
    [
        (0.0, "expire"),
        (0.2, "expire in less than a second"),
        (59.0, "expire in 59 s"),
        (3_600.0, "expire in 1 h"),
        (259_200.0, "expire in 3 d"),
        (90_061.0, "expire in 1 d 1 h"),
    ],
)
def test_a_pause_is_told_as_people_say_it(pause_s: float, shown: str) -> None:
    """Two units at most, the largest first; a step that is due at once names no pause."""
    page = details(
        Standing(state="IN_REVIEW", event_sequence=3, step="EXPIRE", pause_s=pause_s, why="So")
    )

    assert f"| next | {shown} |" in page


def test_an_ended_withdrawal_has_no_next_step() -> None:
    """Its page says so by saying nothing."""
    page = details(
        Standing(state="PAID", event_sequence=9, step="NOTHING", pause_s=0.0, why="It has ended")
    )

    assert "| next |" not in page
