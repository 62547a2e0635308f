"""BreakService: the breaks of published runs, by every filter, in order."""

from collections.abc import Awaitable
from datetime import timedelta
from uuid import uuid4

import grpc
import pytest

from services.kernel.movements import Pot
from services.platform.errors import RemoteError, from_rpc_error
from services.platform.paging import Page
from services.reconciliation.domain.breaks import BreakKey, Lifecycle
from services.reconciliation.domain.classes import BreakClass, Severity
from services.reconciliation.domain.inputs import RunScope
from services.reconciliation.domain.rows import Comparison
from services.reconciliation.domain.verdict import Verdict
from tests.fakes.recon_client import ReconClient
from tests.fakes.recon_store import MONDAY, Store, scope_of, some_break
from vezne.reconciliation.v1 import break_pb2 as pb
from vezne.reconciliation.v1.break_service_pb2 import ListBreaksRequest
from vezne.type.v1.movement_pb2 import POT_PROVIDER

BREAKS = [
    some_break(1),
    some_break(
        2,
        severity=Severity.P1,
        break_class=BreakClass.ORPHAN_LEDGER,
        key=BreakKey(Comparison.BOOKING, Pot.CLEARING, "deposit-2", "captured", "EUR"),
    ),
    some_break(
        3,
        severity=Severity.PENDING,
        break_class=BreakClass.PENDING_SETTLEMENT,
        previous_class=BreakClass.PENDING_SETTLEMENT,
        lifecycle=Lifecycle.PERSISTING,
    ),
    some_break(
        4,
        lifecycle=Lifecycle.RESOLVED,
        key=BreakKey(Comparison.PROVIDER, Pot.PROVIDER, "ch_4", "capture", "JPY"),
    ),
]


async def refused(call: Awaitable[object]) -> RemoteError:
    """Return what a call is refused with."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return from_rpc_error(error.value)


@pytest.fixture(scope="module")
async def scope(store: Store) -> RunScope:
    """A published date with a break of every kind."""
    made = scope_of(f"t-{uuid4().hex[:8]}")
    await store.run(made, BREAKS)
    return made


def numbers(breaks: list[pb.Break]) -> list[int]:
    """Which of BREAKS these are."""
    return [int(found.break_id, 16) for found in breaks]


async def listed(recon: ReconClient, scope: RunScope, **chosen: object) -> list[int]:
    """The numbers of the breaks that are listed."""
    response = await recon.breaks.ListBreaks(
        ListBreaksRequest(tenant_id=scope.tenant_id, **chosen)  # type: ignore[arg-type]  # The caller's choice.
    )
    return numbers(list(response.breaks))


async def test_the_worst_come_first_then_the_oldest(recon: ReconClient, scope: RunScope) -> None:
    """Breaks are listed by severity, then by age, and a page goes on where the last one ended."""
    asked = ListBreaksRequest(tenant_id=scope.tenant_id, page_size=3)

    first = await recon.breaks.ListBreaks(asked)
    asked.page_token = first.next_page_token
    second = await recon.breaks.ListBreaks(asked)

    assert numbers([*first.breaks, *second.breaks]) == [2, 4, 1, 3]
    assert second.next_page_token == ""


async def test_a_break_says_all_that_is_known(recon: ReconClient, scope: RunScope) -> None:
    """A break holds its amounts, its age, its evidence and what it was."""
    [found] = (
        await recon.breaks.ListBreaks(
            ListBreaksRequest(tenant_id=scope.tenant_id, break_id=f"{1:032x}")
        )
    ).breaks
    [pending] = (
        await recon.breaks.ListBreaks(ListBreaksRequest(tenant_id=scope.tenant_id, key="ch_3"))
    ).breaks

    assert found.comparison == pb.COMPARISON_PROVIDER
    assert found.pot == POT_PROVIDER
    assert (found.outside_minor, found.ledger_minor, found.difference_minor) == (1_200, 1_000, 200)
    assert found.first_seen_date == (MONDAY - timedelta(days=1)).isoformat()
    assert found.age_days == 1
    assert list(found.evidence_row_ids) == ["S 1:1:movement", "L 1:P:EUR"]
    assert found.previous_class == pb.BREAK_CLASS_UNSPECIFIED
    assert not found.HasField("expected_minor")
    assert not found.unproven
    assert pending.previous_class == pb.BREAK_CLASS_PENDING_SETTLEMENT
    assert pending.lifecycle == pb.BREAK_LIFECYCLE_PERSISTING


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"business_date": MONDAY.isoformat()}, [2, 4, 1, 3]),
        ({"business_date": "2026-03-03"}, []),
        ({"provider": "mock", "provider_account": "main"}, [2, 4, 1, 3]),
        ({"provider": "other"}, []),
        ({"comparisons": [pb.COMPARISON_BOOKING]}, [2]),
        ({"comparisons": [pb.COMPARISON_TRANSIT]}, []),
        ({"break_classes": [pb.BREAK_CLASS_AMOUNT_OVER]}, [4, 1]),
        ({"severities": [pb.SEVERITY_P1, pb.SEVERITY_PENDING]}, [2, 3]),
        ({"lifecycles": [pb.BREAK_LIFECYCLE_NEW]}, [2, 1]),
        ({"open_only": True}, [2, 1, 3]),
        ({"currency_code": "JPY"}, [4]),
        ({"key": "deposit-2"}, [2]),
        ({"from_first_seen_date": "2026-02-28"}, [2, 1]),
        ({"through_first_seen_date": "2026-02-27"}, [4, 3]),
    ],
)
async def test_filters_hold(
    recon: ReconClient, scope: RunScope, chosen: dict[str, object], expected: list[int]
) -> None:
    """Each filter lets through exactly what it names."""
    assert await listed(recon, scope, **chosen) == expected


async def test_without_a_run_the_last_that_read_something_speaks(
    recon: ReconClient, store: Store
) -> None:
    """The default is each account's last run; one that could read nothing hides nothing."""
    scope = scope_of(f"t-{uuid4().hex[:8]}")
    await store.run(scope, [some_break(1)])
    other = await store.run(scope_of(scope.tenant_id, MONDAY, "second"), [some_break(5)])
    nothing = await store.start(scope_of(scope.tenant_id, MONDAY + timedelta(days=1)))
    await store.publish_nothing(nothing)

    assert sorted(await listed(recon, scope)) == [1, 5]
    assert await listed(recon, scope, run_id=other.run_id) == [5]


