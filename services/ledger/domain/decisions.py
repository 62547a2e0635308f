"""What the book decides, and what a unit of work records of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.ledger.domain.accounts import Account, AccountView, Policy
from services.ledger.domain.commands import ChangeAccount, Command, OpenAccounts, Post
from services.ledger.domain.reasons import Reason


class AccountBalances(NamedTuple):
    """An account's balances after one entry, in minor units, in its normal direction."""

    account_id: str
    currency_code: str
    posted: int
    pending_in: int
    pending_out: int
    version: int
    sequence: int


class Posted(NamedTuple):
    """A recorded transaction, and the balances of the accounts that it touched."""

    transaction_id: str
    sequence: int
    create_micros: int
    balances: Sequence[AccountBalances]
    replayed: bool = False


class Refused(NamedTuple):
    """A refusal."""

    reason: Reason
    message: str
    metadata: Mapping[str, str]
    replayed: bool = False


class Opened(NamedTuple):
    """For each account asked for, in order: whether it existed before."""

    existed: Sequence[bool]
    replayed: bool = False


class Changed(NamedTuple):
    """The account as the request left it."""

    account: AccountView
    replayed: bool = False


Outcome = Posted | Opened | Changed | Refused


class Known(NamedTuple):
    """How an earlier request with this id ended."""

    request_hash: bytes
    outcome: Outcome


class Leg(NamedTuple):
    """A recorded entry and the balances after it; `amount` is negative for a credit."""

    account_key: int
    sequence: int
    entry_number: int
    account_version: int
    amount: int
    posted: int
    pending_in: int
    pending_out: int


class Recorded(NamedTuple):
    """A transaction in its place in the history: what was asked, and what the book made of it."""

    command: Post
    sequence: int
    transaction_id: str
    create_micros: int
    hash: bytes
    legs: Sequence[Leg]


class RememberedRefusal(NamedTuple):
    """A command that is refused for ever under its request id."""

    command: Command
    refused: Refused
    create_micros: int


class AccountEvent(NamedTuple):
    """An account as an opening (`opens`) or a change left it."""

    event_number: int
    follows_sequence: int
    account: Account
    policy: Policy
    opens: bool
    request_id: str
    create_micros: int
    hash: bytes


class AnsweredRequest(NamedTuple):
    """How a request about accounts ended.

    `existed` is the answer of an opening; `event_number` points to the answer of a change.
    """

    command: OpenAccounts | ChangeAccount
    existed: Sequence[bool] | None
    event_number: int | None
    create_micros: int


@dataclass(slots=True)
class Head:
    """The end of a tenant's book: the one row that orders all its writers."""

    tenant_id: str
    sequence: int
    hash: bytes
    last_micros: int
    account_count: int
    event_count: int


@dataclass(slots=True)
class Changes:
    """All that a unit of work writes, besides the head."""

    transactions: list[Recorded] = field(default_factory=list)
    refusals: list[RememberedRefusal] = field(default_factory=list)
    account_events: list[AccountEvent] = field(default_factory=list)
    account_requests: list[AnsweredRequest] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(
            self.transactions or self.refusals or self.account_events or self.account_requests
        )
