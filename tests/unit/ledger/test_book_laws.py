"""The laws of the book, over random histories, against a model that shares none of its code."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import chain
from services.ledger.domain.accounts import Account
from services.ledger.domain.book import Book
from services.ledger.domain.commands import Post
from services.ledger.domain.decisions import Changes, Head, Known, Outcome, Posted, Refused
from tests.fakes.book_model import Model
from tests.fakes.posts import (
    CHART,
    INT64_MAX,
    INT64_MIN,
    MODEL_CHART,
    NOW,
    histories,
    new_id,
    opening,
)

clocks = st.lists(
    st.one_of(st.just(NOW), st.integers(NOW - 10**9, NOW + 10**9)), min_size=40, max_size=40
)


class Shelf:
    """Books in a row over one tenant: what was written, and each answer."""

    def __init__(self) -> None:
        self.head = Head("acme", 0, chain.EMPTY, 0, 0, 0)
        self.accounts: dict[str, Account] = {}
        self.known: dict[str, Known] = {}
        self.written = Changes()
        self.book(0).decide(opening("chart", *CHART.values()))

    def book(self, now_micros: int) -> Book:
        return Book(self.head, self.accounts, self.known, now_micros, new_id)

    def post(self, command: Post, now_micros: int) -> Outcome:
        book = self.book(now_micros)
        decision = book.decide(command)
        self.written.transactions += book.changes.transactions
        self.written.refusals += book.changes.refusals
        return decision

    def state(self) -> object:
        return (
            (self.head.sequence, self.head.hash, self.head.last_micros),
            [(one.posted, one.version, one.sequence) for one in self.accounts.values()],
            len(self.written.transactions),
        )


def played(history: Sequence[Post], clock: Sequence[int]) -> tuple[Shelf, list[Outcome]]:
    shelf = Shelf()
    return shelf, [shelf.post(command, now) for command, now in zip(history, clock, strict=False)]


def said(decision: Outcome) -> object:
    """What the model says of a decision: its reason, or the balances that it left."""
    if isinstance(decision, Posted):
        return {one.account_id: one.posted for one in decision.balances}
    assert isinstance(decision, Refused)
    return decision.reason


@given(histories(), clocks)
def test_the_book_decides_as_the_model(history: Sequence[Post], clock: Sequence[int]) -> None:
    """Each answer, refusal or balances, is the one that the independent model gives."""
    model = Model(MODEL_CHART)
    shelf = Shelf()
    model.last_micros = shelf.head.last_micros
    for command, now in zip(history, clock, strict=False):
        answer = model.decide(
            command.request_id,
            command.entries,
            command.effective_micros,
            now,
        )
        assert said(shelf.post(command, now)) == answer


@given(histories(), clocks)
def test_the_written_rows_are_a_book(history: Sequence[Post], clock: Sequence[int]) -> None:
    """Sums are zero, sequences and versions gapless, times rise, and each balance follows."""
    shelf, _ = played(history, clock)
    transactions = shelf.written.transactions
    entries = [leg for row in transactions for leg in row.legs]
    accounts = {account.key: account for account in shelf.accounts.values()}

    assert [row.sequence for row in transactions] == [*range(1, len(transactions) + 1)]
    assert all(one.create_micros < two.create_micros for one, two in pairwise(transactions))
    sums: Counter[tuple[int, str]] = Counter()
    last: dict[int, tuple[int, int]] = {}
    for row in entries:
        account = accounts[row.account_key]
        sums[row.sequence, account.currency_code] += row.amount
        posted, version = last.get(row.account_key, (0, 0))
        change = row.amount if account.kind in {1, 5} else -row.amount
        assert (row.posted, row.account_version) == (posted + change, version + 1)
        assert INT64_MIN <= row.posted <= INT64_MAX
        floor = account.policy.min_available
        assert floor is None or row.posted >= floor
        last[row.account_key] = (row.posted, row.account_version)
    assert not any(sums.values())
    for row in transactions:
        numbers = [leg.entry_number for leg in row.legs]
        assert {leg.sequence for leg in row.legs} == {row.sequence}
        assert numbers == [*range(1, len(numbers) + 1)]
        assert len(numbers) >= 2


@given(histories(), clocks)
def test_a_refused_command_leaves_no_trace(history: Sequence[Post], clock: Sequence[int]) -> None:
    """After a refusal or a replay the head, the accounts and the rows are what they were."""
    shelf = Shelf()
    for command, now in zip(history, clock, strict=False):
        before = shelf.state()
        decision = shelf.post(command, now)

        changed = isinstance(decision, Posted) and not decision.replayed
        assert (shelf.state() != before) is changed


@given(histories(), clocks)
def test_a_request_id_has_one_outcome_for_ever(
    history: Sequence[Post], clock: Sequence[int]
) -> None:
    """Repeating every request later gives each the answer that it first got, marked a replay."""
    shelf, decisions = played(history, clock)
    first: dict[str, tuple[Post, Outcome]] = {}
    for command, decision in zip(history, decisions, strict=False):
        if isinstance(decision, Posted) or decision.reason not in {
            "ACCOUNT_NOT_FOUND",
            "REQUEST_ID_REUSED",
        }:
            first.setdefault(command.request_id, (command, decision))
    before = shelf.state()
    refusals = len(shelf.written.refusals)

    for command, decision in first.values():
        assert shelf.post(command, NOW * 2) == decision._replace(replayed=True)
        other = command._replace(request_hash=b"another body")
        assert said(shelf.post(other, NOW * 2)) == "REQUEST_ID_REUSED"
    assert shelf.state() == before
    assert len(shelf.written.refusals) == refusals


@given(histories(), clocks)
def test_every_remembered_refusal_is_a_row(history: Sequence[Post], clock: Sequence[int]) -> None:
    """A final refusal is written once, with its reason; a passing one is not written at all."""
    shelf, decisions = played(history, clock)
    final = [
        (command.request_id, decision.reason)
        for command, decision in zip(history, decisions, strict=False)
        if not isinstance(decision, Posted)
        and not decision.replayed
        and decision.reason not in {"ACCOUNT_NOT_FOUND", "REQUEST_ID_REUSED"}
    ]

    assert [(row.command.request_id, row.refused.reason) for row in shelf.written.refusals] == final
    ids = [row.command.request_id for row in shelf.written.refusals]
    ids += [row.command.request_id for row in shelf.written.transactions]
    assert len(ids) == len(set(ids))
