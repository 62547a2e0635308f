"""The chart of accounts: which ledger account holds what (`docs/understand/postings.md`, Accounts).

Only player accounts have a limit, so only a player leg of a posting can be refused.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from services.kernel.ids import SLUG
from services.kernel.money import currency
from services.kernel.movements import Pot
from services.psp_gateway.domain.reasons import Reason, refusal

# As in the contract. Together with a fact's occurrence their lengths keep every request id within
# the ledger's 128 characters.
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9_-]{0,15}")
_PROVIDER_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")


class AccountKind(StrEnum):
    """The class of an account in the ledger; it fixes the side on which an entry adds."""

    ASSET = "ASSET"
    LIABILITY = "LIABILITY"
    EQUITY = "EQUITY"
    INCOME = "INCOME"
    EXPENSE = "EXPENSE"


@dataclass(frozen=True, slots=True)
class Account:
    """A ledger account of the chart."""

    path: str
    """The ledger's `account_id`."""
    kind: AccountKind
    currency_code: str
    pot: Pot | None = None
    """The pot of the provider account that it is part of; None for all others."""
    min_available_minor: int | None = None
    """The least that a posting may leave, in minor units; None for an account without a limit."""


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """A merchant account at a provider: two slugs from settings; `str()` is `mock/main`.

    Raises:
        DomainError: INVALID_REQUEST, if a slug is not one or is too long.
    """

    provider: str
    provider_account: str

    def __post_init__(self) -> None:
        _check_slug("provider", self.provider, _PROVIDER)
        _check_slug("provider_account", self.provider_account, _PROVIDER_ACCOUNT)

    def __str__(self) -> str:
        return f"{self.provider}/{self.provider_account}"


@dataclass(frozen=True, slots=True)
class ProviderChart:
    """The accounts of one provider account in one currency."""

    at: ProviderAccount
    currency_code: str

    @property
    def pending(self) -> Account:
        """A1: captured, not yet available at the provider."""
        return self._asset("pending", Pot.PROVIDER)

    @property
    def available(self) -> Account:
        """A2: available at the provider."""
        return self._asset("available", Pot.PROVIDER)

    @property
    def in_transit(self) -> Account:
        """A3: swept, on its way to our bank."""
        return self._asset("in_transit", Pot.TRANSIT)

    @property
    def rolling_reserve(self) -> Account:
        """A5: kept back by the provider."""
        return self._asset("rolling_reserve", Pot.ROLLING_RESERVE)

    @property
    def disputes(self) -> Account:
        """A6: taken by a dispute that is not lost yet."""
        return self._asset("disputes", Pot.CLEARING)

    @property
    def review(self) -> Account:
        """L4: captured, not credited."""
        return self._liability("review", None)

    @property
    def withdrawal_clearing(self) -> Account:
        """L5: withdrawals submitted, outcome not final."""
        return self._liability("withdrawal_clearing", Pot.CLEARING)

    @property
    def refund_clearing(self) -> Account:
        """L6: refunds asked for, outcome not final."""
        return self._liability("refund_clearing", Pot.CLEARING)

    @property
    def unidentified(self) -> Account:
        """L8: received, nobody knows for whom."""
        return self._liability("unidentified", None)

    def accounts(self) -> tuple[Account, ...]:
        """Return all of them: what the provider account's first use creates."""
        return (
            self.pending,
            self.available,
            self.in_transit,
            self.rolling_reserve,
            self.disputes,
            self.review,
            self.withdrawal_clearing,
            self.refund_clearing,
            self.unidentified,
        )

    def _asset(self, holds: str, pot: Pot) -> Account:
        path = _path(f"asset/psp/{self.at}/{holds}", self.currency_code)
        return Account(path, AccountKind.ASSET, self.currency_code, pot)

    def _liability(self, holds: str, pot: Pot | None) -> Account:
        path = _path(f"liability/psp/{self.at}/{holds}", self.currency_code)
        return Account(path, AccountKind.LIABILITY, self.currency_code, pot)


