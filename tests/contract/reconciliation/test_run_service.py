"""RunService: every RPC, its refusals, and what its answers hold."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.kernel.errors import Category, DomainError
from services.platform.errors import RemoteError, from_rpc_error
from services.platform.paging import Page
from services.platform.server import RunningServer
from services.reconciliation.domain.inputs import RunScope
from services.reconciliation.domain.reasons import CATEGORIES, Reason
from services.reconciliation.domain.runs import RunMode, RunState
from services.reconciliation.domain.verdict import Verdict
from tests.fakes.recon_client import ReconClient
from tests.fakes.recon_store import MONDAY, NOON, Store, later, scope_of, some_break
from tests.fakes.telling_gateway_server import FakeGateway
from vezne.reconciliation.v1 import run_service_pb2 as pb
from vezne.reconciliation.v1.break_pb2 import COMPARISON_BOOKING, SIDE_GATEWAY
from vezne.reconciliation.v1.reason_pb2 import ReconciliationReason
from vezne.reconciliation.v1.run_pb2 import (
    RUN_MODE_COMMIT,
    RUN_MODE_DRY_RUN,
    RUN_PHASE_MATCH,
    RUN_STATE_PUBLISHED,
    RUN_STATE_RUNNING,
    RUN_TRIGGER_API,
    VERDICT_BREAKS,
    VERDICT_RECONCILED,
)

TENANT = "acme"


async def refused(call: Awaitable[object]) -> RemoteError:
    """Return what a call is refused with."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return from_rpc_error(error.value)


def create(day: object = MONDAY, **others: object) -> pb.CreateRunRequest:
    """A CreateRun that is well formed."""
    fields: dict[str, object] = {
        "tenant_id": TENANT,
        "request_id": str(uuid4()),
        "provider": "mock",
        "provider_account": "main",
        "business_date": str(day),
        "mode": RUN_MODE_COMMIT,
    }
    return pb.CreateRunRequest(**{**fields, **others})  # type: ignore[arg-type]  # The caller's choice.


def test_reasons_are_those_of_the_contract() -> None:
    """The domain has exactly the reasons of the contract, in its order, each with a category."""
    names = [name.split("_REASON_", 1)[1] for name in ReconciliationReason.keys()]  # noqa: SIM118 - an enum is no dict.

    assert [str(reason) for reason in Reason] == names[1:]
    assert list(CATEGORIES) == list(Reason)


async def test_without_temporal_a_run_is_claimed_and_started_later(recon: ReconClient) -> None:
    """While Temporal is away CreateRun is UNAVAILABLE; a repetition finds the claim it made."""
    asked = create(MONDAY - timedelta(days=100))

    first = await refused(recon.runs.CreateRun(asked))
    second = await refused(recon.runs.CreateRun(asked))
    listed = await recon.runs.ListRuns(
        pb.ListRunsRequest(tenant_id=TENANT, through_business_date=asked.business_date)
    )

    assert first.reason == second.reason == "UNAVAILABLE"
    assert first.metadata == {"dependency": "temporal"}
    assert [run.state for run in listed.runs] == [RUN_STATE_RUNNING]
    assert listed.runs[0].request_id == asked.request_id


async def test_an_existing_result_is_answered(recon: ReconClient, store: Store) -> None:
    """CreateRun of a date with a result answers it, and a repetition is marked as one."""
    plan = await store.run(scope_of(TENANT, MONDAY - timedelta(days=50)))
    asked = create(plan.business_date)

    first = await recon.runs.CreateRun(asked)
    second = await recon.runs.CreateRun(asked)

    assert first.outcome == second.outcome == pb.RUN_OUTCOME_ALREADY_DONE
    assert (first.replayed, second.replayed) == (False, True)
    assert first.run == second.run
    assert first.run.run_id == plan.run_id
    other = create(plan.business_date, request_id=asked.request_id, requested_by="ops-7")
    assert (await refused(recon.runs.CreateRun(other))).reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"tenant_id": "ACME"}, "INVALID_REQUEST", "tenant_id"),
        ({"request_id": ""}, "INVALID_REQUEST", "request_id"),
        ({"provider": ""}, "INVALID_REQUEST", "provider"),
        ({"business_date": "2026-3-2"}, "INVALID_REQUEST", "business_date"),
        ({"business_date": "2026-02-30"}, "INVALID_REQUEST", "business_date"),
        ({"mode": 0}, "INVALID_REQUEST", "mode"),
        ({"rerun_reason": "x" * 257}, "INVALID_REQUEST", "rerun_reason"),
        ({"tenant_id": "nobody"}, "TENANT_NOT_FOUND", ""),
        ({"provider_account": "mian"}, "PROVIDER_ACCOUNT_NOT_FOUND", ""),
    ],
)
async def test_create_run_refuses(
    recon: ReconClient, change: dict[str, object], reason: str, field: str
) -> None:
    """What is malformed or not there is refused by its reason, and a wrong field by its name."""
    error = await refused(recon.runs.CreateRun(create(**change)))

    assert error.reason == reason
    assert [name for name, _ in error.violations] == ([field] if field else [])


