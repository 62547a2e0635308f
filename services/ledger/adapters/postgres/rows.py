"""Rows to the domain's values, where several queries share them."""

from collections.abc import Mapping
from typing import Any

from services.kernel.clock import to_micros
from services.ledger.domain.accounts import (
    AccountKind,
    AccountState,
    AccountView,
    FrozenSide,
    Policy,
)


def policy_of(row: Mapping[str, Any]) -> Policy:
    """Read an account's policy from the columns that `accounts` and `account_events` share."""
    return Policy(
        row["min_available"],
        AccountState(row["state"]),
        FrozenSide(row["frozen_side"]),
        tuple(row["labels"]),
        row["metadata"],
    )


def account_view(row: Mapping[str, Any]) -> AccountView:
    """Read an account with its times."""
    return AccountView(
        row["account_id"],
        row["currency_code"],
        AccountKind(row["kind"]),
        policy_of(row),
        to_micros(row["create_time"]),
        to_micros(row["update_time"]),
    )
