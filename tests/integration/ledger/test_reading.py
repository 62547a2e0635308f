"""Reading the history: as of a time and a sequence agree, and all sums prove one another."""

import random
from collections import defaultdict

import pytest

from services.ledger.adapters.postgres.journal import PostgresJournal
from services.ledger.application.journal import Journal
from services.ledger.domain.history import ExportFilter
from services.local.databases import Databases
from services.platform.database import create_engine
from services.platform.settings import DatabaseSettings
from tests.fakes.ledger_server import LedgerClient, asset, entry, liability
from tests.fakes.ledger_sql import owner
from vezne.ledger.v1.account_service_pb2 import GetBalancesRequest
from vezne.ledger.v1.journal_service_pb2 import (
    ExportEntriesRequest,
    GetCutRequest,
    GetTrialBalanceRequest,
    ListEntriesRequest,
    ListEntriesResponse,
)
from vezne.ledger.v1.posting_service_pb2 import PostedTransaction
from vezne.ledger.v1.transaction_pb2 import NewTransaction

TENANT = "acme"
ACCOUNTS = ["asset/bank", "asset/till", "liability/player/1", "liability/player/2"]
COUNT = 1_250


@pytest.fixture(scope="module", autouse=True)
async def posted(ledger: LedgerClient) -> list[PostedTransaction]:
    """More transactions than an export reads at once, in batches of uneven sizes."""
    draw = random.Random(7)  # noqa: S311 - the same history in every run.
    await ledger.tenant(TENANT)
    await ledger.open(TENANT, *(asset(one) for one in ACCOUNTS[:2]))
    await ledger.open(TENANT, *(liability(one) for one in ACCOUNTS[2:]))
    found: list[PostedTransaction] = []
    while len(found) < COUNT:
        items = []
        for number in range(len(found), min(COUNT, len(found) + draw.randint(1, 200))):
            one, two, three = draw.sample(ACCOUNTS, 3)
            amount = draw.randint(2, 10**6)
            legs = [entry(one, amount), entry(two, -1), entry(three, 1 - amount)]
            items.append((f"r{number}", NewTransaction(kind=f"kind.{number % 3}", entries=legs)))
        found += [result.posted for result in await ledger.batch(TENANT, *items)]
    return found


_STATES = "SELECT DISTINCT state FROM pg_stat_activity WHERE application_name = 'vezne-export'"


def export(after: int, through: int) -> ExportEntriesRequest:
    return ExportEntriesRequest(tenant_id=TENANT, after_sequence=after, through_sequence=through)


async def test_as_of_a_time_is_as_of_its_sequence(
    ledger: LedgerClient, posted: list[PostedTransaction]
) -> None:
    """At, just before and just after each of many records, both ways give the same answer."""
    for one in posted[::83]:
        micros = one.create_time.ToMicroseconds()
        for moment, nanos, sequence in (
            (micros - 1, 999, one.sequence - 1),
            (micros, 0, one.sequence),
            (micros, 999, one.sequence),
        ):
            by_time = GetBalancesRequest(tenant_id=TENANT, account_ids=ACCOUNTS)
            by_time.as_of_time.FromMicroseconds(moment)
            by_time.as_of_time.nanos += nanos
            by_sequence = GetBalancesRequest(
                tenant_id=TENANT, account_ids=ACCOUNTS, as_of_sequence=sequence
            )
            answer = await ledger.accounts.GetBalances(by_time)
            assert answer.cut.sequence == sequence
            assert answer == await ledger.accounts.GetBalances(by_sequence)
            cut = await ledger.journal.GetCut(
                GetCutRequest(tenant_id=TENANT, as_of_time=by_time.as_of_time)
            )
            assert cut.cut == answer.cut


async def test_an_export_of_pages_is_every_transaction_once(
    ledger: LedgerClient, posted: list[PostedTransaction]
) -> None:
    """Sequences without a gap across the pages, and balances that follow from entry to entry."""
    balances: dict[str, int] = defaultdict(int)
    versions: dict[str, int] = defaultdict(int)
    sequences: list[int] = []
    request = export(0, COUNT)
    async for answer in ledger.journal.ExportEntries(request):
        for one in answer.transactions:
            sequences.append(one.sequence)
            assert one.create_time == posted[one.sequence - 1].create_time
            for leg in one.entries:
                adds = (leg.direction == 1) is leg.account_id.startswith("asset")
                balances[leg.account_id] += leg.amount_minor if adds else -leg.amount_minor
                versions[leg.account_id] += 1
                assert leg.posted_minor == balances[leg.account_id]
                assert leg.account_version == versions[leg.account_id]

    assert sequences == [*range(1, COUNT + 1)]
    assert answer.summary.transactions_scanned == answer.summary.transactions_sent == COUNT
    assert answer.summary.entries_sent == 3 * COUNT


