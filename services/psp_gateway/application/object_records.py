"""Objects as they are asked for, and as they are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.kernel.money import Money
from services.psp_gateway.application.records import Attempt, Details
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.objects import (
    Deposit,
    DepositState,
    Dispute,
    DisputeState,
    Refund,
    SettlementState,
    Withdrawal,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDeposit:
    """A deposit that was asked for."""

    deposit: Deposit
    request_id: str
    metadata: Mapping[str, str]
    expire_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRefund:
    """What was asked for with a refund of ours."""

    request_id: str
    requested_by: str
    comment: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWithdrawal:
    """A withdrawal that was asked for, and where it is to be paid from."""

    withdrawal: Withdrawal
    at: ProviderAccount
    request_id: str
    destination_token: str
    metadata: Mapping[str, str]
    attend_at: datetime
    """When the janitor may see to its workflow: not while that is being started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What every object's record tells of how it stands."""

    details: Details
    postings_pending: int
    """How many postings are decided and not in the ledger yet."""
    event_sequence: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositRecord:
    """A deposit as it is read."""

    deposit: Deposit
    request_id: str
    metadata: Mapping[str, str]
    refunded_minor: int
    expected_fee_minor: int | None
    expire_at: datetime | None
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRecord:
    """A refund as it is read, with what it has from its deposit."""

    refund: Refund
    at: ProviderAccount
    player_id: str
    asked: NewRefund
    ledger_reason: str
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRecord:
    """A round of a dispute as it is read; amounts in the currency of `withdrawn`."""

    round_number: int
    state: DisputeState
    withdrawn: Money
    reinstated_minor: int
    frozen_minor: int
    fee_minor: int | None
    opened_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeRecord:
    """A dispute as it is read, with what it has from its deposit."""

    dispute: Dispute
    at: ProviderAccount
    player_id: str
    rounds: Sequence[RoundRecord]
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalDecision:
    """What one person decided about a withdrawal: APPROVED, REJECTED or CANCELLED."""

    decision_id: str
    kind: str
    decided_by: str
    comment: str
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRecord:
    """A withdrawal as it is read."""

    withdrawal: Withdrawal
    at: ProviderAccount
    """Of the last attempt, else the one asked for."""
    request_id: str
    destination_token: str
    metadata: Mapping[str, str]
    waiting_for: str
    approvals_required: int | None
    """None before the rules were asked."""
    approval_expires_at: datetime | None
    decisions: Sequence[WithdrawalDecision]
    attempts: Sequence[Attempt]
    ledger_reason: str
    standing: Standing


# --- filters: what is empty or None does not filter ----------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """When something was created: from a moment on, and before another."""

    since: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositFilter:
    """Which deposits to list."""

    player_id: str = ""
    provider: str = ""
    provider_account: str = ""
    states: Sequence[DepositState] = ()
    settlement_states: Sequence[SettlementState] = ()
    reference: str = ""
    provider_object_id: str = ""
    created: Created = field(default_factory=Created)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFilter:
    """Which disputes to list."""

    player_id: str = ""
    deposit_id: str = ""
    provider: str = ""
    provider_account: str = ""
    states: Sequence[DisputeState] = ()
    provider_object_id: str = ""
    evidence_due_before: datetime | None = None
    created: Created = field(default_factory=Created)
