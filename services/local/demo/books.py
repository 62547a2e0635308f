"""The ledger's part of the day: the books are opened, and players play."""

import random
from collections.abc import Sequence

from services.local.demo.day import Advance, Day, Purse
from services.local.errors import StackError
from services.local.provider_accounts import BANK_ACCOUNT, CURRENCIES
from services.local.tenants import open_tenant
from vezne.ledger.v1.account_pb2 import ACCOUNT_KIND_EQUITY, ACCOUNT_KIND_INCOME, Account
from vezne.ledger.v1.account_service_pb2 import CreateAccountsRequest
from vezne.ledger.v1.account_service_pb2_grpc import AccountServiceStub
from vezne.ledger.v1.entry_pb2 import DIRECTION_CREDIT, DIRECTION_DEBIT
from vezne.ledger.v1.posting_service_pb2 import (
    BatchItem,
    BatchPostTransactionsRequest,
)
from vezne.ledger.v1.posting_service_pb2_grpc import PostingServiceStub
from vezne.ledger.v1.transaction_pb2 import NewEntry, NewTransaction
from vezne.type.v1.money_pb2 import Money

CAPITAL_MINOR = {"EUR": 50_000_00, "JPY": 8_000_000}
_BETS_A_PLAYER = 12
_SEED = 20
_WIN_CHANCE = 0.45


def bank(currency_code: str) -> str:
    """Return the ledger account of our bank."""
    return f"asset/bank/{BANK_ACCOUNT}/{currency_code.lower()}"


def capital(currency_code: str) -> str:
    """Return the ledger account of what the house began with."""
    return f"equity/capital/{currency_code.lower()}"


def games(currency_code: str) -> str:
    """Return the ledger account of what the house won and lost in games."""
    return f"income/games/{currency_code.lower()}"


async def open_books(day: Day, _advance: Advance) -> None:
    """Open the casino's books, its house accounts, and book the capital that is in the bank."""
    await open_tenant(
        day.ledger,
        day.tenant,
        currencies=CURRENCIES,
        bank_accounts=[BANK_ACCOUNT],
        request_id=f"demo:tenant:{day.tenant}",
    )
    await AccountServiceStub(day.ledger).CreateAccounts(
        CreateAccountsRequest(
            tenant_id=day.tenant,
            request_id="demo:house",
            accounts=[
                Account(account_id=path(code), currency_code=code, kind=kind)
                for code in CURRENCIES
                for path, kind in ((capital, ACCOUNT_KIND_EQUITY), (games, ACCOUNT_KIND_INCOME))
            ],
        )
    )
    await _post(
        day,
        [
            _transfer(f"demo:capital:{code}", "house.capital", bank(code), capital(code), minor)
            for code, minor in CAPITAL_MINOR.items()
        ],
    )


async def play(day: Day, _advance: Advance) -> None:
    """Let the players bet, win and lose: hundreds of transactions in a few batches."""
    chance = random.Random(_SEED)  # noqa: S311 - a game for show, the same every time.
    players = [purse for purse, minor in day.cash_minor.items() if _plays(purse) and minor > 0]
    for game in range(_BETS_A_PLAYER):
        batch = []
        for purse in players:
            stake = day.cash_minor[purse] // 10
            if not stake:
                continue
            wins = chance.random() < _WIN_CHANCE
            house, request_id = games(purse.currency_code), f"demo:game:{game}:{purse.player_id}"
            debit, credit = (house, purse.cash) if wins else (purse.cash, house)
            kind = "game.win" if wins else "game.loss"
            batch.append(_transfer(request_id, kind, debit, credit, stake))
            day.cash_minor[purse] += stake if wins else -stake
        if batch:
            await _post(day, batch)


def _plays(purse: Purse) -> bool:
    # The others have stories of their own, whose sums stay easy to read.
    return purse.player_id.startswith("player-")


def _transfer(request_id: str, kind: str, debit: str, credit: str, amount_minor: int) -> BatchItem:
    amount = Money(currency_code=debit.rpartition("/")[2].upper(), minor_units=amount_minor)
    return BatchItem(
        request_id=request_id,
        transaction=NewTransaction(
            kind=kind,
            entries=[
                NewEntry(account_id=debit, direction=DIRECTION_DEBIT, amount=amount),
                NewEntry(account_id=credit, direction=DIRECTION_CREDIT, amount=amount),
            ],
        ),
    )


async def _post(day: Day, items: Sequence[BatchItem]) -> None:
    response = await PostingServiceStub(day.ledger).BatchPostTransactions(
        BatchPostTransactionsRequest(tenant_id=day.tenant, items=items)
    )
    for result in response.results:
        if result.HasField("refusal"):
            raise StackError(f"the ledger refused a posting of the demo: {result.refusal.message}")