async def test_an_export_that_is_read_slowly_holds_nothing(databases: Databases) -> None:
    """While a page is on its way no transaction is open: a snapshot held would keep VACUUM off."""
    engine = create_engine(DatabaseSettings(url=databases.owner_url), "vezne-export")
    pages = 0
    async with owner(databases) as connection:
        async for _ in Journal(PostgresJournal(engine)).export(TENANT, 0, COUNT, ExportFilter()):
            pages += 1
            assert await connection.fetch(_STATES) == [("idle",)]
    await engine.dispose()

    assert pages == 3


async def test_exports_of_parts_are_the_export_of_the_whole(ledger: LedgerClient) -> None:
    """Cut anywhere, the parts put together are the whole, and each proves its own range."""

    async def rows(after: int, through: int) -> list[object]:
        found: list[object] = []
        async for answer in ledger.journal.ExportEntries(export(after, through)):
            found += answer.transactions
        assert answer.summary.transactions_scanned == through - after
        return found

    whole = await rows(0, COUNT)
    parts = [
        row
        for after, through in ((0, 1), (1, 999), (999, 1000), (1000, 1001), (1001, COUNT))
        for row in await rows(after, through)
    ]
    assert parts == whole


async def paged(ledger: LedgerClient, size: int, **chosen: object) -> list[ListEntriesResponse]:
    request = ListEntriesRequest(tenant_id=TENANT, page_size=size, **chosen)  # type: ignore[arg-type]  # Fields.
    pages = [await ledger.journal.ListEntries(request)]
    while pages[-1].next_page_token:
        request.page_token = pages[-1].next_page_token
        pages.append(await ledger.journal.ListEntries(request))
    return pages


@pytest.mark.parametrize("account_id", ACCOUNTS)
@pytest.mark.parametrize(("after", "through"), [(0, COUNT), (400, 900), (900, 900), (7, 8)])
async def test_a_statement_adds_up(
    ledger: LedgerClient, account_id: str, after: int, through: int
) -> None:
    """Opening plus entries is closing; in pages of any size the entries are the same."""
    chosen = {"account_id": account_id, "after_sequence": after, "through_sequence": through}
    pages = await paged(ledger, 1000, **chosen)
    lines = [line for page in pages for line in page.entries]
    sign = 1 if account_id.startswith("asset") else -1
    sums = sum(
        sign * (line.entry.amount_minor if line.entry.direction == 1 else -line.entry.amount_minor)
        for line in lines
    )

    assert pages[0].opening.posted_minor + sums == pages[0].closing.posted_minor
    assert pages[0].opening.version + len(lines) == pages[0].closing.version
    assert all(after < line.sequence <= through for line in lines)
    small = await paged(ledger, 211, **chosen)
    assert [line for page in small for line in page.entries] == lines
    assert {page.cut.sequence for page in small} == {through}


async def test_a_page_may_end_inside_a_transaction(ledger: LedgerClient) -> None:
    """An account with several legs in one transaction is paged leg by leg."""
    await ledger.tenant("legs")
    await ledger.open("legs", asset("a"))
    legs = [entry("a", 1), entry("a", -1)] * 3
    await ledger.post("legs", "r", NewTransaction(kind="k", entries=legs))
    request = ListEntriesRequest(tenant_id="legs", account_id="a", page_size=4)
    first = await ledger.journal.ListEntries(request)
    request.page_token = first.next_page_token
    second = await ledger.journal.ListEntries(request)

    numbers = [line.entry.entry_number for page in (first, second) for line in page.entries]
    assert numbers == [1, 2, 3, 4, 5, 6]
    assert second.next_page_token == ""


async def test_a_statement_by_times_is_one_by_sequences(
    ledger: LedgerClient, posted: list[PostedTransaction]
) -> None:
    """The same bounds as moments give the same statement."""
    one, two = posted[399], posted[899]
    [by_time] = await paged(
        ledger,
        1000,
        account_id=ACCOUNTS[0],
        after_time=one.create_time,
        through_time=two.create_time,
    )
    [by_sequence] = await paged(
        ledger, 1000, account_id=ACCOUNTS[0], after_sequence=400, through_sequence=900
    )

    assert by_time == by_sequence


async def test_the_trial_balance_is_the_sum_of_balances_at_any_sequence(
    ledger: LedgerClient,
) -> None:
    """At each of several cuts debits equal credits, and the lines are the accounts' balances."""
    for sequence in (0, 1, 400, 777, COUNT):
        trial = await ledger.journal.GetTrialBalance(
            GetTrialBalanceRequest(tenant_id=TENANT, as_of_sequence=sequence, group_depth=8)
        )
        found = await ledger.accounts.GetBalances(
            GetBalancesRequest(tenant_id=TENANT, account_ids=ACCOUNTS, as_of_sequence=sequence)
        )
        lines = {line.prefix: (line.debit_minor, line.credit_minor) for line in trial.lines}
        for balance in found.balances:
            debit = balance.posted_minor * (1 if balance.account_id.startswith("asset") else -1)
            assert lines[balance.account_id] == (max(debit, 0), max(-debit, 0))
        [total] = trial.totals
        assert total.debit_minor == total.credit_minor
        assert trial.cut == found.cut