async def test_create_run_refuses_what_is_not_over(recon: ReconClient) -> None:
    """A date that is not over in the business zone is refused, and the metadata says which zone."""
    error = await refused(recon.runs.CreateRun(create(datetime.now(UTC).date())))

    assert error.reason == "BUSINESS_DATE_NOT_OVER"
    assert error.metadata["zone"] == "UTC"


async def test_create_run_refuses_what_is_out_of_order(recon: ReconClient, store: Store) -> None:
    """A date that was never run is refused once a later one is published."""
    published = await store.run(scope_of(TENANT, MONDAY - timedelta(days=10)))
    error = await refused(recon.runs.CreateRun(create(published.business_date - timedelta(days=1))))

    assert error.reason == "BUSINESS_DATE_OUT_OF_ORDER"
    assert error.metadata["later_business_date"] == published.business_date.isoformat()


async def test_create_run_refuses_unknown_fields(recon: ReconClient) -> None:
    """A field of a later release, which may narrow the effect, is refused."""
    asked = create()
    asked.MergeFromString(b"\xa2\x06\x01x")

    assert (await refused(recon.runs.CreateRun(asked))).reason == "UNKNOWN_FIELD"


async def test_a_gateway_that_is_away_is_named(
    recon: ReconClient, gateway: tuple[FakeGateway, str]
) -> None:
    """When the gateway cannot be asked, CreateRun is UNAVAILABLE and nothing is claimed."""
    gateway[0].fail_next = [DomainError("INTERNAL", Category.INTERNAL, "broken")]

    error = await refused(recon.runs.CreateRun(create(MONDAY + timedelta(days=7))))

    assert error.reason == "UNAVAILABLE"
    assert error.metadata == {"dependency": "psp_gateway"}


async def test_get_run_tells_all(recon: ReconClient, store: Store) -> None:
    """A run is answered with its cut, counts, phases and link."""
    plan = await store.run(own_scope(), [some_break(1)])

    run = (await recon.runs.GetRun(pb.GetRunRequest(tenant_id=TENANT, run_id=plan.run_id))).run

    assert run.state == RUN_STATE_PUBLISHED
    assert run.verdict == VERDICT_BREAKS
    assert run.trigger == RUN_TRIGGER_API
    assert run.cut.ledger_through_sequence == 4
    assert [report.batch_number for report in run.cut.reports] == [1]
    assert run.cut.predecessor_run_id == ""
    assert run.counts.breaks == 1
    assert [(phase.phase, phase.detail) for phase in run.phases] == [
        (RUN_PHASE_MATCH, "2 rows closed, 1 open")
    ]
    assert run.manifest_sha256.hex() == "ab" * 32
    assert run.workflow_url == (
        "http://127.0.0.1:8233/namespaces/default/workflows/"
        f"reconciliation%2Facme%2Fmock%2F{plan.provider_account}%2F2026-03-02"
    )
    assert run.create_time.seconds >= int(NOON.timestamp())


def own_scope() -> RunScope:
    """A date of a provider account that no other test knows."""
    return scope_of(TENANT, MONDAY, f"a-{uuid4().hex[:8]}")


@pytest.mark.parametrize("tenant_id", [TENANT, "another"])
async def test_a_run_that_is_not_there_is_refused(
    recon: ReconClient, store: Store, tenant_id: str
) -> None:
    """An unknown run, and another tenant's, are RUN_NOT_FOUND in every read."""
    plan = await store.run(own_scope())
    run_id = plan.run_id if tenant_id == "another" else str(uuid4())
    name = {"tenant_id": tenant_id, "run_id": run_id}

    async def watched() -> None:
        async for _ in recon.runs.WatchRun(pb.WatchRunRequest(**name)):
            pass

    for call in (
        recon.runs.GetRun(pb.GetRunRequest(**name)),
        recon.runs.GetStatement(pb.GetStatementRequest(**name)),
        watched(),
    ):
        assert (await refused(call)).reason == "RUN_NOT_FOUND"


