"""A withdrawal from its request to its end, on a real Temporal server, ledger and mock PSP.

Its workflow asks the provider so rarely here that it goes on by webhooks and people only.
"""

import asyncio
from asyncio.subprocess import DEVNULL

import asyncpg
import pytest

from services.psp_gateway.adapters.postgres.connection import connected
from services.psp_gateway.adapters.temporal.workflows import TemporalWorkflows
from services.psp_gateway.workflows.withdrawal import WithdrawalWorkflow
from tests.fakes.temporal_desk import TemporalDesk
from tests.fakes.temporal_server import temporal_binary
from tests.fakes.withdrawal_desk import AUTOMATIC, ONE_APPROVER, TWO_APPROVERS

APPROVE, REJECT, CANCEL = (
    WithdrawalWorkflow.approve,
    WithdrawalWorkflow.reject,
    WithdrawalWorkflow.cancel,
)


async def source_of(desk: TemporalDesk, withdrawal_id: str, fact: str) -> str:
    """Return who brought a fact."""
    [row] = await desk.stack.rows(
        "SELECT source FROM psp_gateway.gateway_events WHERE object_id = $1 AND fact = $2",
        withdrawal_id,
        fact,
    )
    return str(row["source"])


async def test_a_small_withdrawal_is_paid_without_anybody(desk: TemporalDesk) -> None:
    """It is reserved, approved by the rules, submitted, and ended by the provider's webhook."""
    await desk.fund("p1", 10_000)

    withdrawal_id = await desk.withdraw("p1", AUTOMATIC, player_fee_minor=100)

    assert await desk.ended(withdrawal_id) == "PAID"
    paid = await desk.until(withdrawal_id, "PAID")
    assert (paid.approvals_required, len(paid.attempts)) == (0, 1)
    assert await source_of(desk, withdrawal_id, "paid.1") == "WEBHOOK"
    assert await desk.stack.cash("p1") == 10_000 - AUTOMATIC - 100
    await desk.in_the_books()


async def test_what_the_ledger_refuses_is_rejected_with_its_reason(desk: TemporalDesk) -> None:
    """A player who has too little keeps what he has, and the provider hears of nothing."""
    await desk.fund("p2", 1_000)

    withdrawal_id = await desk.withdraw("p2", AUTOMATIC)

    assert await desk.ended(withdrawal_id) == "REJECTED"
    found = await desk.get(withdrawal_id)
    assert (found.ledger_reason, len(found.attempts)) == ("INSUFFICIENT_AVAILABLE", 0)
    assert await desk.stack.cash("p2") == 1_000
    await desk.in_the_books()


async def test_the_requester_is_never_an_approver(desk: TemporalDesk) -> None:
    """Whoever asked for it cannot approve it; one other person is enough in this band."""
    await desk.fund("p3", 30_000)
    withdrawal_id = await desk.withdraw("p3", ONE_APPROVER, requested_by="carla")
    waiting = await desk.until_waiting(withdrawal_id, "APPROVALS")

    refused = await desk.decides(withdrawal_id, APPROVE, "carla", "d-1")
    approved = await desk.decides(withdrawal_id, APPROVE, "boris", "d-2")

    assert (refused, approved) == ("APPROVER_IS_REQUESTER", "APPROVED")
    assert waiting.HasField("approval_expire_time")
    assert await desk.ended(withdrawal_id) == "PAID"
    found = await desk.get(withdrawal_id)
    assert [decision.decided_by for decision in found.decisions] == ["boris"]
    assert not found.HasField("approval_expire_time")


async def test_two_approvals_are_two_peoples(desk: TemporalDesk) -> None:
    """One person's second approval is refused, by the workflow and by the table."""
    await desk.fund("p4", 70_000)
    withdrawal_id = await desk.withdraw("p4", TWO_APPROVERS, requested_by="carla")
    await desk.until_waiting(withdrawal_id, "APPROVALS")

    said = [
        await desk.decides(withdrawal_id, APPROVE, person, decision_id)
        for person, decision_id in (("boris", "d-1"), ("boris", "d-2"), ("boris", "d-1"))
    ]
    last = await desk.decides(withdrawal_id, APPROVE, "dana", "d-3")

    assert said == ["IN_REVIEW", "ALREADY_APPROVED", "IN_REVIEW"]
    assert last == "APPROVED"
    assert await desk.ended(withdrawal_id) == "PAID"
    for person in ("carla", "boris"):
        async with connected(desk.stack.gateway.engine) as driver:
            with pytest.raises((asyncpg.CheckViolationError, asyncpg.UniqueViolationError)):
                await driver.execute(
                    "INSERT INTO psp_gateway.withdrawal_decisions VALUES"
                    " ('acme', $1, $2, 'APPROVED', $3, 'carla', '', now())",
                    withdrawal_id,
                    f"forged-{person}",
                    person,
                )


