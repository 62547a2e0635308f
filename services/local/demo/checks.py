"""What must hold at the end of the day: each promise is looked at from outside, and shown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.kernel.money import format_amount
from services.local.demo.day import Day, Promise
from services.local.demo.mock_psp import Buckets
from services.local.provider_accounts import CURRENCIES, PROVIDER, PROVIDER_ACCOUNT
from vezne.ledger.v1.account_service_pb2 import GetBalancesRequest
from vezne.ledger.v1.account_service_pb2_grpc import AccountServiceStub
from vezne.ledger.v1.journal_service_pb2 import GetTrialBalanceRequest, TrialBalanceTotal
from vezne.ledger.v1.journal_service_pb2_grpc import JournalServiceStub
from vezne.reconciliation.v1.break_pb2 import BREAK_CLASS_PENDING_BANK, Break, BreakClass
from vezne.reconciliation.v1.break_service_pb2 import ListBreaksRequest
from vezne.reconciliation.v1.break_service_pb2_grpc import BreakServiceStub
from vezne.reconciliation.v1.run_pb2 import VERDICT_BREAKS, Verdict
from vezne.reconciliation.v1.run_service_pb2 import (
    PROOF_OUTCOME_FAILED,
    GetStatementRequest,
    Proof,
    Statement,
)
from vezne.reconciliation.v1.run_service_pb2_grpc import RunServiceStub

_BREAKS_MAX = 200


@dataclass(frozen=True, slots=True)
class BucketLine:
    """One of the provider's buckets beside ours, in minor units."""

    currency_code: str
    bucket: str
    provider_minor: int
    ours_minor: int


@dataclass(slots=True)
class Findings:
    """What the day ends with; what was not looked at is empty."""

    promises: list[Promise] = field(default_factory=list)
    totals: Sequence[TrialBalanceTotal] = ()
    buckets: Sequence[BucketLine] = ()
    statement: Statement | None = None
    breaks: Sequence[Break] = ()


async def trial_balance(day: Day, findings: Findings) -> None:
    """Debits equal credits in every currency."""
    response = await JournalServiceStub(day.ledger).GetTrialBalance(
        GetTrialBalanceRequest(tenant_id=day.tenant)
    )
    findings.totals = response.totals
    for total in response.totals:
        difference_minor = total.debit_minor - total.credit_minor
        findings.promises.append(
            Promise(
                f"the trial balance is zero in {total.currency_code}",
                difference_minor == 0,
                format_amount(difference_minor, total.currency_code),
            )
        )


async def players_cash(day: Day, findings: Findings) -> None:
    """Every player has what the day's own sums say, duplicates and lost webhooks or not."""
    purses = list(day.cash_minor)
    balances = await _balances(day, [purse.cash for purse in purses])
    wrong = [
        f"{purse.player_id} has {format_amount(balances[purse.cash], purse.currency_code)}, not "
        f"{format_amount(day.cash_minor[purse], purse.currency_code)} {purse.currency_code}"
        for purse in purses
        if balances[purse.cash] != day.cash_minor[purse]
    ]
    findings.promises.append(
        Promise(
            f"each of {len(purses)} players has his money to the cent", not wrong, "; ".join(wrong)
        )
    )


async def duplicates(day: Day, findings: Findings) -> None:
    """The duplicate was delivered more than once, and the lost webhook never."""
    deliveries = await day.mock.deliveries()
    copies = Counter(
        {
            name: sum(
                len(one["attempts"])
                for one in deliveries
                if one["object_id"] == day.deposits[name].provider_object_id
                and one["type"] == "payment_intent.succeeded"
            )
            for name in ("duplicate", "lost-webhook")
        }
    )
    findings.promises.append(
        Promise(
            "one webhook came more than once, and one never",
            copies["duplicate"] > 1 and copies["lost-webhook"] == 0,
            f"deliveries: {dict(copies)}",
        )
    )


async def provider_buckets(day: Day, findings: Findings) -> None:
    """The provider's buckets equal ours, but for what was seeded."""
    theirs = await day.mock.buckets()
    ours = await _our_buckets(day)
    findings.buckets = [
        BucketLine(code, name, getattr(theirs[code], f"{name}_minor"), ours[code][name])
        for code in CURRENCIES
        for name in ("pending", "available", "in_transit", "rolling_reserve")
    ]
    for code in CURRENCIES:
        findings.promises += [
            _equal(
                f"what is in transit in {code}",
                theirs[code].in_transit_minor,
                ours[code]["in_transit"],
                code,
            ),
            _equal(
                f"the rolling reserve in {code}",
                theirs[code].rolling_reserve_minor,
                ours[code]["rolling_reserve"],
                code,
            ),
            _held(day, code, theirs[code], ours[code]),
        ]


