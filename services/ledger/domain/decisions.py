"""What the book decides, and the rows that a unit of work writes for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.ledger.domain.accounts import Account, AccountView, Policy
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


class TransactionRow(NamedTuple):
    """A row of `transactions`."""

    sequence: int
    transaction_id: str
    request_id: str
    request_hash: bytes
    kind: str
    effective_micros: int | None
    create_micros: int
    description: str
    external_id: str
    metadata: Mapping[str, str]
    hash: bytes


class EntryRow(NamedTuple):
    """A row of `entries`; `amount` is positive for a debit and negative for a credit."""

    account_key: int
    sequence: int
    entry_number: int
    account_version: int
    amount: int
    posted: int
    pending_in: int
    pending_out: int


class RefusalRow(NamedTuple):
    """A row of `refusals`."""

    request_id: str
    request_hash: bytes
    reason: Reason
    message: str
    metadata: Mapping[str, str]
    create_micros: int


class AccountEventRow(NamedTuple):
    """A row of `account_events`: an account as an opening (`opens`) or a change left it."""

    event_number: int
    follows_sequence: int
    account: Account
    policy: Policy
    opens: bool
    request_id: str
    create_micros: int
    hash: bytes


class AccountRequestRow(NamedTuple):
    """A row of `account_requests`: how a request about accounts ended.

    `existed` is the answer of an opening; `event_number` points to the answer of a change.
    """

    request_id: str
    request_hash: bytes
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

    transactions: list[TransactionRow] = field(default_factory=list)
    entries: list[EntryRow] = field(default_factory=list)
    refusals: list[RefusalRow] = field(default_factory=list)
    account_events: list[AccountEventRow] = field(default_factory=list)
    account_requests: list[AccountRequestRow] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(
            self.transactions or self.refusals or self.account_events or self.account_requests
        )