async def test_a_decision_that_no_row_could_hold_is_refused_at_once(desk: TemporalDesk) -> None:
    """A wrong shape is the caller's to mend: it never becomes a step that is tried for ever."""
    await desk.fund("p21", 30_000)
    withdrawal_id = await desk.withdraw("p21", ONE_APPROVER, requested_by="carla")
    await desk.until_waiting(withdrawal_id, "APPROVALS")

    said = [
        await desk.decides(withdrawal_id, APPROVE, *wrong)
        for wrong in (
            ("", "d-1"),
            ("boris", ""),
            ("boris", "d 1"),
            ("b" * 129, "d-1"),
            ("boris", "d-1", "NUL \0"),
            ("boris", "d-1", "x" * 257),
        )
    ]

    assert said == ["INVALID_REQUEST"] * 6
    assert await desk.decides(withdrawal_id, APPROVE, "boris", "d-1", "x" * 256) == "APPROVED"


async def test_two_people_who_approve_at_once_are_both_heard(desk: TemporalDesk) -> None:
    """Approvals that come at the same moment are one after the other under the row's lock."""
    await desk.fund("p5", 70_000)
    withdrawal_id = await desk.withdraw("p5", TWO_APPROVERS, requested_by="carla")
    await desk.until_waiting(withdrawal_id, "APPROVALS")

    said = await asyncio.gather(
        desk.decides(withdrawal_id, APPROVE, "boris", "d-1"),
        desk.decides(withdrawal_id, APPROVE, "dana", "d-2"),
    )

    assert "APPROVED" in said
    assert await desk.ended(withdrawal_id) == "PAID"
    assert len((await desk.get(withdrawal_id)).decisions) == 2


async def test_one_rejection_is_enough(desk: TemporalDesk) -> None:
    """The player has his money again, and later decisions are refused."""
    await desk.fund("p6", 70_000)
    withdrawal_id = await desk.withdraw("p6", TWO_APPROVERS)
    await desk.until_waiting(withdrawal_id, "APPROVALS")
    assert await desk.decides(withdrawal_id, APPROVE, "boris", "d-1") == "IN_REVIEW"

    assert await desk.decides(withdrawal_id, REJECT, "dana", "d-2") == "REJECTED"

    assert await desk.ended(withdrawal_id) == "REJECTED"
    await desk.until(withdrawal_id, "REJECTED")
    assert await desk.stack.cash("p6") == 70_000
    await desk.in_the_books()


async def test_a_withdrawal_in_review_can_be_called_off(desk: TemporalDesk) -> None:
    """Whoever calls it off needs no approval, and the player has his money again."""
    await desk.fund("p7", 30_000)
    withdrawal_id = await desk.withdraw("p7", ONE_APPROVER)
    await desk.until_waiting(withdrawal_id, "APPROVALS")

    assert await desk.decides(withdrawal_id, CANCEL, "p7", "d-1") == "CANCELLED"

    assert await desk.ended(withdrawal_id) == "CANCELLED"
    await desk.until(withdrawal_id, "CANCELLED")
    assert await desk.stack.cash("p7") == 30_000


async def test_a_person_can_decide_from_a_terminal(desk: TemporalDesk) -> None:
    """The command of `docs/operate/withdrawals.md` is one approval."""
    await desk.fund("p17", 30_000)
    withdrawal_id = await desk.withdraw("p17", ONE_APPROVER)
    await desk.until_waiting(withdrawal_id, "APPROVALS")

    process = await asyncio.create_subprocess_exec(
        temporal_binary(),
        *("workflow", "update", "execute", "--address", desk.temporal.address),
        *("--workflow-id", f"withdrawal/acme/{withdrawal_id}", "--name", "approve"),
        *("--input", '{"decision_id": "ticket-4711", "decided_by": "u-17", "comment": "checked"}'),
        stdout=DEVNULL,
    )

    assert await process.wait() == 0
    assert await desk.ended(withdrawal_id) == "PAID"
    [decision] = (await desk.get(withdrawal_id)).decisions
    assert (decision.decided_by, decision.comment) == ("u-17", "checked")


async def test_what_was_submitted_cannot_be_called_off_or_decided(desk: TemporalDesk) -> None:
    """Decisions that come too late are refused with the contract's reasons."""
    await desk.fund("p8", 10_000)
    withdrawal_id = await desk.withdraw("p8", AUTOMATIC, words=["transfer_never_final"])
    await desk.until_waiting(withdrawal_id, "PROVIDER")

    late = [
        await desk.decides(withdrawal_id, update, "boris", "d-1")
        for update in (APPROVE, REJECT, CANCEL)
    ]
    shapeless = await desk.decides(withdrawal_id, APPROVE, "boris", "")

    assert late == [
        "WITHDRAWAL_NOT_IN_REVIEW",
        "WITHDRAWAL_NOT_IN_REVIEW",
        "WITHDRAWAL_NOT_CANCELLABLE",
    ]
    assert shapeless == "INVALID_REQUEST"


async def test_what_the_provider_fails_for_certain_is_released(desk: TemporalDesk) -> None:
    """The attempt was accepted and failed: there is no other, and the player has his money."""
    await desk.fund("p9", 10_000)

    withdrawal_id = await desk.withdraw("p9", AUTOMATIC, words=["transfer_fails"])

    assert await desk.ended(withdrawal_id) == "FAILED"
    failed = await desk.until(withdrawal_id, "FAILED")
    assert len(failed.attempts) == 1
    assert await desk.stack.cash("p9") == 10_000
    await desk.in_the_books()


