"""Page tokens: they say where a list goes on, to the request that they belong to only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import DomainError
from services.platform.paging import Page
from vezne.ledger.v1.account_service_pb2 import ListAccountsRequest
from vezne.ledger.v1.tenant_service_pb2 import ListTenantsRequest

positions = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def request(**chosen: object) -> ListAccountsRequest:
    return ListAccountsRequest(**{"tenant_id": "acme", **chosen})


@given(positions, st.integers(0, 5000))
def test_a_token_brings_its_position_back(position: str, size: int) -> None:
    """With any page size, because that may change from page to page."""
    token = Page.of(request(prefix="a")).token_after(position)

    assert Page.of(request(prefix="a", page_token=token, page_size=size)).after == position


@pytest.mark.parametrize(
    ("asked", "size"), [(0, 100), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)]
)
def test_the_size_of_a_page(asked: int, size: int) -> None:
    """0 asks for 100, and more than 1,000 is coerced."""
    assert Page.of(request(page_size=asked)).size == size


@given(positions, st.integers(0, 400), st.integers(1, 127))
def test_a_damaged_token_is_refused(position: str, place: int, change: int) -> None:
    """Changing any character, also one whose bits nothing reads, makes it invalid."""
    token = Page.of(request()).token_after(position)
    place %= len(token)
    damaged = token[:place] + chr(ord(token[place]) ^ change) + token[place + 1 :]

    with pytest.raises(DomainError) as error:
        Page.of(request(page_token=damaged))
    assert error.value.reason == "INVALID_PAGE_TOKEN"
    assert error.value.violations[0].field == "page_token"


def test_a_token_of_another_request_is_refused() -> None:
    """Another filter, another tenant, another method: each is another request."""
    token = Page.of(request(prefix="a")).token_after("x")
    for other in (
        request(prefix="b", page_token=token),
        request(prefix="a", tenant_id="another", page_token=token),
        ListTenantsRequest(page_token=token),
    ):
        with pytest.raises(DomainError, match="another request"):
            Page.of(other)


def test_a_next_token_is_given_where_there_is_more() -> None:
    """One more than a page was looked for: if it was found, there is a next page."""
    page = Page.of(request(page_size=2))

    assert page.next_token(["a", "b"], str) == ""
    assert page.next_token(["a", "b", "c"], str) == page.token_after("b")


@given(st.lists(st.integers(0, 10**18 - 1), min_size=1, max_size=4))
def test_a_position_of_numbers_is_read_as_such(numbers: list[int]) -> None:
    """What was written as numbers joined by points comes back as numbers."""
    token = Page.of(request()).token_after(".".join(map(str, numbers)))

    assert Page.of(request(page_token=token)).numbers(len(numbers)) == numbers
    with pytest.raises(DomainError):
        Page.of(request(page_token=token)).numbers(len(numbers) + 1)


@pytest.mark.parametrize("position", ["", "x", "1.", "-1.2", "1.2.3", "1.²", f"1.{10**18}"])
def test_a_position_that_a_client_made_up_is_refused(position: str) -> None:
    """The digest has no key, so what it covers is checked like any input."""
    token = Page.of(request()).token_after(position)

    with pytest.raises(DomainError) as error:
        Page.of(request(page_token=token)).numbers(2)
    assert error.value.reason == "INVALID_PAGE_TOKEN"