async def test_an_incomplete_run_lists_unproven(recon: ReconClient, store: Store) -> None:
    """The breaks of an INCOMPLETE run are listed, and each says that nothing is proven by it."""
    scope = scope_of(f"t-{uuid4().hex[:8]}")
    await store.run(scope, [some_break(1)], verdict=Verdict.INCOMPLETE)

    [found] = (await recon.breaks.ListBreaks(ListBreaksRequest(tenant_id=scope.tenant_id))).breaks

    assert found.unproven


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"currency_code": "XXQ"}, "UNKNOWN_CURRENCY"),
        ({"run_id": "0190a1b2-0000-7000-8000-000000000000"}, "RUN_NOT_FOUND"),
        ({"run_id": "1"}, "INVALID_REQUEST"),
        ({"business_date": "2026-02-30"}, "INVALID_REQUEST"),
        ({"severities": [0]}, "INVALID_REQUEST"),
        ({"page_token": "bm90IGEgdG9rZW4gb2Ygb3VycyE="}, "INVALID_PAGE_TOKEN"),
    ],
)
async def test_list_breaks_refuses(
    recon: ReconClient, scope: RunScope, chosen: dict[str, object], reason: str
) -> None:
    """What is wrong in a filter is refused by its reason."""
    request = ListBreaksRequest(tenant_id=scope.tenant_id, **chosen)  # type: ignore[arg-type]  # The caller's choice.

    assert (await refused(recon.breaks.ListBreaks(request))).reason == reason


async def test_a_misspelt_provider_account_is_not_good_news(recon: ReconClient) -> None:
    """An account that does not exist is refused, where an empty list would say that all is well."""
    request = ListBreaksRequest(tenant_id="acme", provider="mock", provider_account="mian")

    assert (await refused(recon.breaks.ListBreaks(request))).reason == "PROVIDER_ACCOUNT_NOT_FOUND"


@pytest.mark.parametrize("position", ["9/2026-03-02/x/y", "0/2026-02-30/0/0", "nothing", "////"])
async def test_a_made_up_token_is_refused(
    recon: ReconClient, scope: RunScope, position: str
) -> None:
    """A token that fits its request and says no position of the list is refused as damaged."""
    asked = ListBreaksRequest(tenant_id=scope.tenant_id)
    asked.page_token = Page.of(asked).token_after(position)

    assert (await refused(recon.breaks.ListBreaks(asked))).reason == "INVALID_PAGE_TOKEN"
