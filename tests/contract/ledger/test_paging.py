"""Pages: nothing is lost or told twice, whatever happens between them, and tokens are bound."""

import base64
from typing import Any

import pytest
from google.protobuf.message import Message

from services.platform.paging import Page
from tests.fakes.ledger_rpcs import BANK, PLAYER, RPCS, TENANT, Rpc, open_books
from tests.fakes.ledger_server import LedgerClient, asset, transfer
from tests.fakes.refusals import refusal
from vezne.ledger.v1.account_service_pb2 import ListAccountsRequest
from vezne.ledger.v1.journal_service_pb2 import ListEntriesRequest

LISTS = {name: rpc for name, rpc in RPCS.items() if name.startswith("List")}


@pytest.fixture(scope="module", autouse=True)
async def books(ledger: LedgerClient) -> None:
    """Enough of everything for two pages of one."""
    await open_books(ledger)
    await ledger.tenant("another")


async def first_page(ledger: LedgerClient, rpc: Rpc) -> tuple[Any, Any]:
    """A request for one item, and its answer."""
    request: Any = rpc.sound("")
    request.page_size = 1
    return request, await rpc.call(ledger, request)


@pytest.mark.parametrize("rpc", LISTS.values(), ids=LISTS)
async def test_a_token_goes_on_where_the_page_ended(ledger: LedgerClient, rpc: Rpc) -> None:
    """The second page does not repeat the first, and the page size may change between."""
    request, first = await first_page(ledger, rpc)
    request.page_token, request.page_size = first.next_page_token, 1000
    second = await rpc.call(ledger, request)

    [items] = [
        field.name
        for field in first.DESCRIPTOR.fields
        if field.name in {"tenants", "accounts", "entries"}
    ]
    assert len(getattr(first, items)) == 1
    assert getattr(first, items)[0] not in getattr(second, items)
    assert len(getattr(second, items)) >= 1
    assert second.next_page_token == ""


@pytest.mark.parametrize("rpc", LISTS.values(), ids=LISTS)
async def test_a_damaged_token_is_refused(ledger: LedgerClient, rpc: Rpc) -> None:
    """Any character changed, dropped or added makes it INVALID_PAGE_TOKEN."""
    request, first = await first_page(ledger, rpc)
    token = first.next_page_token
    damaged = [token[:place] + "A" + token[place + 1 :] for place in range(0, len(token) - 4, 3)]
    damaged += [token[:-1], token[4:], f"{token}AAAA", "é", "\0", "===="]
    for wrong in damaged:
        if wrong == token:
            continue
        request.page_token = wrong
        refused = await refusal(rpc.call(ledger, request))
        assert (refused.reason, refused.fields) == ("INVALID_PAGE_TOKEN", ("page_token",))


@pytest.mark.parametrize("rpc", LISTS.values(), ids=LISTS)
async def test_a_token_of_another_list_is_refused(ledger: LedgerClient, rpc: Rpc) -> None:
    """A token opens only the list that gave it."""
    request, _ = await first_page(ledger, rpc)
    for other in LISTS.values():
        if other is not rpc:
            request.page_token = (await first_page(ledger, other))[1].next_page_token
            assert (await refusal(rpc.call(ledger, request))).reason == "INVALID_PAGE_TOKEN"


async def test_a_token_is_bound_to_its_filters(ledger: LedgerClient) -> None:
    """With another filter, or another tenant, the token is another request's."""
    request = ListAccountsRequest(tenant_id=TENANT, page_size=1)
    token = (await ledger.accounts.ListAccounts(request)).next_page_token
    for chosen in ({"prefix": "a"}, {"tenant_id": "another"}, {"label": "l"}):
        other = ListAccountsRequest(**{"tenant_id": TENANT, "page_token": token, **chosen})
        refused = await refusal(ledger.accounts.ListAccounts(other))
        assert refused.reason == "INVALID_PAGE_TOKEN"


FORGED = ["1:1.1", "1.1", "1.2.3.4", "x.y.z", f"1.{10**19}.1", "1.1.99999", "-1.1.1", "\0", "٣.1.1"]


@pytest.mark.parametrize("position", FORGED)
async def test_a_token_that_a_client_made_is_no_crash(ledger: LedgerClient, position: str) -> None:
    """The token's digest has no key, so its position is checked like any input."""
    asked: list[tuple[Any, Message]] = [
        (ledger.journal.ListEntries, ListEntriesRequest(tenant_id=TENANT, account_id=BANK)),
        (ledger.accounts.ListAccounts, ListAccountsRequest(tenant_id=TENANT)),
    ]
    for method, request in asked:
        request.page_token = Page.of(request).token_after(position)  # type: ignore[attr-defined]  # Both are lists.
        try:
            await method(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at.
            refused = await refusal(_raised(error))
            assert refused.reason in {"INVALID_PAGE_TOKEN", "SEQUENCE_NOT_REACHED"}


async def _raised(error: Exception) -> None:
    raise error


async def test_tokens_are_urls_safe(ledger: LedgerClient) -> None:
    """A token may stand in a URL or a log line as it is."""
    _, first = await first_page(ledger, LISTS["ListAccounts"])
    base64.urlsafe_b64decode(first.next_page_token)

    assert not set("+/ ") & set(first.next_page_token)


async def test_a_statement_stands_still_while_entries_arrive(ledger: LedgerClient) -> None:
    """Its pages are of the first page's cut: new entries neither shift nor lengthen it."""
    request = ListEntriesRequest(tenant_id=TENANT, account_id=PLAYER, page_size=2)
    whole = await ledger.journal.ListEntries(
        ListEntriesRequest(tenant_id=TENANT, account_id=PLAYER)
    )
    pages = []
    while True:
        page = await ledger.journal.ListEntries(request)
        pages.append(page)
        await ledger.post(TENANT, f"between-{len(pages)}", transfer(BANK, PLAYER, 1))
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token

    assert [line for page in pages for line in page.entries] == [*whole.entries]
    for page in pages:
        assert (page.opening, page.closing, page.cut) == (
            whole.opening,
            whole.closing,
            whole.cut,
        )


async def test_accounts_opened_between_pages_lose_none(ledger: LedgerClient) -> None:
    """An account that was there at the first page is told once, whatever is opened meanwhile."""
    await ledger.open(TENANT, *(asset(f"paged/{name}") for name in "bdfh"))
    request = ListAccountsRequest(tenant_id=TENANT, prefix="paged/", page_size=1)
    seen = []
    for name in "aceg":
        page = await ledger.accounts.ListAccounts(request)
        seen += [account.account_id for account in page.accounts]
        await ledger.open(TENANT, asset(f"paged/{name}"))
        request.page_token = page.next_page_token

    assert seen == sorted(set(seen))
    assert {f"paged/{name}" for name in "bd"} <= set(seen)
