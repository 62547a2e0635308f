"""What a run reads, before it becomes rows: plain data that adapters fill from exports."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from services.kernel.movements import MovementKind, Pot
from services.reconciliation.domain.rows import Side

PotAccounts = Mapping[str, Pot]
"""The exact ledger accounts of one provider account's pots, account id to pot."""


@dataclass(frozen=True, slots=True)
class AccountRef:
    """One provider account of a tenant."""

    tenant_id: str
    provider: str
    provider_account: str


@dataclass(frozen=True, slots=True)
class RunScope:
    """Which provider account and date a run proves."""

    tenant_id: str
    provider: str
    provider_account: str
    business_date: date

    @property
    def account(self) -> AccountRef:
        """The provider account alone, of all dates."""
        return AccountRef(self.tenant_id, self.provider, self.provider_account)


@dataclass(frozen=True, slots=True)
class GatewayMovement:
    """The effect of an event on one pot; `amount_minor` is signed, + is more of our money there."""

    pot: Pot
    currency_code: str
    amount_minor: int
    movement_key: str
    """The provider's id of what moved; empty if nothing moved there."""
    movement_kind: MovementKind | None
    """None if nothing moved at the provider, as inside CLEARING."""


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """One immutable event of the gateway. Without movements it moved no money."""

    event_sequence: int
    event_id: str
    object_id: str
    fact: str
    """What happened, with its occurrence number where there may be several (`returned:2`)."""
    occurred_at: datetime
    movements: tuple[GatewayMovement, ...]


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry of a ledger transaction: debits are positive, credits negative, never 0."""

    account_id: str
    currency_code: str
    debit_less_credit_minor: int


@dataclass(frozen=True, slots=True)
class LedgerTransaction:
    """A posted ledger transaction with the entries that an export let through."""

    sequence: int
    transaction_id: str
    effective_at: datetime
    entries: tuple[LedgerEntry, ...]
    metadata: Mapping[str, str]
    """`object`, `fact`, `movement_key` and `movement_kind` are read; each may be missing."""


@dataclass(frozen=True, slots=True)
class LedgerBalance:
    """The posted balance of one account at the cut, counted as debits less credits.

    The ledger counts balances on the account's normal side: negate those of liabilities.
    """

    account_id: str
    currency_code: str
    debit_less_credit_minor: int


@dataclass(frozen=True, slots=True)
class ScannedRange:
    """What an export says of itself: all of `(after, through]` was looked at, `sent` items came."""

    side: Side
    after: int
    through: int
    scanned: int
    """How many items of the whole sequence were looked at; must be `through - after`."""
    sent: int
    """How many of them the filter let through."""
