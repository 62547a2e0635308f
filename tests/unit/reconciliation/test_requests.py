"""Requests for runs: their shape, their ids, and when a date may be run."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.movements import Pot
from services.reconciliation.application.ports import Claimed
from services.reconciliation.application.starting import CLAIM_GRACE, RunStarter, StartRules
from services.reconciliation.domain.inputs import AccountRef, RunScope
from services.reconciliation.domain.links import Links
from services.reconciliation.domain.pots import pots_of
from services.reconciliation.domain.reasons import ReconciliationError
from services.reconciliation.domain.runs import (
    Run,
    RunMode,
    RunOutcome,
    RunPlan,
    RunRequest,
    RunState,
    RunTrigger,
    Waits,
    workflow_id,
)
from services.reconciliation.workflows.models import InvalidInputError, read_request

MONDAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
SCOPE = RunScope("acme", "mock", "main", MONDAY)
WAITS = Waits(1, 1, 1)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    ["tenant_id", "provider", "provider_account", "business_date", "mode", "rerun_reason", "x"]
)


@given(json_values | st.dictionaries(fields, json_values | st.just("2026-03-02")))
def test_any_json_is_read_or_refused_in_a_sentence(value: object) -> None:
    """Whatever JSON a person gives is a request, or an InvalidInputError that says something."""
    refusal = ""
    try:
        request = read_request(value)
    except InvalidInputError as error:
        refusal = str(error)

    assert refusal or isinstance(request.business_date, date)


@pytest.mark.parametrize(
    ("mode", "number", "ending"),
    [
        (RunMode.COMMIT, 0, "2026-03-02"),
        (RunMode.COMMIT, 2, "2026-03-02/rerun-2"),
        (RunMode.DRY_RUN, 0, "2026-03-02/dry-1"),
        (RunMode.DRY_RUN, 4, "2026-03-02/dry-5"),
    ],
)
def test_a_workflow_is_named_after_its_date(mode: RunMode, number: int, ending: str) -> None:
    """The first run of a date has the canonical id; others add which they are."""
    assert workflow_id(SCOPE, mode, number) == f"reconciliation/acme/mock/main/{ending}"


def test_a_link_escapes_the_workflow_id() -> None:
    """The slashes of a workflow's id are no part of the path; without a URL there is no link."""
    assert (
        Links("http://ui/", "default").to("reconciliation/acme")
        == "http://ui/namespaces/default/workflows/reconciliation%2Facme"
    )
    assert Links("", "default").to("reconciliation/acme") == ""


def test_accounts_are_put_into_their_pots() -> None:
    """The pots are exactly the chart's accounts; what is owed to somebody is in none."""
    prefix = "psp/mock/main"
    found = pots_of(
        [
            f"liability/{prefix}/review/eur",
            f"liability/{prefix}/unidentified/eur",
            f"liability/{prefix}/withdrawal_clearing/eur",
            f"liability/{prefix}/refund_clearing/eur",
            *(
                f"asset/{prefix}/{name}/eur"
                for name in ("rolling_reserve", "pending", "in_transit", "disputes", "available")
            ),
        ]
    )

    assert found == {
        f"asset/{prefix}/available/eur": Pot.PROVIDER,
        f"asset/{prefix}/disputes/eur": Pot.CLEARING,
        f"asset/{prefix}/in_transit/eur": Pot.TRANSIT,
        f"asset/{prefix}/pending/eur": Pot.PROVIDER,
        f"asset/{prefix}/rolling_reserve/eur": Pot.ROLLING_RESERVE,
        f"liability/{prefix}/refund_clearing/eur": Pot.CLEARING,
        f"liability/{prefix}/withdrawal_clearing/eur": Pot.CLEARING,
    }
    assert list(found) == sorted(found)


def asked(day: date = MONDAY) -> RunRequest:
    """A request for a run."""
    scope = RunScope("acme", "mock", "main", day)
    return RunRequest(scope, RunMode.COMMIT, RunTrigger.API, "r-1", "", "")


def held(now: datetime, execution: str = "") -> Run:
    """A run that is at work since `now`."""
    return Run(
        "acme", "0190", "mock", "main", MONDAY, RunMode.COMMIT, RunTrigger.UI, "", "", 0, "",
        "reconciliation/acme/mock/main/2026-03-02", execution, RunState.RUNNING, None, (), "",
        None, "", False, False, "", now, now, None,
    )  # fmt: skip