async def test_a_webhook_that_comes_before_the_answer_is_not_lost(desk: TemporalDesk) -> None:
    """The workflow is still in its call when the news comes, and goes on with it at once."""
    await desk.fund("p10", 10_000)

    withdrawal_id = await desk.withdraw(
        "p10", AUTOMATIC, words=["webhook_before_answer", "webhook_duplicated"]
    )

    assert await desk.ended(withdrawal_id) == "PAID"
    await desk.in_the_books()


async def test_signals_of_anybody_change_nothing(desk: TemporalDesk) -> None:
    """A signal says to look, no more: any number of them leaves the review as it is."""
    await desk.fund("p11", 30_000)
    withdrawal_id = await desk.withdraw("p11", ONE_APPROVER)
    await desk.until_waiting(withdrawal_id, "APPROVALS")
    workflows = TemporalWorkflows(desk.client)

    for _ in range(20):
        await workflows.wake("acme", withdrawal_id)
    approved = await desk.decides(withdrawal_id, APPROVE, "boris", "d-1")

    assert approved == "APPROVED"
    assert await desk.ended(withdrawal_id) == "PAID"
    assert (await desk.stack.facts_of(withdrawal_id)).count("paid.1") == 1


async def test_money_that_comes_back_after_the_end_is_the_players(desk: TemporalDesk) -> None:
    """A return is a fact like any other: the workflow has ended, and needs not run again."""
    await desk.fund("p12", 10_000)

    withdrawal_id = await desk.withdraw("p12", AUTOMATIC, words=["transfer_returned_in_parts"])

    assert await desk.ended(withdrawal_id) == "PAID"
    await desk.until(withdrawal_id, "RETURNED")

    async def all_back() -> bool:
        return (await desk.get(withdrawal_id)).returned_minor == AUTOMATIC

    await desk.stack.until(all_back)
    await desk.in_the_books()
    assert await desk.stack.cash("p12") == 10_000


async def test_a_withdrawal_that_is_paid_after_it_had_failed_is_paid(desk: TemporalDesk) -> None:
    """The player pays for what he got after all, and people are told."""
    await desk.fund("p13", 10_000)

    withdrawal_id = await desk.withdraw("p13", AUTOMATIC, words=["transfer_paid_after_failed"])

    await desk.until(withdrawal_id, "PAID")
    assert "PAID_AFTER_FAILED" in await desk.stack.exceptions(withdrawal_id)
    await desk.in_the_books()
    assert await desk.stack.cash("p13") == 10_000 - AUTOMATIC


async def test_a_request_that_is_repeated_makes_one_withdrawal(desk: TemporalDesk) -> None:
    """The same request is answered with its withdrawal as it is now, marked replayed."""
    await desk.fund("p14", 10_000)
    request = desk.request("p14", AUTOMATIC)
    first = await desk.create(request)
    await desk.ended(first.withdrawal.withdrawal_id)

    again = await desk.create(request)

    assert (first.replayed, again.replayed) == (False, True)
    assert again.withdrawal.withdrawal_id == first.withdrawal.withdrawal_id
    assert await desk.stack.cash("p14") == 10_000 - AUTOMATIC


async def test_the_page_in_the_ui_says_what_is_waited_for(desk: TemporalDesk) -> None:
    """People see the state, the wait and its reason where they look at workflows."""
    await desk.fund("p15", 70_000)
    withdrawal_id = await desk.withdraw("p15", TWO_APPROVERS)
    await desk.until_waiting(withdrawal_id, "APPROVALS")
    await desk.decides(withdrawal_id, APPROVE, "boris", "d-1")

    description = await desk.workflow(withdrawal_id).describe()
    page = str(await desk.workflow(withdrawal_id).query("__temporal_workflow_metadata"))

    assert await description.static_summary() == f"acme: withdrawal {withdrawal_id}"
    assert "## IN_REVIEW" in page
    assert "1 of 2 approvals are given." in page
    assert "600.00 EUR" in page


async def test_a_terminated_workflow_is_started_again_by_the_janitor(desk: TemporalDesk) -> None:
    """Nothing is lost with it: the approval that was given before counts afterwards."""
    await desk.fund("p16", 70_000)
    withdrawal_id = await desk.withdraw("p16", TWO_APPROVERS)
    await desk.until_waiting(withdrawal_id, "APPROVALS")
    await desk.decides(withdrawal_id, APPROVE, "boris", "d-1")
    first_run = (await desk.workflow(withdrawal_id).describe()).run_id

    await desk.workflow(withdrawal_id).terminate("an operator's mistake")
    await desk.forget_workflows()
    attended = await desk.stack.gateway.withdrawals.attend("acme", 200)

    assert attended >= 1
    assert (await desk.workflow(withdrawal_id).describe()).run_id != first_run
    assert await desk.decides(withdrawal_id, APPROVE, "dana", "d-2") == "APPROVED"
    assert await desk.ended(withdrawal_id) == "PAID"
    assert await desk.stack.gateway.withdrawals.attend("acme", 200) == 0
