"""What must hold of the books at the end of the day, looked at from outside."""

from collections.abc import Mapping, Sequence

from services.kernel.money import format_amount
from services.local.demo.day import Advance, BucketLine, Day
from services.local.demo.deposits import DUPLICATE, LOST
from services.local.provider_accounts import CURRENCIES, PROVIDER, PROVIDER_ACCOUNT
from vezne.ledger.v1.account_service_pb2 import GetBalancesRequest
from vezne.ledger.v1.account_service_pb2_grpc import AccountServiceStub
from vezne.ledger.v1.journal_service_pb2 import GetTrialBalanceRequest
from vezne.ledger.v1.journal_service_pb2_grpc import JournalServiceStub

_BUCKETS = ("pending", "available", "in_transit", "rolling_reserve")
_SEEDS_IN = "EUR"


async def trial_balance(day: Day, _advance: Advance) -> None:
    """Debits equal credits in every currency."""
    response = await JournalServiceStub(day.ledger).GetTrialBalance(
        GetTrialBalanceRequest(tenant_id=day.tenant)
    )
    day.findings.totals = response.totals
    difference_minor = {
        total.currency_code: total.debit_minor - total.credit_minor for total in response.totals
    }
    for code in CURRENCIES:
        # A currency that is not in the answer has not been shown to balance.
        found = difference_minor.get(code)
        day.findings.check(
            f"the trial balance is zero in {code}",
            holds=found == 0,
            detail="it is missing" if found is None else f"it is {format_amount(found, code)}",
        )


async def players_cash(day: Day, _advance: Advance) -> None:
    """Every player has what the day's own sums say, duplicates and lost webhooks or not."""
    purses = list(day.cash_minor)
    balances = await _balances(day, [purse.cash for purse in purses])
    wrong = [
        f"{purse.player_id} has {format_amount(balances[purse.cash], purse.currency_code)}, not "
        f"{format_amount(day.cash_minor[purse], purse.currency_code)} {purse.currency_code}"
        for purse in purses
        if balances[purse.cash] != day.cash_minor[purse]
    ]
    day.findings.check(
        f"each of {len(purses)} players has his money to the cent",
        holds=not wrong,
        detail="; ".join(wrong),
    )


async def webhooks(day: Day, _advance: Advance) -> None:
    """The duplicate was delivered more than once, and the lost webhook never."""
    attempts = dict.fromkeys((DUPLICATE, LOST), 0)
    for delivery in await day.mock.deliveries():
        for name in attempts:
            if (
                delivery["object_id"] == day.deposits[name].provider_object_id
                and delivery["type"] == "payment_intent.succeeded"
            ):
                attempts[name] += len(delivery["attempts"])
    day.findings.check(
        "one webhook came more than once, and one never came",
        holds=attempts[DUPLICATE] > 1 and attempts[LOST] == 0,
        detail=f"deliveries: {attempts}",
    )


async def clearing(day: Day, _advance: Advance) -> None:
    """Nothing is left in a clearing account when everything has ended."""
    at = f"psp/{PROVIDER}/{PROVIDER_ACCOUNT}"
    paths = [
        path
        for code in (code.lower() for code in CURRENCIES)
        for path in (
            f"liability/{at}/withdrawal_clearing/{code}",
            f"liability/{at}/refund_clearing/{code}",
            f"asset/{at}/disputes/{code}",
        )
    ]
    left = {path: minor for path, minor in (await _balances(day, paths)).items() if minor}
    day.findings.check("nothing is left in a clearing account", holds=not left, detail=f"{left}")


async def buckets(day: Day, _advance: Advance) -> None:
    """The provider's buckets equal ours, but for what was seeded."""
    theirs = await day.mock.buckets()
    ours = await _our_buckets(day)
    day.findings.buckets = [
        BucketLine(code, bucket, theirs[code][bucket], ours[code][bucket])
        for code in CURRENCIES
        for bucket in _BUCKETS
    ]
    for code in CURRENCIES:
        for bucket in ("in_transit", "rolling_reserve"):
            difference_minor = theirs[code][bucket] - ours[code][bucket]
            day.findings.check(
                f"{bucket} in {code} is the same at the provider and in our books",
                holds=difference_minor == 0,
                detail=f"differs by {format_amount(difference_minor, code)}",
            )
        # One pot: the provider moves money from pending to available when it likes.
        held_minor = sum(theirs[code][one] - ours[code][one] for one in ("pending", "available"))
        seeded_minor = sum(seed.held_minor for seed in day.seeds) if code == _SEEDS_IN else 0
        day.findings.check(
            f"what the provider holds in {code} differs from our books by its mistakes: "
            f"{format_amount(seeded_minor, code)}",
            holds=held_minor == seeded_minor,
            detail=f"differs by {format_amount(held_minor, code)}",
        )


async def _our_buckets(day: Day) -> Mapping[str, Mapping[str, int]]:
    paths = {
        (code, bucket): f"asset/psp/{PROVIDER}/{PROVIDER_ACCOUNT}/{bucket}/{code.lower()}"
        for code in CURRENCIES
        for bucket in _BUCKETS
    }
    balances = await _balances(day, list(paths.values()))
    return {
        code: {bucket: balances[paths[code, bucket]] for bucket in _BUCKETS} for code in CURRENCIES
    }


async def _balances(day: Day, paths: Sequence[str]) -> Mapping[str, int]:
    response = await AccountServiceStub(day.ledger).GetBalances(
        GetBalancesRequest(tenant_id=day.tenant, account_ids=paths)
    )
    return {found.account_id: found.posted_minor for found in response.balances}