class OneClaim:
    """Claims of one date: held by `run`, if there is one."""

    def __init__(self, run: Run | None = None) -> None:
        self.run = run
        self.closed: list[str] = []
        self.recorded: list[RunOutcome] = []

    async def answered(self, _request: RunRequest) -> Claimed | None:
        return None

    async def claim(self, _request: RunRequest, run_id: str, now: datetime) -> Claimed:
        if self.run is not None:
            return Claimed(self.run, RunOutcome.ALREADY_RUNNING)
        self.run = held(now)
        assert run_id
        return Claimed(self.run, RunOutcome.STARTED)

    async def record(self, _request: RunRequest, claimed: Claimed, _now: datetime) -> Claimed:
        self.recorded.append(claimed.outcome)
        return claimed

    async def claim_stale(self, _plan: RunPlan, _run_id: str, _now: datetime) -> Run | None:
        return None

    async def close(
        self, plan: RunPlan, _execution: str, state: RunState, _message: str, _now: datetime
    ) -> None:
        self.closed.append(f"{plan.run_id} {state}")
        self.run = None


class KnownAccount:
    """A gateway that knows every provider account."""

    async def check_provider_account(self, _account: AccountRef) -> None:
        return


class Workflows:
    """Workflows that are all open, or all closed."""

    def __init__(self, *, open_: bool) -> None:
        self.open = open_
        self.started: list[str] = []

    async def is_open(self, _workflow_id: str) -> bool:
        return self.open

    async def start(self, plan: RunPlan) -> None:
        self.started.append(plan.workflow_id)


def starter(claims: OneClaim, workflows: Workflows, zone: str = "UTC") -> RunStarter:
    """A starter whose clock stands at noon of the day after MONDAY."""
    rules = StartRules(ZoneInfo(zone), Links("", "default"), WAITS)
    gateway = KnownAccount()
    return RunStarter(claims, gateway, workflows, lambda: NOON, str, rules)  # type: ignore[arg-type]  # All that it asks of a gateway.


@pytest.mark.parametrize(
    ("zone", "day", "is_over"),
    [
        ("UTC", MONDAY, True),
        ("UTC", MONDAY + timedelta(days=1), False),
        ("UTC", MONDAY + timedelta(days=30), False),
        ("Pacific/Kiritimati", MONDAY + timedelta(days=1), True),
        ("Pacific/Honolulu", MONDAY, True),
        ("Pacific/Honolulu", MONDAY + timedelta(days=1), False),
    ],
)
async def test_a_date_must_be_over_in_the_business_zone(
    zone: str, day: date, is_over: bool
) -> None:
    """A date may be run from the midnight that ends it in the business zone on."""
    starting = starter(OneClaim(), Workflows(open_=True), zone).claim(asked(day))

    if is_over:
        assert (await starting).outcome is RunOutcome.STARTED
    else:
        with pytest.raises(ReconciliationError, match="is not over"):
            await starting


@pytest.mark.parametrize(
    ("age", "execution", "open_", "falls"),
    [
        (timedelta(0), "", False, False),
        (CLAIM_GRACE, "", False, True),
        (CLAIM_GRACE, "", True, False),
        (timedelta(0), "e-1", False, True),
        (timedelta(days=2), "e-1", True, False),
    ],
)
async def test_a_claim_falls_when_nobody_works_on_it(
    age: timedelta, execution: str, open_: bool, falls: bool
) -> None:
    """A claim stands while its workflow is open, and a moment before it can have been started."""
    claims = OneClaim(held(NOON - age, execution))

    claimed = await starter(claims, Workflows(open_=open_)).claim(asked())

    assert claimed.outcome is (RunOutcome.STARTED if falls else RunOutcome.ALREADY_RUNNING)
    assert claims.closed == (["0190 FAILED"] if falls else [])
    assert claims.recorded == ([] if falls else [RunOutcome.ALREADY_RUNNING])


async def test_a_workflow_that_was_not_started_is_started_by_whoever_comes() -> None:
    """CreateRun starts the workflow of a claim that has none yet, and of no other."""
    fresh, working = Workflows(open_=True), Workflows(open_=True)

    await starter(OneClaim(held(NOON)), fresh).create(asked())
    await starter(OneClaim(held(NOON, "e-1")), working).create(asked())

    assert fresh.started == ["reconciliation/acme/mock/main/2026-03-02"]
    assert working.started == []