@dataclass(frozen=True, slots=True)
class PlayerChart:
    """The accounts of one player in one currency. None of them may go below zero.

    Raises:
        DomainError: INVALID_REQUEST, if the player's id is no slug.
    """

    player_id: str
    currency_code: str

    def __post_init__(self) -> None:
        _check_slug("player_id", self.player_id)

    @property
    def receivable(self) -> Account:
        """A7: what the player owes us."""
        path = _path(f"asset/player/{self.player_id}/receivable", self.currency_code)
        return Account(path, AccountKind.ASSET, self.currency_code, None, 0)

    @property
    def cash(self) -> Account:
        """L1: withdrawable."""
        return self._liability("cash")

    @property
    def withdrawal_reserved(self) -> Account:
        """L2: withdrawals requested or approved."""
        return self._liability("withdrawal_reserved")

    @property
    def bonus(self) -> Account:
        """L3: the gateway never touches it."""
        return self._liability("bonus")

    @property
    def dispute_freeze(self) -> Account:
        """L7: frozen for an open dispute."""
        return self._liability("dispute_freeze")

    @property
    def returned(self) -> Account:
        """L9: money for a player whose cash account refuses it."""
        return self._liability("returned")

    def accounts(self) -> tuple[Account, ...]:
        """Return all of them: what CreateDeposit and CreateWithdrawal create."""
        return (
            self.receivable,
            self.cash,
            self.withdrawal_reserved,
            self.bonus,
            self.dispute_freeze,
            self.returned,
        )

    def _liability(self, holds: str) -> Account:
        path = _path(f"liability/player/{self.player_id}/{holds}", self.currency_code)
        return Account(path, AccountKind.LIABILITY, self.currency_code, None, 0)


@dataclass(frozen=True, slots=True)
class HouseChart:
    """The house's own accounts in one currency: what creating a tenant creates, banks apart."""

    currency_code: str

    @property
    def psp_fees(self) -> Account:
        """X1: what providers charge."""
        return self._expense("psp_fees")

    @property
    def dispute_fees(self) -> Account:
        """X2: what disputes cost."""
        return self._expense("dispute_fees")

    @property
    def chargeback_loss(self) -> Account:
        """X3: what players owed us and will not pay."""
        return self._expense("chargeback_loss")

    @property
    def withdrawal_costs(self) -> Account:
        """X4: what withdrawals cost."""
        return self._expense("withdrawal_costs")

    @property
    def fx(self) -> Account:
        """X5: what is left when an exchange is closed."""
        return self._expense("fx")

    @property
    def bank_fees(self) -> Account:
        """X6: what banks keep of sweeps."""
        return self._expense("bank_fees")

    @property
    def withdrawal_fees(self) -> Account:
        """I1: what players pay for withdrawals."""
        path = _path("income/withdrawal_fees", self.currency_code)
        return Account(path, AccountKind.INCOME, self.currency_code)

    @property
    def conversion(self) -> Account:
        """E1: both sides of every exchange."""
        path = _path("equity/conversion", self.currency_code)
        return Account(path, AccountKind.EQUITY, self.currency_code)

    def bank(self, bank_account: str) -> Account:
        """Return A4: our bank account with this slug.

        Raises:
            DomainError: INVALID_REQUEST, if it is no slug.
        """
        _check_slug("bank_account", bank_account)
        path = _path(f"asset/bank/{bank_account}", self.currency_code)
        return Account(path, AccountKind.ASSET, self.currency_code)

    def accounts(self) -> tuple[Account, ...]:
        """Return all of them but the banks."""
        return (
            self.psp_fees,
            self.dispute_fees,
            self.chargeback_loss,
            self.withdrawal_costs,
            self.fx,
            self.bank_fees,
            self.withdrawal_fees,
            self.conversion,
        )

    def _expense(self, name: str) -> Account:
        path = _path(f"expense/{name}", self.currency_code)
        return Account(path, AccountKind.EXPENSE, self.currency_code)


def _path(stem: str, currency_code: str) -> str:
    # An account path has no capitals, and a currency of the registry has nothing else.
    return f"{stem}/{currency(currency_code).code.lower()}"


def _check_slug(field: str, slug: str, pattern: re.Pattern[str] = SLUG) -> None:
    if not pattern.fullmatch(slug):
        message = f"{field} must match {pattern.pattern}"
        raise refusal(Reason.INVALID_REQUEST, message, field=field)
