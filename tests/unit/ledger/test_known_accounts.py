"""What the process keeps of accounts: bounded, and never what is in doubt or in use."""

import pytest

from services.ledger.application.known_accounts import KnownAccounts
from services.ledger.domain.accounts import Account, AccountKind, Policy


def use(known: KnownAccounts, tenant_id: str, *names: str) -> list[str]:
    """Use accounts in a unit of work that commits; return those that had to be loaded."""
    loaded = []
    with known.lent(tenant_id) as memory:
        for name in names:
            if name in memory.accounts:
                memory.accounts.move_to_end(name)
            else:
                loaded.append(name)
                memory.accounts[name] = Account(1, name, "EUR", AccountKind.ASSET, Policy())
        memory.hash = b"committed"
    return loaded


def test_the_tenant_used_longest_ago_is_forgotten_first() -> None:
    """Past the bound one tenant's accounts go for another's, and the latest stay."""
    known = KnownAccounts(4)
    use(known, "one", "a", "b")
    use(known, "two", "a", "b")
    use(known, "one", "a")
    use(known, "three", "c")

    assert known.count == 3
    assert use(known, "one", "a", "b") == []
    assert use(known, "two", "a") == ["a"]


def test_a_tenant_alone_keeps_its_latest_accounts() -> None:
    """With nobody else to make room, the tenant's own accounts used longest ago go."""
    known = KnownAccounts(2)
    use(known, "one", "a", "b", "c")

    assert known.count == 2
    assert use(known, "one", "b", "c") == []
    assert use(known, "one", "a") == ["a"]


def test_what_is_in_use_is_never_let_go() -> None:
    """While a unit of work has a tenant's accounts, others that need room do not take them."""
    known = KnownAccounts(2)
    use(known, "busy", "a", "b")
    with known.lent("busy") as memory:
        use(known, "other", "x", "y")
        assert [*memory.accounts] == ["a", "b"]
        assert known.count == 2

    assert known.count == 2
    assert use(known, "other", "x") == ["x"]


def test_what_is_in_doubt_is_forgotten() -> None:
    """A unit that ends without a hash, or by an error, leaves nothing and counts for nothing."""
    known = KnownAccounts(9)
    use(known, "one", "a", "b")
    with pytest.raises(RuntimeError), known.lent("one") as memory:  # noqa: PT012 - as a unit does.
        memory.hash = None
        raise RuntimeError

    assert known.count == 0
    assert use(known, "one", "a") == ["a"]
