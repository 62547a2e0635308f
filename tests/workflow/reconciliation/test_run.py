"""Runs from the request to the statement, on a real Temporal, PostgreSQL and ledger."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from services.kernel.errors import Category, DomainError
from tests.fakes.recon_client import ReconClient, ask, run_day
from tests.fakes.recon_world import MONDAY, World
from vezne.reconciliation.v1.break_pb2 import (
    BREAK_LIFECYCLE_RESOLVED,
    BreakClass,
    BreakLifecycle,
    Comparison,
)
from vezne.reconciliation.v1.run_pb2 import RUN_STATE_FAILED, RUN_STATE_PUBLISHED, RunPhase
from vezne.reconciliation.v1.run_service_pb2 import (
    PROOF_OUTCOME_FAILED,
    PROOF_OUTCOME_HOLDS,
    GetStatementRequest,
)

TUESDAY = MONDAY + timedelta(days=1)


async def test_a_good_day_is_reconciled(client: Client, world: World, recon: ReconClient) -> None:
    """A day on which all agree is RECONCILED, with every proof made, and the row says all of it."""
    for number in range(1, 6):
        await world.deposit(number)
    world.report(MONDAY)

    answer = await run_day(client, world)
    run = await recon.get(world, answer["run_id"])
    statement = await recon.runs.GetStatement(
        GetStatementRequest(tenant_id=world.tenant_id, run_id=run.run_id)
    )

    assert answer["outcome"] == "STARTED"
    assert answer["verdict"] == "RECONCILED"
    assert run.state == RUN_STATE_PUBLISHED
    assert run.workflow_id == f"reconciliation/{world.tenant_id}/mock/main/2026-03-02"
    assert run.manifest_sha256.hex() == answer["manifest_sha256"]
    assert run.cut.ledger_through_sequence == world.posted
    assert run.cut.gateway_through_sequence == len(world.gateway.events)
    assert [report.batch_number for report in run.cut.reports] == [1]
    assert run.counts.matched_groups == 5 + 10
    assert [
        RunPhase.Name(phase.phase) for phase in run.phases if not phase.HasField("end_time")
    ] == []
    outcomes = [proof.outcome for proof in statement.statement.proofs]
    assert outcomes[:7] == [PROOF_OUTCOME_HOLDS] * 7
    assert statement.markdown.startswith("# RECONCILED")


async def test_each_break_is_found(client: Client, world: World, recon: ReconClient) -> None:
    """What one side lacks, or has otherwise, is a break of its own class, and nothing else is."""
    await world.deposit(1)
    await world.deposit(2, booked=False)
    await world.deposit(3, booked=False, known=False)
    await world.deposit(4, settled_minor=12_00)
    await world.deposit(5, reported=False)
    world.report(MONDAY)

    answer = await run_day(client, world)
    breaks = await recon.list_breaks(world, run_id=answer["run_id"])

    assert answer["verdict"] == "BREAKS"
    provider = {
        (one.key, one.kind): BreakClass.Name(one.break_class).removeprefix("BREAK_CLASS_")
        for one in breaks
        if one.comparison == Comparison.COMPARISON_PROVIDER
    }
    assert provider == {
        ("ch_2", "capture"): "PENDING_BOOKING",
        ("ch_2", "capture_fee"): "PENDING_BOOKING",
        ("ch_3", "capture"): "PENDING_BOOKING",
        ("ch_3", "capture_fee"): "PENDING_BOOKING",
        ("ch_4", "capture"): "AMOUNT_OVER",
        ("ch_5", "capture"): "PENDING_SETTLEMENT",
        ("ch_5", "capture_fee"): "PENDING_SETTLEMENT",
    }
    assert [(one.key, one.kind) for one in breaks if one.comparison == 1] == [
        ("deposit-2", "captured")
    ]
    assert answer["breaks"] == 1


async def test_the_next_day_carries_on(client: Client, world: World, recon: ReconClient) -> None:
    """What is open on one day is closed by the next, which begins where the first one ended."""
    await world.deposit(1, reported=False)
    await world.deposit(2)
    world.report(MONDAY)
    first = await run_day(client, world)
    await world.deposit(3)
    world.settle_late(1)
    world.report(TUESDAY)

    second = await run_day(client, world, TUESDAY)
    run = await recon.get(world, second["run_id"])
    breaks = await recon.list_breaks(world)

    assert first["verdict"] == "RECONCILED_WITH_PENDING"
    assert second["verdict"] == "RECONCILED"
    assert run.cut.predecessor_run_id == first["run_id"]
    assert run.cut.predecessor_manifest_sha256.hex() == first["manifest_sha256"]
    assert run.cut.ledger_after_sequence == 4
    assert {(one.key, BreakLifecycle.Name(one.lifecycle)) for one in breaks} == {
        ("ch_1", BreakLifecycle.Name(BREAK_LIFECYCLE_RESOLVED))
    }


@pytest.mark.parametrize("missing", ["report", "booking", "refused"])
async def test_a_missing_input_is_incomplete_and_frees_the_date(
    client: Client, world: World, recon: ReconClient, missing: str
) -> None:
    """Without the report a run is INCOMPLETE, and lists what it found as unproven."""
    await world.deposit(1)
    if missing == "booking":
        world.report(MONDAY, booked=False)
    elif missing == "refused":
        world.report(MONDAY, refusal="line 8: the total is 1.00 EUR over")

    answer = await run_day(client, world)
    breaks = await recon.list_breaks(world, run_id=answer["run_id"])
    statement = await recon.runs.GetStatement(
        GetStatementRequest(tenant_id=world.tenant_id, run_id=answer["run_id"])
    )

    reason = {
        "report": "REPORT_MISSING",
        "booking": "REPORT_NOT_BOOKED",
        "refused": "REPORT_REFUSED",
    }[missing]
    assert answer["verdict"] == "INCOMPLETE"
    assert answer["incomplete_reasons"] == [reason]
    assert [one.unproven for one in breaks] == [True, True]
    assert statement.statement.proofs[0].outcome == PROOF_OUTCOME_FAILED

    world.gateway.reports.clear()
    world.batch_number, world.closing_minor, world.lines = 0, 0, []
    world.settle_late(1)
    world.report(MONDAY)
    again = await run_day(client, world)

    assert again["outcome"] == "STARTED"
    assert again["workflow_id"].endswith("/2026-03-02/rerun-1")
    assert again["verdict"] == "RECONCILED"


def of_another_account(content: bytes) -> bytes:
    """The report, as the provider would write it for another account."""
    return content.replace(b"settlement/1,main,", b"settlement/1,mian,")


def without_tying(content: bytes) -> bytes:
    """The report with a closing balance to which its lines do not lead."""
    return content.replace(b"EUR,provider,0.00,9.70", b"EUR,provider,0.00,9.71")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (of_another_account, "The file is of the account 'mian', not 'main'"),
        (
            without_tying,
            "line 6: The closing balance is not the opening balance plus the lines: 0.01 EUR over",
        ),
    ],
)
async def test_a_report_that_cannot_be_fails_the_run_with_its_sentence(
    client: Client,
    world: World,
    recon: ReconClient,
    spoil: Callable[[bytes], bytes],
    sentence: str,
) -> None:
    """A file that the gateway let through and that cannot be ends the run, which says why."""
    await world.deposit(1)
    report = world.report(MONDAY)
    world.gateway.hold(replace(report, content=spoil(report.content)))
    assert world.gateway.reports[report.report_id].content != report.content

    answer = await ask(client, world)
    with pytest.raises(WorkflowFailureError) as failed:
        await client.get_workflow_handle(answer["workflow_id"]).result()
    run = await recon.get(world, answer["run_id"])

    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "BadInput"
    assert failed.value.cause.message == (
        f"{run.failure_message}. The date is free: when this is mended, start "
        "RequestReconciliation for it again"
    )
    assert run.state == RUN_STATE_FAILED
    assert run.failure_message == f"stage_settlement: {sentence}"
    assert (await ask(client, world))["outcome"] == "STARTED"


async def test_an_opening_balance_that_is_not_the_last_closing_one_is_incomplete(
    client: Client, world: World, recon: ReconClient
) -> None:
    """A report that ties in itself and not to the one before proves nothing: the bridge fails."""
    await world.deposit(1)
    world.report(MONDAY)
    await run_day(client, world)
    await world.deposit(2)
    world.closing_minor += 1
    world.report(TUESDAY)

    answer = await run_day(client, world, TUESDAY)
    statement = await recon.runs.GetStatement(
        GetStatementRequest(tenant_id=world.tenant_id, run_id=answer["run_id"])
    )

    assert answer["verdict"] == "INCOMPLETE"
    assert answer["incomplete_reasons"] == ["PROOF_FAILED"]
    bridge = statement.statement.proofs[5]
    assert bridge.outcome == PROOF_OUTCOME_FAILED
    assert "The provider's balance of P in EUR: opening: 971 is not 970" in bridge.failures


async def test_an_outage_is_waited_out(client: Client, world: World) -> None:
    """A gateway that is away again and again, at any step, does not fail a run."""
    await world.deposit(1)
    world.report(MONDAY)
    away = DomainError("UNAVAILABLE", Category.UNAVAILABLE, "away")
    broken = DomainError("INTERNAL", Category.INTERNAL, "broken")
    world.gateway.fail_next = [broken, away, broken, away, broken]

    answer = await run_day(client, world)

    assert world.gateway.fail_next == []
    assert answer["verdict"] == "RECONCILED"


async def test_a_run_takes_every_report_since(
    client: Client, world: World, recon: ReconClient
) -> None:
    """Late reports of dates that are over, and those of skipped dates, go to the next run."""
    await world.deposit(1)
    world.report(MONDAY)
    await run_day(client, world)
    await world.deposit(2)
    world.report(MONDAY)
    await world.deposit(3)
    world.report(TUESDAY)
    world.report(TUESDAY + timedelta(days=1))

    answer = await run_day(client, world, TUESDAY + timedelta(days=1))
    run = await recon.get(world, answer["run_id"])

    assert answer["verdict"] == "RECONCILED"
    assert [report.batch_number for report in run.cut.reports] == [2, 3, 4]
