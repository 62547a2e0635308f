"""Commands for tests of the book and the lane, short to write, and strategies that make them."""

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

from services.kernel.ids import uuid7
from services.ledger.domain.accounts import AccountKind, AccountState, FrozenSide, Policy
from services.ledger.domain.commands import (
    ChangeAccount,
    NewAccount,
    NewEntry,
    OpenAccounts,
    Post,
    content,
    digest,
)
from tests.fakes.book_model import ModelAccount

INT64_MAX, INT64_MIN = 2**63 - 1, -(2**63)
NOW = 1_800_000_000_000_000
"""A moment in 2027, in microseconds."""


def post(
    request_id: str,
    *legs: tuple[str, int] | tuple[str, int, str],
    effective: int | None = None,
    description: str = "",
    metadata: Mapping[str, str] | None = None,
) -> Post:
    """A transaction; a leg is an account, a signed amount (debit above zero) and a currency."""
    entries = [NewEntry(leg[0], leg[2] if len(leg) > 2 else "EUR", leg[1]) for leg in legs]  # type: ignore[misc]  # The length is asked for.
    asked = content("test.move", entries, effective, description, "", metadata or {})
    return Post(
        request_id, "test.move", entries, effective, description, "", metadata or {}, digest(asked)
    )


def move(request_id: str, debit: str, credit: str, amount: int) -> Post:
    """A transaction with one debit and one credit."""
    return post(request_id, (debit, amount), (credit, -amount))


def opening(request_id: str, *accounts: NewAccount) -> OpenAccounts:
    """A request to open accounts."""
    return OpenAccounts(request_id, digest(repr(accounts).encode()), accounts)


def changing(request_id: str, account_id: str, policy: Policy, *fields: str) -> ChangeAccount:
    """A request to change an account's policy."""
    body = f"{account_id}{policy}{fields}"
    return ChangeAccount(request_id, digest(body.encode()), account_id, policy, fields)


def new_id(create_micros: int) -> str:
    """An id that is the same whenever the time is, so that whole rows can be compared."""
    return uuid7(create_micros // 1_000, create_micros)


CHART: Mapping[str, NewAccount] = {
    account.account_id: account
    for account in (
        NewAccount("bank", "EUR", AccountKind.ASSET, Policy()),
        NewAccount("till", "EUR", AccountKind.ASSET, Policy(min_available=0)),
        NewAccount("player", "EUR", AccountKind.LIABILITY, Policy(min_available=0)),
        NewAccount("credit", "EUR", AccountKind.LIABILITY, Policy(min_available=-500)),
        NewAccount("fees", "EUR", AccountKind.INCOME, Policy()),
        NewAccount("dollars", "USD", AccountKind.EXPENSE, Policy()),
        NewAccount("owners", "USD", AccountKind.EQUITY, Policy(min_available=INT64_MIN)),
        NewAccount(
            "no-debits", "EUR", AccountKind.ASSET, Policy(None, AccountState.FROZEN, FrozenSide(1))
        ),
        NewAccount(
            "no-credits",
            "EUR",
            AccountKind.INCOME,
            Policy(None, AccountState.FROZEN, FrozenSide(2)),
        ),
        NewAccount(
            "frozen", "EUR", AccountKind.LIABILITY, Policy(0, AccountState.FROZEN, FrozenSide(3))
        ),
        NewAccount("closed", "EUR", AccountKind.ASSET, Policy(None, AccountState.CLOSED)),
    )
}
"""One account of each behaviour. A path that is not here is one that does not exist."""

MODEL_CHART: Mapping[str, ModelAccount] = {
    "bank": ModelAccount("EUR", 1),
    "till": ModelAccount("EUR", 1, 0),
    "player": ModelAccount("EUR", -1, 0),
    "credit": ModelAccount("EUR", -1, -500),
    "fees": ModelAccount("EUR", -1),
    "dollars": ModelAccount("USD", 1),
    "owners": ModelAccount("USD", -1, INT64_MIN),
    "no-debits": ModelAccount("EUR", 1, shut=(1,)),
    "no-credits": ModelAccount("EUR", -1, shut=(-1,)),
    "frozen": ModelAccount("EUR", -1, 0, shut=(1, -1)),
    "closed": ModelAccount("EUR", 1, closed=True),
}
"""The same accounts, written anew for the model."""

amounts = st.one_of(
    st.integers(1, 400), st.sampled_from([1, INT64_MAX, INT64_MAX - 1, 2**62, 2**32])
)
# Most legs touch accounts that may move, so that histories grow long.
_paths = st.sampled_from(["bank", "till", "player", "credit", "fees"] * 5 + [*CHART, "nowhere"])
_effective = st.one_of(st.none(), st.sampled_from([0, NOW - 1, NOW + 300_000_000, NOW * 2]))


@st.composite
def posts(draw: st.DrawFn) -> Post:
    """A balanced transaction over the chart, with a request id that may have been used."""
    legs: list[tuple[str, int, str]] = []
    for _ in range(draw(st.integers(1, 3))):
        amount, debit, credit = draw(amounts), draw(_paths), draw(_paths)
        codes = {CHART[path].currency_code for path in (debit, credit) if path in CHART}
        code = "USD" if codes == {"USD"} else "EUR"
        legs += [(debit, amount, code), (credit, -amount, code)]
    return post(
        f"r{draw(st.integers(1, 25))}",
        *draw(st.permutations(legs)),
        effective=draw(_effective),
    )


def histories(count_max: int = 40) -> st.SearchStrategy[Sequence[Post]]:
    """Some transactions in a row."""
    return st.lists(posts(), min_size=1, max_size=count_max)
