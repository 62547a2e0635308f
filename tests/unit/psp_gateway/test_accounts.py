"""The chart of accounts: exact paths, kinds, pots and limits."""

import re

import pytest

from services.kernel.errors import Category, DomainError
from services.kernel.money import UnknownCurrencyError
from services.kernel.movements import Pot
from services.psp_gateway.domain.accounts import (
    AccountKind,
    HouseChart,
    PlayerChart,
    ProviderAccount,
    ProviderChart,
)

AT = ProviderAccount("mock", "main")
PROVIDER, PLAYER, HOUSE = (
    ProviderChart(AT, "EUR"),
    PlayerChart("p.42", "EUR"),
    HouseChart("EUR"),
)
CHART = {
    "asset/psp/mock/main/pending/eur": (PROVIDER.pending, Pot.PROVIDER),
    "asset/psp/mock/main/available/eur": (PROVIDER.available, Pot.PROVIDER),
    "asset/psp/mock/main/in_transit/eur": (PROVIDER.in_transit, Pot.TRANSIT),
    "asset/psp/mock/main/rolling_reserve/eur": (PROVIDER.rolling_reserve, Pot.ROLLING_RESERVE),
    "asset/psp/mock/main/disputes/eur": (PROVIDER.disputes, Pot.CLEARING),
    "liability/psp/mock/main/review/eur": (PROVIDER.review, None),
    "liability/psp/mock/main/withdrawal_clearing/eur": (
        PROVIDER.withdrawal_clearing,
        Pot.CLEARING,
    ),
    "liability/psp/mock/main/refund_clearing/eur": (PROVIDER.refund_clearing, Pot.CLEARING),
    "liability/psp/mock/main/unidentified/eur": (PROVIDER.unidentified, None),
    "asset/player/p.42/receivable/eur": (PLAYER.receivable, None),
    "liability/player/p.42/cash/eur": (PLAYER.cash, None),
    "liability/player/p.42/withdrawal_reserved/eur": (PLAYER.withdrawal_reserved, None),
    "liability/player/p.42/bonus/eur": (PLAYER.bonus, None),
    "liability/player/p.42/dispute_freeze/eur": (PLAYER.dispute_freeze, None),
    "liability/player/p.42/returned/eur": (PLAYER.returned, None),
    "expense/psp_fees/eur": (HOUSE.psp_fees, None),
    "expense/dispute_fees/eur": (HOUSE.dispute_fees, None),
    "expense/chargeback_loss/eur": (HOUSE.chargeback_loss, None),
    "expense/withdrawal_costs/eur": (HOUSE.withdrawal_costs, None),
    "expense/fx/eur": (HOUSE.fx, None),
    "expense/bank_fees/eur": (HOUSE.bank_fees, None),
    "income/withdrawal_fees/eur": (HOUSE.withdrawal_fees, None),
    "equity/conversion/eur": (HOUSE.conversion, None),
    "asset/bank/house-bank/eur": (HOUSE.bank("house-bank"), None),
}


@pytest.mark.parametrize("path", CHART)
def test_account_of_the_chart(path: str) -> None:
    """Each account has the specification's path and pot, and the kind that its path begins with."""
    account, pot = CHART[path]

    assert account.path == path
    assert account.kind is AccountKind[path.partition("/")[0].upper()]
    assert account.currency_code == "EUR"
    assert account.pot is pot


def test_only_player_accounts_have_a_limit() -> None:
    """No player account goes below zero, and no other account can refuse for want of money."""
    for path, (account, _) in CHART.items():
        assert account.min_available_minor == (0 if "/player/" in path else None)


def test_charts_create_every_account() -> None:
    """What is created before money moves is the whole chart, banks apart."""
    created = {a.path for chart in (PROVIDER, PLAYER, HOUSE) for a in chart.accounts()}

    assert created == set(CHART) - {"asset/bank/house-bank/eur"}


def test_longest_path_fits_the_ledger() -> None:
    """The longest slugs make a path that the ledger takes: 128 characters, and its alphabet."""
    longest = (
        *ProviderChart(ProviderAccount("p" * 16, "a" * 32), "EUR").accounts(),
        *PlayerChart("p" * 64, "EUR").accounts(),
        HouseChart("EUR").bank("b" * 64),
    )

    for account in longest:
        assert len(account.path) <= 128
        assert re.fullmatch(r"[a-z0-9_.-]+(/[a-z0-9_.-]+)*", account.path)


@pytest.mark.parametrize(
    ("provider", "provider_account"),
    [
        ("", "main"),
        ("Mock", "main"),
        ("mo/ck", "main"),
        ("p" * 17, "main"),
        ("mock", ""),
        ("mock", "a" * 33),
        ("mock", ".main"),
        ("mock", "main\n"),
    ],
)
def test_provider_account_has_slugs(provider: str, provider_account: str) -> None:
    """What could make another path than its own is no provider account."""
    with pytest.raises(DomainError) as refused:
        ProviderAccount(provider, provider_account)

    assert refused.value.reason == "INVALID_REQUEST"
    assert refused.value.category is Category.SHAPE


@pytest.mark.parametrize("player_id", ["", "../x", "a/b", "ANNA", "a" * 65])
def test_player_has_a_slug(player_id: str) -> None:
    """What could name another player's account is no player id."""
    with pytest.raises(DomainError):
        PlayerChart(player_id, "EUR")


def test_bank_account_has_a_slug() -> None:
    """What is no slug is no bank account."""
    with pytest.raises(DomainError):
        HOUSE.bank("house/bank")


def test_currency_is_one_of_the_registry() -> None:
    """There is no account in a currency that the registry does not have."""
    with pytest.raises(UnknownCurrencyError):
        _ = PlayerChart("anna", "XXQ").cash
