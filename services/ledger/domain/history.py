"""The recorded history as it is read: cuts, transactions, account statements, trial balances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.ledger.domain.accounts import AccountKind
from services.ledger.domain.decisions import AccountBalances


@dataclass(frozen=True, slots=True)
class Cut:
    """All transactions up to `sequence`, and nothing else; `create_micros` is None at 0."""

    sequence: int
    hash: bytes
    create_micros: int | None


@dataclass(frozen=True, slots=True)
class TenantView:
    """A tenant as it is listed."""

    tenant_id: str
    create_micros: int
    sequence: int


@dataclass(frozen=True, slots=True)
class EntryView:
    """A recorded entry; `amount` is positive for a debit and negative for a credit."""

    entry_number: int
    account_id: str
    currency_code: str
    amount: int
    posted: int
    pending_in: int
    pending_out: int
    account_version: int


class NamedBy(StrEnum):
    """What a transaction can be asked for by."""

    SEQUENCE = "sequence"
    TRANSACTION_ID = "transaction_id"
    REQUEST_ID = "request_id"


@dataclass(frozen=True, slots=True)
class TransactionName:
    """One of a transaction's names: `value` is an int exactly for SEQUENCE."""

    by: NamedBy
    value: int | str


@dataclass(frozen=True, slots=True)
class TransactionView:
    """A recorded transaction with its entries, or with those that a filter let through."""

    transaction_id: str
    sequence: int
    request_id: str
    kind: str
    entries: Sequence[EntryView]
    effective_micros: int
    create_micros: int
    description: str
    external_id: str
    metadata: Mapping[str, str]
    hash: bytes


@dataclass(frozen=True, slots=True)
class StatementLine:
    """An entry of an account statement, with what is said of its transaction."""

    entry: EntryView
    transaction_id: str
    sequence: int
    kind: str
    effective_micros: int
    create_micros: int
    description: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A page of an account's entries, between balances that belong to the whole statement."""

    opening: AccountBalances
    lines: Sequence[StatementLine]
    closing: AccountBalances
    cut: Cut
    more: bool


@dataclass(frozen=True, slots=True)
class TrialLine:
    """The balances of some accounts of one currency and kind, summed by the side they stand on.

    The sums are in minor units and may exceed int64.
    """

    currency_code: str
    kind: AccountKind
    prefix: str
    account_count: int
    debit: int
    credit: int


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """All lines at a cut, and each currency's totals of debits and credits."""

    cut: Cut
    lines: Sequence[TrialLine]
    totals: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class ExportFilter:
    """Which entries an export lets through; what is empty does not filter."""

    prefix: str = ""
    account_ids: Sequence[str] = ()
    kinds: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Which accounts a list shows; what is empty or None does not filter."""

    prefix: str = ""
    kind: AccountKind | None = None
    state: int | None = None
    label: str = ""
    currency_code: str = ""
