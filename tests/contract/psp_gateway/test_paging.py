"""Pages: nothing is lost or told twice, and tokens are bound to their request."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.platform.paging import Page
from tests.fakes.gateway_rpcs import LISTS, Rpc, World, open_world
from tests.fakes.gateway_server import Stack
from tests.fakes.refusals import refusal

FORGED = ["", "x", "1", "2026-01-01", "2026-01-01/x", "2026-13-01/" + "0" * 32, "\0", "/", "é"]
TOO_LARGE = 2**31 - 1


@pytest.fixture(scope="module")
async def world(stack: Stack) -> World:
    """Two of everything that is listed, at least."""
    return await open_world(stack)


def ids_in(answer: Any) -> Sequence[str]:
    """The ids of what a list answered with: each message begins with its id."""
    [name] = [field.name for field in answer.DESCRIPTOR.fields if field.is_repeated]
    return [getattr(one, one.DESCRIPTOR.fields[0].name) for one in getattr(answer, name)]


async def first_page(stack: Stack, world: World, rpc: Rpc) -> tuple[Any, Any]:
    """A request for one item, and its answer."""
    request: Any = rpc.sound(world, "")
    request.page_size = 1
    return request, await rpc.call(stack.channel, request)


@pytest.mark.parametrize("rpc", LISTS.values(), ids=LISTS)
async def test_pages_hold_each_item_once(stack: Stack, world: World, rpc: Rpc) -> None:
    """Page by page it is the whole list, in its order; the page size may change between."""
    whole = ids_in(await rpc.call(stack.channel, rpc.sound(world, "")))
    request, page = await first_page(stack, world, rpc)
    found = [*ids_in(page)]
    while page.next_page_token:
        request.page_token, request.page_size = page.next_page_token, 2
        page = await rpc.call(stack.channel, request)
        assert 1 <= len(ids_in(page)) <= 2
        found += ids_in(page)

    assert len(whole) >= 2
    assert found == whole


@pytest.mark.parametrize("rpc", LISTS.values(), ids=LISTS)
async def test_a_page_size_is_coerced(stack: Stack, world: World, rpc: Rpc) -> None:
    """More than the most is answered as the most; less than none is refused."""
    request: Any = rpc.sound(world, "")
    request.page_size = TOO_LARGE
    assert len(ids_in(await rpc.call(stack.channel, request))) >= 2
    request.page_size = -1
    refused = await refusal(rpc.call(stack.channel, request))

    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("page_size",))


@pytest.mark.parametrize("rpc", LISTS.values(), ids=LISTS)
async def test_a_damaged_token_is_refused(stack: Stack, world: World, rpc: Rpc) -> None:
    """Any character changed, dropped or added makes it INVALID_PAGE_TOKEN."""
    request, first = await first_page(stack, world, rpc)
    token = first.next_page_token
    damaged = [token[:place] + "A" + token[place + 1 :] for place in range(0, len(token) - 4, 5)]
    damaged += [token[:-1], token[4:], f"{token}AAAA", "é", "\0", "===="]
    for wrong in damaged:
        if wrong == token:
            continue
        request.page_token = wrong
        refused = await refusal(rpc.call(stack.channel, request))
        assert (refused.reason, refused.fields) == ("INVALID_PAGE_TOKEN", ("page_token",))


@pytest.mark.parametrize("rpc", LISTS.values(), ids=LISTS)
async def test_a_token_is_of_one_list_and_its_filters(stack: Stack, world: World, rpc: Rpc) -> None:
    """With another filter, for another tenant or for another list, the token is refused."""
    request, first = await first_page(stack, world, rpc)
    for other in LISTS.values():
        asked: Any = other.sound(world, "")
        asked.page_token = first.next_page_token
        if other is rpc:
            asked.provider = "mock"
        assert (await refusal(other.call(stack.channel, asked))).reason == "INVALID_PAGE_TOKEN"
    request.page_token, request.tenant_id = first.next_page_token, "globex"

    assert (await refusal(rpc.call(stack.channel, request))).reason == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize("rpc", LISTS.values(), ids=LISTS)
async def test_a_token_that_a_client_made_is_no_crash(stack: Stack, world: World, rpc: Rpc) -> None:
    """The token's digest has no key, so its position is checked like any input."""
    for position in FORGED:
        request: Any = rpc.sound(world, "")
        request.page_token = Page.of(request).token_after(position)
        refused = await refusal(rpc.call(stack.channel, request))
        assert (refused.reason, refused.fields) == ("INVALID_PAGE_TOKEN", ("page_token",))
