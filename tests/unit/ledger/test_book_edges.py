"""The edges of the book that random histories seldom reach."""

from collections.abc import Mapping

import pytest

from services.ledger.domain import chain
from services.ledger.domain.accounts import (
    Account,
    AccountKind,
    AccountState,
    FrozenSide,
    Policy,
)
from services.ledger.domain.book import Book
from services.ledger.domain.decisions import Head, Outcome, Posted, Refused
from services.ledger.domain.posting import EFFECTIVE_AHEAD_MICROS
from services.ledger.domain.reasons import Reason
from tests.fakes.posts import INT64_MAX, INT64_MIN, NOW, move, new_id, post


def account(
    account_id: str, kind: AccountKind, posted: int = 0, policy: Policy | None = None
) -> Account:
    made = Account(len(account_id), account_id, "EUR", kind, policy or Policy())
    made.posted = posted
    return made


def book(*accounts: Account, now: int = NOW, last: int = 0) -> Book:
    head = Head("acme", 0, chain.EMPTY, last, len(accounts), 0)
    return Book(head, {one.account_id: one for one in accounts}, {}, now, new_id)


def bank(posted: int = 0) -> Account:
    return account("bank", AccountKind.ASSET, posted)


def reason(decision: Outcome) -> Reason | None:
    return decision.reason if isinstance(decision, Refused) else None


def left(decision: Outcome) -> Mapping[str, int]:
    assert isinstance(decision, Posted)
    return {one.account_id: one.posted for one in decision.balances}


@pytest.mark.parametrize("kind", [*AccountKind])
def test_the_normal_side_adds(kind: AccountKind) -> None:
    """A debit adds to assets and expenses and takes from the others; a credit the other way."""
    adds = kind in {AccountKind.ASSET, AccountKind.EXPENSE}
    other = account("other", AccountKind.ASSET)

    assert left(book(account("it", kind), other).decide(move("r", "it", "other", 5)))["it"] == (
        5 if adds else -5
    )
    assert left(book(account("it", kind), other).decide(move("r", "other", "it", 5)))["it"] == (
        -5 if adds else 5
    )


@pytest.mark.parametrize(
    ("kind", "start", "fits"),
    [
        (AccountKind.ASSET, INT64_MAX - 1, True),
        (AccountKind.ASSET, INT64_MAX, False),
        (AccountKind.LIABILITY, INT64_MIN + 1, True),
        (AccountKind.LIABILITY, INT64_MIN, False),
    ],
)
def test_a_balance_reaches_both_ends_of_int64_and_not_more(
    kind: AccountKind, start: int, fits: bool
) -> None:
    """A debit of one brings an asset to the top and a liability to the bottom, and no further."""
    it = account("it", kind, start)
    decision = book(it, bank()).decide(move("r", "it", "bank", 1))

    assert reason(decision) == (None if fits else Reason.OUT_OF_RANGE)
    assert it.posted == (start + (1 if kind is AccountKind.ASSET else -1) if fits else start)


def test_the_largest_amount_can_go_in_and_out() -> None:
    """An amount of 2**63 - 1 is posted and taken back exactly."""
    it = book(bank(), account("player", AccountKind.LIABILITY, policy=Policy(min_available=0)))
    assert left(it.decide(move("in", "bank", "player", INT64_MAX))) == {
        "bank": INT64_MAX,
        "player": INT64_MAX,
    }
    assert left(it.decide(move("out", "player", "bank", INT64_MAX))) == {"bank": 0, "player": 0}


def test_limits_are_judged_entry_by_entry_in_order() -> None:
    """Money that a later leg brings does not cover an earlier leg; in the other order it does."""
    player = account("player", AccountKind.LIABILITY, policy=Policy(min_available=0))
    take, give = [("player", 5), ("bank", -5)], [("bank", 5), ("player", -5)]

    assert reason(book(player, bank()).decide(post("r", *take, *give))) == (
        Reason.INSUFFICIENT_AVAILABLE
    )
    assert player.version == 0
    decision = book(player, bank()).decide(post("r", *give, *take))
    assert left(decision) == {"bank": 0, "player": 0}
    assert isinstance(decision, Posted)
    assert [one.version for one in decision.balances] == [2, 2]


def test_a_refusal_in_the_last_leg_restores_an_account_of_several_legs() -> None:
    """An account that earlier legs moved twice is put back to where it was before the first."""
    player = account("player", AccountKind.LIABILITY, 3, Policy(min_available=0))
    it = book(player, bank(7))
    legs = [("bank", 9), ("player", -4), ("player", -5), ("player", 99), ("bank", -99)]
    refused = it.decide(post("r", *legs))

    assert reason(refused) == Reason.INSUFFICIENT_AVAILABLE
    assert (player.posted, player.version, player.sequence) == (3, 0, 0)
    assert it.accounts["bank"].posted == 7
    assert it.changes.transactions == []
    assert it.head.sequence == 0


def test_an_account_can_pay_itself() -> None:
    """Both legs on one account leave its balance and count as two entries."""
    decision = book(bank(4)).decide(move("r", "bank", "bank", 9))

    assert isinstance(decision, Posted)
    assert [(one.posted, one.version) for one in decision.balances] == [(4, 2)]


