"""Accounts: identity, policy, and the balances that their last entry left."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from services.kernel.money import INT64_MAX


class AccountKind(IntEnum):
    """The class of the chart of accounts; the numbers are those of the contract and the table."""

    ASSET = 1
    LIABILITY = 2
    EQUITY = 3
    INCOME = 4
    EXPENSE = 5

    @property
    def normal_sign(self) -> int:
        """+1 if debits add to the account, -1 if credits do."""
        return 1 if self in {AccountKind.ASSET, AccountKind.EXPENSE} else -1


class AccountState(IntEnum):
    """Which entries an account accepts."""

    ACTIVE = 1
    FROZEN = 2
    CLOSED = 3


class FrozenSide(IntEnum):
    """Which entries a frozen account refuses."""

    NONE = 0
    DEBIT = 1
    CREDIT = 2
    BOTH = 3


@dataclass(frozen=True, slots=True)
class Policy:
    """What may change about an account.

    Args:
        min_available: the least `available`, in minor units, that a posting may leave; None: any.
        state: which entries are accepted.
        frozen_side: NONE exactly while the account is not FROZEN.
        labels: words to list by.
        metadata: free data of the caller.
    """

    min_available: int | None = None
    state: AccountState = AccountState.ACTIVE
    frozen_side: FrozenSide = FrozenSide.NONE
    labels: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as it is read: identity, policy, and when it was opened and last changed.

    The times are microseconds since 1970.
    """

    account_id: str
    currency_code: str
    kind: AccountKind
    policy: Policy
    create_micros: int
    update_micros: int


@dataclass(slots=True, eq=False)
class Account:
    """An account as the book works on it: the balances move with each entry.

    Balances are in minor units and count in the account's normal direction; the times are those of
    AccountView.
    """

    key: int
    account_id: str
    currency_code: str
    kind: AccountKind
    policy: Policy
    create_micros: int = 0
    update_micros: int = 0
    posted: int = 0
    pending_in: int = 0
    pending_out: int = 0
    version: int = 0
    sequence: int = 0
    normal_sign: int = field(init=False)
    # Derived from the policy, for the inner loop of posting.
    floor: int = field(init=False)
    open_to_debits: bool = field(init=False)
    open_to_credits: bool = field(init=False)

    def __post_init__(self) -> None:
        self.normal_sign = self.kind.normal_sign
        self.adopt(self.policy)

    @property
    def available(self) -> int:
        """What can be taken now, in minor units."""
        return self.posted - self.pending_out

    def view(self) -> AccountView:
        """Return the account as it is read."""
        return AccountView(
            self.account_id,
            self.currency_code,
            self.kind,
            self.policy,
            self.create_micros,
            self.update_micros,
        )

    def adopt(self, policy: Policy) -> None:
        """Take a policy."""
        self.policy = policy
        # No available amount lies below this floor, so an account without a limit never meets it.
        self.floor = -2 * INT64_MAX if policy.min_available is None else policy.min_available
        active = policy.state is AccountState.ACTIVE
        frozen = policy.state is AccountState.FROZEN
        self.open_to_debits = active or (frozen and policy.frozen_side is FrozenSide.CREDIT)
        self.open_to_credits = active or (frozen and policy.frozen_side is FrozenSide.DEBIT)
