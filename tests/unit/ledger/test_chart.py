"""Opening and changing accounts."""

import pytest

from services.ledger.domain import chain, chart
from services.ledger.domain.accounts import Account, AccountKind, AccountState, FrozenSide, Policy
from services.ledger.domain.book import Book
from services.ledger.domain.commands import NewAccount
from services.ledger.domain.decisions import Head
from services.ledger.domain.reasons import LedgerError, Reason
from tests.fakes.posts import NOW, changing, move, new_id, opening

BANK = NewAccount("bank", "EUR", AccountKind.ASSET, Policy())
PLAYER = NewAccount("player", "EUR", AccountKind.LIABILITY, Policy(min_available=0))
FROZEN = Policy(None, AccountState.FROZEN, FrozenSide.BOTH)


def empty() -> Book:
    accounts: dict[str, Account] = {}
    return Book(Head("acme", 0, chain.EMPTY, 0, 0, 0), accounts, {}, NOW, new_id)


def refusal(book: Book, *accounts: NewAccount) -> Reason:
    with pytest.raises(LedgerError) as error:
        chart.open_accounts(book, opening("again", *accounts))
    return Reason(error.value.reason)


def test_an_opening_numbers_accounts_and_events() -> None:
    """Keys and event numbers count from one, and each event moves the head's hash."""
    book = empty()
    assert chart.open_accounts(book, opening("o1", BANK, PLAYER)) == [False, False]

    events = book.changes.account_events
    assert [(one.event_number, one.account.key, one.opens) for one in events] == [
        (1, 1, True),
        (2, 2, True),
    ]
    assert book.head.hash == events[1].hash != events[0].hash
    assert events[1].create_micros > events[0].create_micros


def test_an_account_that_exists_alike_is_left_as_it_is() -> None:
    """The same currency and kind is the same account, whatever limits were asked for now."""
    book = empty()
    chart.open_accounts(book, opening("o1", BANK))
    chart.change_account(book, changing("c1", "bank", FROZEN, "state", "frozen_side"))

    assert chart.open_accounts(book, opening("o2", BANK, PLAYER)) == [True, False]
    assert book.accounts["bank"].policy.state is AccountState.FROZEN
    assert book.head.account_count == 2


@pytest.mark.parametrize(
    "other",
    [
        NewAccount("bank", "USD", AccountKind.ASSET, Policy()),
        NewAccount("bank", "EUR", AccountKind.EXPENSE, Policy()),
    ],
)
def test_another_identity_refuses_the_whole_request(other: NewAccount) -> None:
    """An account of another currency or kind refuses all: none is opened, the head stays."""
    book = empty()
    chart.open_accounts(book, opening("o1", BANK))
    before = (book.head.hash, book.head.account_count, len(book.changes.account_requests))

    assert refusal(book, PLAYER, other) is Reason.ACCOUNT_EXISTS_DIFFERENT
    assert "player" not in book.accounts
    assert (book.head.hash, book.head.account_count, len(book.changes.account_requests)) == before


def test_a_change_touches_what_it_names_only() -> None:
    """Of the policy given, only the named fields are taken."""
    book = empty()
    chart.open_accounts(book, opening("o1", PLAYER))
    wanted = Policy(min_available=-5, labels=("vip",), metadata={"k": "v"})
    chart.change_account(book, changing("c1", "player", wanted, "labels"))

    assert book.accounts["player"].policy == Policy(min_available=0, labels=("vip",))


def test_an_account_is_closed_at_zero_only() -> None:
    """With a balance it stays open and no event is recorded; at zero it closes, and refuses."""
    book = empty()
    chart.open_accounts(book, opening("o1", BANK, PLAYER))
    book.post(move("in", "bank", "player", 5))
    closing = changing("c1", "player", Policy(None, AccountState.CLOSED), "state", "frozen_side")
    with pytest.raises(LedgerError) as error:
        chart.change_account(book, closing)
    assert error.value.reason == Reason.ACCOUNT_NOT_EMPTY
    assert book.accounts["player"].policy.state is AccountState.ACTIVE

    book.post(move("out", "player", "bank", 5))
    chart.change_account(book, closing)
    refused = book.post(move("late", "bank", "player", 1))
    assert getattr(refused, "reason", None) is Reason.ACCOUNT_CLOSED


def test_an_account_that_is_thawed_is_frozen_on_no_side() -> None:
    """Leaving the state FROZEN clears the side, so that the two never disagree."""
    policy = chart.merged(FROZEN, Policy(), ["state"])

    assert (policy.state, policy.frozen_side) == (AccountState.ACTIVE, FrozenSide.NONE)


def test_a_change_needs_its_account() -> None:
    """Changing what does not exist is ACCOUNT_NOT_FOUND, and leaves nothing."""
    book = empty()
    with pytest.raises(LedgerError) as error:
        chart.change_account(book, changing("c1", "nowhere", Policy(), "labels"))

    assert error.value.reason == Reason.ACCOUNT_NOT_FOUND
    assert not book.changes