def test_an_entry_that_adds_is_never_held_against_a_limit() -> None:
    """An account below a limit that was tightened since can be paid into, though not from."""
    poor = account("poor", AccountKind.ASSET, -50, Policy(min_available=0))

    assert left(book(poor, bank()).decide(move("r1", "poor", "bank", 10)))["poor"] == -40
    assert reason(book(poor, bank()).decide(move("r2", "bank", "poor", 1))) == (
        Reason.INSUFFICIENT_AVAILABLE
    )


@pytest.mark.parametrize("limit", [0, -500, 300, INT64_MIN])
def test_a_limit_is_reached_and_not_crossed(limit: int) -> None:
    """All that is above the limit can be taken, and not one minor unit more."""
    rich = account("rich", AccountKind.ASSET, limit + 10, Policy(min_available=limit))

    assert left(book(rich, bank()).decide(move("r1", "bank", "rich", 10)))["rich"] == limit
    refused = book(rich, bank()).decide(move("r2", "bank", "rich", 1))
    assert reason(refused) == (
        Reason.OUT_OF_RANGE if limit == INT64_MIN else Reason.INSUFFICIENT_AVAILABLE
    )


def test_an_insufficient_refusal_says_what_was_available() -> None:
    """The metadata names the account, what it had, its limit, and what was asked."""
    poor = account("poor", AccountKind.ASSET, 30, Policy(min_available=-5))
    refused = book(poor, bank()).decide(move("r", "bank", "poor", 36))

    assert isinstance(refused, Refused)
    assert refused.metadata == {
        "account_id": "poor",
        "available_minor": "30",
        "limit_minor": "-5",
        "asked_minor": "36",
    }


@pytest.mark.parametrize("side", [FrozenSide.DEBIT, FrozenSide.CREDIT, FrozenSide.BOTH])
def test_a_frozen_account_refuses_its_side_only(side: FrozenSide) -> None:
    """DEBIT refuses debits, CREDIT credits, BOTH both."""
    frozen = account("frozen", AccountKind.ASSET, policy=Policy(None, AccountState.FROZEN, side))

    debit = book(frozen, bank()).decide(move("r1", "frozen", "bank", 1))
    credit = book(frozen, bank()).decide(move("r2", "bank", "frozen", 1))
    refuses = {FrozenSide.DEBIT: (1, 0), FrozenSide.CREDIT: (0, 1), FrozenSide.BOTH: (1, 1)}
    assert (
        reason(debit) is Reason.ACCOUNT_FROZEN,
        reason(credit) is Reason.ACCOUNT_FROZEN,
    ) == tuple(bool(one) for one in refuses[side])


@pytest.mark.parametrize(
    ("ahead", "refused"), [(EFFECTIVE_AHEAD_MICROS, False), (EFFECTIVE_AHEAD_MICROS + 1, True)]
)
def test_the_effective_time_is_at_most_five_minutes_ahead(ahead: int, refused: bool) -> None:
    """Five minutes to the microsecond pass; any time of the past does."""
    decision = book(bank()).decide(post("r", ("bank", 1), ("bank", -1), effective=NOW + ahead))

    assert (reason(decision) is Reason.EFFECTIVE_TIME_OUT_OF_WINDOW) is refused
    long_ago = post("r2", ("bank", 1), ("bank", -1), effective=-62_135_596_800_000_000)
    assert reason(book(bank()).decide(long_ago)) is None


@pytest.mark.parametrize("last", [NOW, NOW - 1, NOW + 10**12])
def test_times_rise_whatever_the_clock_says(last: int) -> None:
    """A record is later than the one before it, even while the clock stands or is behind."""
    it = book(bank(), now=NOW, last=last)
    decisions = [it.decide(move(f"r{number}", "bank", "bank", 1)) for number in range(3)]

    begins = max(NOW, last + 1)
    assert [one.create_micros for one in decisions if isinstance(one, Posted)] == [
        begins,
        begins + 1,
        begins + 2,
    ]


def test_an_account_that_does_not_exist_may_come_to_exist() -> None:
    """The refusal for a missing account is not remembered: the same request can pass later."""
    it = book(bank())
    assert reason(it.decide(move("r", "bank", "new", 1))) is Reason.ACCOUNT_NOT_FOUND
    assert not it.changes

    it.accounts["new"] = account("new", AccountKind.LIABILITY)
    assert reason(it.decide(move("r", "bank", "new", 1))) is None


def test_a_two_currency_transaction_moves_four_accounts() -> None:
    """An exchange is one transaction that balances in each currency by itself."""
    dollars = [Account(n, f"usd{n}", "USD", AccountKind.ASSET, Policy()) for n in (1, 2)]
    euros = [Account(n, f"eur{n}", "EUR", AccountKind.ASSET, Policy()) for n in (3, 4)]
    decision = book(*dollars, *euros).decide(
        post("fx", ("eur3", 92), ("eur4", -92), ("usd1", -100, "USD"), ("usd2", 100, "USD"))
    )

    assert left(decision) == {"eur3": 92, "eur4": -92, "usd1": -100, "usd2": 100}