async def test_list_runs_filters_and_pages(recon: ReconClient, store: Store) -> None:
    """Pages follow one another without a gap; filters hold; a token belongs to its request."""
    tenant_id = f"t-{uuid4().hex[:8]}"
    for number in range(3):
        await store.run(scope_of(tenant_id, MONDAY + timedelta(days=number)))
    await store.run(scope_of(tenant_id), mode=RunMode.DRY_RUN, verdict=Verdict.RECONCILED)
    asked = pb.ListRunsRequest(tenant_id=tenant_id, page_size=3)

    first = await recon.runs.ListRuns(asked)
    asked.page_token = first.next_page_token
    second = await recon.runs.ListRuns(asked)
    dry = await recon.runs.ListRuns(
        pb.ListRunsRequest(
            tenant_id=tenant_id, modes=[RUN_MODE_DRY_RUN], verdicts=[VERDICT_RECONCILED]
        )
    )
    narrow = await recon.runs.ListRuns(
        pb.ListRunsRequest(
            tenant_id=tenant_id,
            provider="mock",
            provider_account="main",
            from_business_date=(MONDAY + timedelta(days=1)).isoformat(),
            through_business_date=(MONDAY + timedelta(days=1)).isoformat(),
            states=[RUN_STATE_PUBLISHED],
            triggers=[RUN_TRIGGER_API],
        )
    )
    stale = await recon.runs.ListRuns(pb.ListRunsRequest(tenant_id=tenant_id, stale_only=True))

    assert len(first.runs) == 3
    assert len(second.runs) == 1
    assert second.next_page_token == ""
    assert len({run.run_id for run in [*first.runs, *second.runs]}) == 4
    assert len(dry.runs) == 1
    assert len(narrow.runs) == 1
    assert list(stale.runs) == []
    asked.stale_only = True
    assert (await refused(recon.runs.ListRuns(asked))).reason == "INVALID_PAGE_TOKEN"


async def test_watch_run_streams_until_the_end(recon: ReconClient, store: Store) -> None:
    """The stream begins with the run as it is, tells each change, and ends with the run's end."""
    plan = await store.start(own_scope())
    stream = recon.runs.WatchRun(pb.WatchRunRequest(tenant_id=TENANT, run_id=plan.run_id))

    async with asyncio.timeout(20):
        messages = aiter(stream)
        first = await anext(messages)
        await store.claims.close(
            plan, f"execution of {plan.run_id}", RunState.FAILED, "the disk is full", later()
        )
        rest = [message async for message in messages]

    assert first.run.state == RUN_STATE_RUNNING
    assert rest[-1].run.failure_message == "the disk is full"


async def test_get_statement_is_data_and_markdown(recon: ReconClient, store: Store) -> None:
    """The statement says all ten proofs, why one is not made, and what each section holds."""
    plan = await store.run(own_scope())

    answer = await recon.runs.GetStatement(
        pb.GetStatementRequest(tenant_id=TENANT, run_id=plan.run_id)
    )

    statement = answer.statement
    assert answer.markdown == "# BREAKS\n"
    assert statement.run.run_id == plan.run_id
    assert [proof.proof for proof in statement.proofs] == list(range(1, 11))
    assert statement.proofs[0].outcome == pb.PROOF_OUTCOME_HOLDS
    assert statement.proofs[5].outcome == pb.PROOF_OUTCOME_FAILED
    assert statement.proofs[5].failures == ["1 is not 0"]
    assert statement.proofs[9].outcome == pb.PROOF_OUTCOME_NOT_MADE
    assert "a re-run over the same cut" in statement.proofs[9].not_made_reason
    assert [proof.proof for proof in statement.proofs if not proof.not_made_reason] == [1, 6]
    [section] = statement.sections
    assert section.outside.new_rows.gross_minor == 500
    assert section.bridge.residual_minor == 0
    assert {
        (one.comparison, one.side, one.rule, one.item_count) for one in statement.exclusions
    } == {
        (0, 1, "NO_MONEY", 2),
        (COMPARISON_BOOKING, SIDE_GATEWAY, "REPORT_BOOKED", 3),
    }
    assert [trip.gross_minor for trip in statement.round_trips] == [400]


async def test_a_statement_is_not_ready_before_the_flip(recon: ReconClient, store: Store) -> None:
    """A run that works has no statement, even when its drafts are stored; the metadata says why."""
    plan = await store.start(own_scope())
    await store.cut(plan)
    await store.draft(plan, [some_break(1)])

    error = await refused(
        recon.runs.GetStatement(pb.GetStatementRequest(tenant_id=TENANT, run_id=plan.run_id))
    )

    assert error.reason == "STATEMENT_NOT_READY"
    assert error.metadata == {"state": "RUNNING"}


async def test_readiness_follows_temporal(server: RunningServer) -> None:
    """Without Temporal the server lives and serves reads, and says that it is not ready."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.health_port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        ready = await stub.Check(health_pb2.HealthCheckRequest(service="readiness"))
        alive = await stub.Check(health_pb2.HealthCheckRequest(service="liveness"))

    assert ready.status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert alive.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("position", ["2026-02-30/0", "2026-03-02/x", "nothing", "a/b/c"])
async def test_a_made_up_token_is_refused(recon: ReconClient, position: str) -> None:
    """A token that fits its request and says no position of the list is refused as damaged."""
    asked = pb.ListRunsRequest(tenant_id=TENANT)
    asked.page_token = Page.of(asked).token_after(position)

    assert (await refused(recon.runs.ListRuns(asked))).reason == "INVALID_PAGE_TOKEN"
