"""Of several reasons that apply to a transaction, the book answers the first of the contract."""

from collections.abc import Callable, Mapping
from itertools import combinations

import pytest

from services.ledger.domain import chain
from services.ledger.domain.accounts import Account, AccountKind, AccountState, FrozenSide, Policy
from services.ledger.domain.book import Book
from services.ledger.domain.commands import Post
from services.ledger.domain.decisions import Head, Known, Refused
from services.ledger.domain.reasons import Reason
from tests.fakes.posts import INT64_MAX, INT64_MIN, NOW, new_id, post

Leg = tuple[str, int, str]


def account(account_id: str, policy: Policy, posted: int = 0, currency: str = "EUR") -> Account:
    made = Account(len(account_id), account_id, currency, AccountKind.ASSET, policy)
    made.posted = posted
    return made


def accounts() -> Mapping[str, Account]:
    closed, frozen = (
        Policy(None, AccountState.CLOSED),
        Policy(None, AccountState.FROZEN, FrozenSide.BOTH),
    )
    return {
        one.account_id: one
        for one in (
            account("bank", Policy()),
            account("dollars", Policy(), currency="USD"),
            account("closed", closed),
            account("frozen", frozen),
            account("full", Policy(), INT64_MAX),
            # At the bottom of int64, and below a limit that was set since: both refuse a credit.
            account("lowest", Policy(min_available=0), INT64_MIN),
            account("poor", Policy(min_available=0)),
        )
    }


def to(account_id: str, currency: str = "EUR") -> list[Leg]:
    return [(account_id, 1, currency), ("bank", -1, currency)]


def out_of(account_id: str) -> list[Leg]:
    return [("bank", 1, "EUR"), (account_id, -1, "EUR")]


# What makes each reason apply. The request id and the time are no legs: they are set beside.
LEGS: Mapping[Reason, Callable[[], list[Leg]]] = {
    Reason.REQUEST_ID_REUSED: list,
    Reason.ACCOUNT_NOT_FOUND: lambda: to("nowhere"),
    Reason.CURRENCY_MISMATCH: lambda: to("dollars"),
    Reason.EFFECTIVE_TIME_OUT_OF_WINDOW: list,
    Reason.ACCOUNT_CLOSED: lambda: to("closed"),
    Reason.ACCOUNT_FROZEN: lambda: to("frozen"),
    Reason.OUT_OF_RANGE: lambda: out_of("lowest"),
    Reason.INSUFFICIENT_AVAILABLE: lambda: out_of("poor"),
}


def command(reasons: set[Reason]) -> Post:
    """A transaction to which all of `reasons` apply, the later ones in its earlier legs."""
    legs = [leg for reason in reversed(Reason) if reason in reasons for leg in LEGS[reason]()]
    if Reason.OUT_OF_RANGE in reasons:
        # Limits are judged entry by entry, so the two meet in one entry, and it comes first.
        legs = LEGS[Reason.OUT_OF_RANGE]() + legs
    ahead = NOW * 2 if Reason.EFFECTIVE_TIME_OUT_OF_WINDOW in reasons else None
    return post("r", *(legs or to("bank")), effective=ahead)


def answered(reasons: set[Reason]) -> Reason:
    known = {}
    if Reason.REQUEST_ID_REUSED in reasons:
        known["r"] = Known(b"another body", Refused(Reason.ACCOUNT_FROZEN, "", {}))
    book = Book(Head("acme", 0, chain.EMPTY, 0, 7, 7), dict(accounts()), known, NOW, new_id)
    decision = book.decide(command(reasons))
    assert isinstance(decision, Refused)
    return decision.reason


@pytest.mark.parametrize("reason", LEGS)
def test_each_reason_applies_by_itself(reason: Reason) -> None:
    """The table below means what it says: each reason is answered where it alone applies."""
    assert answered({reason}) is reason


@pytest.mark.parametrize("pair", [*combinations(LEGS, 2)], ids="-".join)
def test_of_two_reasons_the_first_is_answered(pair: tuple[Reason, Reason]) -> None:
    """For every pair, whichever legs bring them up, the earlier in the contract is answered."""
    order = [*Reason]
    assert answered({*pair}) is min(pair, key=order.index)


def test_a_full_account_refuses_before_a_poor_one_that_follows() -> None:
    """Limits are judged in the order of the entries: the first entry that cannot be refuses."""
    book = Book(Head("acme", 0, chain.EMPTY, 0, 7, 7), dict(accounts()), {}, NOW, new_id)
    one = book.decide(post("r1", *to("full"), *out_of("poor")))
    two = book.decide(post("r2", *out_of("poor"), *to("full")))

    assert isinstance(one, Refused)
    assert isinstance(two, Refused)
    assert (one.reason, two.reason) == (Reason.OUT_OF_RANGE, Reason.INSUFFICIENT_AVAILABLE)
