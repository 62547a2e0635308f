"""Opening and changing accounts."""

import pytest

from services.ledger.domain import chain
from services.ledger.domain.account_changes import merged
from services.ledger.domain.accounts import Account, AccountKind, AccountState, FrozenSide, Policy
from services.ledger.domain.book import Book
from services.ledger.domain.commands import NewAccount
from services.ledger.domain.decisions import Changed, Head, Opened, Outcome, Refused
from services.ledger.domain.reasons import Reason
from tests.fakes.posts import NOW, changing, move, new_id, opening

BANK = NewAccount("bank", "EUR", AccountKind.ASSET, Policy())
PLAYER = NewAccount("player", "EUR", AccountKind.LIABILITY, Policy(min_available=0))
FROZEN = Policy(None, AccountState.FROZEN, FrozenSide.BOTH)


def empty() -> Book:
    accounts: dict[str, Account] = {}
    return Book(Head("acme", 0, chain.EMPTY, 0, 0, 0), accounts, {}, NOW, new_id)


def reason(outcome: Outcome) -> Reason | None:
    return outcome.reason if isinstance(outcome, Refused) else None


def test_an_opening_numbers_accounts_and_events() -> None:
    """Keys and event numbers count from one, and each event moves the head's hash."""
    book = empty()
    assert book.decide(opening("o1", BANK, PLAYER)) == Opened([False, False])

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
    book.decide(opening("o1", BANK))
    book.decide(changing("c1", "bank", FROZEN, "state", "frozen_side"))

    assert book.decide(opening("o2", BANK, PLAYER)) == Opened([True, False])
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
    book.decide(opening("o1", BANK))
    before = (book.head.hash, book.head.account_count, len(book.changes.account_requests))

    assert reason(book.decide(opening("again", PLAYER, other))) is Reason.ACCOUNT_EXISTS_DIFFERENT
    assert "player" not in book.accounts
    assert (book.head.hash, book.head.account_count, len(book.changes.account_requests)) == before


def test_a_change_touches_what_it_names_only() -> None:
    """Of the policy given, only the named fields are taken."""
    book = empty()
    book.decide(opening("o1", PLAYER))
    wanted = Policy(min_available=-5, labels=("vip",), metadata={"k": "v"})
    book.decide(changing("c1", "player", wanted, "labels"))

    assert book.accounts["player"].policy == Policy(min_available=0, labels=("vip",))


def test_an_account_is_closed_at_zero_only() -> None:
    """With a balance it stays open and no event is recorded; at zero it closes, and refuses."""
    book = empty()
    book.decide(opening("o1", BANK, PLAYER))
    book.decide(move("in", "bank", "player", 5))
    closing = changing("c1", "player", Policy(None, AccountState.CLOSED), "state", "frozen_side")
    assert reason(book.decide(closing)) is Reason.ACCOUNT_NOT_EMPTY
    assert book.accounts["player"].policy.state is AccountState.ACTIVE

    book.decide(move("out", "player", "bank", 5))
    book.decide(closing)
    refused = book.decide(move("late", "bank", "player", 1))
    assert reason(refused) is Reason.ACCOUNT_CLOSED


def test_an_account_that_is_thawed_is_frozen_on_no_side() -> None:
    """Leaving the state FROZEN clears the side, so that the two never disagree."""
    policy = merged(FROZEN, Policy(), ["state"])

    assert (policy.state, policy.frozen_side) == (AccountState.ACTIVE, FrozenSide.NONE)


def test_a_change_needs_its_account() -> None:
    """Changing what does not exist is ACCOUNT_NOT_FOUND, and leaves nothing."""
    book = empty()
    refused = book.decide(changing("c1", "nowhere", Policy(), "labels"))

    assert reason(refused) is Reason.ACCOUNT_NOT_FOUND
    assert not book.changes


def test_a_change_answers_with_the_account_and_its_times() -> None:
    """The answer is the account as it is now, opened when it was and changed just now."""
    book = empty()
    book.decide(opening("o1", BANK, PLAYER))
    changed = book.decide(changing("c1", "player", Policy(labels=("vip",)), "labels"))

    opened, update = book.changes.account_events[1:]
    assert isinstance(changed, Changed)
    assert changed.account.policy == Policy(min_available=0, labels=("vip",))
    assert (changed.account.create_micros, changed.account.update_micros) == (
        opened.create_micros,
        update.create_micros,
    )


def test_a_passing_refusal_leaves_its_request_id_free() -> None:
    """What the rules do not remember is not remembered inside a unit of work either."""
    book = empty()
    closing = changing("c1", "player", Policy(None, AccountState.CLOSED), "state", "frozen_side")
    assert reason(book.decide(closing)) is Reason.ACCOUNT_NOT_FOUND
    assert book.decide(opening("c1", BANK, PLAYER)) == Opened([False, False])
    assert reason(book.decide(closing)) is Reason.REQUEST_ID_REUSED


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_request_id_is_one_whatever_it_was_used_for(first: int) -> None:
    """After a posting, an opening or a change, each of the others is REQUEST_ID_REUSED."""
    book = empty()
    book.decide(opening("o1", BANK, PLAYER))
    commands = [
        move("same", "bank", "player", 5),
        opening("same", BANK),
        changing("same", "bank", Policy(labels=("vip",)), "labels"),
    ]
    outcome = book.decide(commands[first])
    again = [book.decide(command) for command in commands]

    assert reason(outcome) is None
    assert again.pop(first) == outcome._replace(replayed=True)
    assert [reason(one) for one in again] == [Reason.REQUEST_ID_REUSED] * 2