def _equal(what: str, theirs_minor: int, ours_minor: int, code: str) -> Promise:
    return Promise(
        f"{what} is the same at the provider and in our books",
        theirs_minor == ours_minor,
        f"{format_amount(theirs_minor, code)} and {format_amount(ours_minor, code)}",
    )


def _held(day: Day, code: str, theirs: Buckets, ours: Mapping[str, int]) -> Promise:
    seeded_minor = sum(seed.held_minor for seed in day.seeds if seed.currency_code == code)
    found_minor = (
        theirs.pending_minor + theirs.available_minor - ours["pending"] - ours["available"]
    )
    return Promise(
        f"the provider holds in {code} what our books say, but for what was seeded",
        found_minor == seeded_minor,
        f"by {format_amount(found_minor, code)}, seeded {format_amount(seeded_minor, code)}",
    )


async def clearing_is_empty(day: Day, findings: Findings) -> None:
    """Nothing is left in a clearing account when everything has ended."""
    at = f"{PROVIDER}/{PROVIDER_ACCOUNT}"
    paths = [
        path
        for code in (code.lower() for code in CURRENCIES)
        for path in (
            f"liability/psp/{at}/withdrawal_clearing/{code}",
            f"liability/psp/{at}/refund_clearing/{code}",
            f"asset/psp/{at}/disputes/{code}",
        )
    ]
    left = {path: minor for path, minor in (await _balances(day, paths)).items() if minor}
    findings.promises.append(
        Promise("nothing is left in a clearing account", not left, f"left: {left}")
    )


async def run_result(day: Day, findings: Findings) -> None:
    """The run proves the day, finds each seeded fault with its reason, and nothing else."""
    assert day.run is not None
    found = await RunServiceStub(day.reconciliation).GetStatement(
        GetStatementRequest(tenant_id=day.tenant, run_id=day.run.run_id)
    )
    findings.statement = found.statement
    verdict = found.statement.run.verdict
    failed = [
        Proof.Name(proof.proof).removeprefix("PROOF_")
        for proof in found.statement.proofs
        if proof.outcome == PROOF_OUTCOME_FAILED
    ]
    findings.promises += [
        Promise("every proof of the run holds", not failed, ", ".join(failed)),
        Promise("the verdict is BREAKS", verdict == VERDICT_BREAKS, Verdict.Name(verdict)),
    ]
    listed = await BreakServiceStub(day.reconciliation).ListBreaks(
        ListBreaksRequest(
            tenant_id=day.tenant, run_id=day.run.run_id, open_only=True, page_size=_BREAKS_MAX
        )
    )
    findings.breaks = listed.breaks
    findings.promises += _compared_with_seeds(day, listed.breaks)


def _compared_with_seeds(day: Day, breaks: Sequence[Break]) -> list[Promise]:
    left = list(breaks)
    promises = []
    for seed in day.seeds:
        found = [one for one in left if one.key == seed.key]
        ok = len(found) == 1 and (found[0].break_class, found[0].difference_minor) == (
            seed.break_class,
            seed.difference_minor,
        )
        called = ", ".join(
            f"{BreakClass.Name(one.break_class)} {one.difference_minor}" for one in found
        )
        wanted = BreakClass.Name(seed.break_class).removeprefix("BREAK_CLASS_")
        promises.append(
            Promise(f"found: {seed.about} ({wanted})", ok, f"found as {called or 'nothing'}")
        )
        left = [one for one in left if one.key != seed.key]
    # No bank statement was imported: each sweep is on its way, and that is all that may be said.
    unseeded = [one for one in left if one.break_class != BREAK_CLASS_PENDING_BANK]
    promises.append(
        Promise(
            "no break was found that was not seeded",
            not unseeded,
            "; ".join(f"{BreakClass.Name(one.break_class)} {one.key}" for one in unseeded),
        )
    )
    return promises


async def _our_buckets(day: Day) -> Mapping[str, Mapping[str, int]]:
    names = ("pending", "available", "in_transit", "rolling_reserve")
    paths = {
        (code, name): f"asset/psp/{PROVIDER}/{PROVIDER_ACCOUNT}/{name}/{code.lower()}"
        for code in CURRENCIES
        for name in names
    }
    balances = await _balances(day, list(paths.values()))
    return {code: {name: balances[paths[code, name]] for name in names} for code in CURRENCIES}


async def _balances(day: Day, paths: Sequence[str]) -> Mapping[str, int]:
    response = await AccountServiceStub(day.ledger).GetBalances(
        GetBalancesRequest(tenant_id=day.tenant, account_ids=paths)
    )
    return {found.account_id: found.posted_minor for found in response.balances}
