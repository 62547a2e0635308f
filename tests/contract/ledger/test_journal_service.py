"""JournalService: each RPC, what it answers and what it refuses."""

from collections.abc import Sequence

import grpc
import pytest

from tests.fakes.ledger_server import LedgerClient, asset, entry, liability, transfer
from tests.fakes.refusals import refusal
from vezne.ledger.v1.account_pb2 import Account, AccountKind
from vezne.ledger.v1.account_service_pb2 import GetBalancesRequest
from vezne.ledger.v1.entry_pb2 import DIRECTION_CREDIT, DIRECTION_DEBIT
from vezne.ledger.v1.journal_service_pb2 import (
    ExportEntriesRequest,
    ExportEntriesResponse,
    GetCutRequest,
    GetTransactionRequest,
    GetTrialBalanceRequest,
    ListEntriesRequest,
)
from vezne.ledger.v1.posting_service_pb2 import PostTransactionResponse
from vezne.ledger.v1.transaction_pb2 import TRANSACTION_STATE_POSTED, NewTransaction

TENANT = "acme"


def full() -> NewTransaction:
    """A transaction with every field set."""
    asked = NewTransaction(
        kind="psp.deposit.captured",
        entries=[entry("bank", 70), entry("fees", 30), entry("player", -100)],
        description="A deposit",
        external_id="order-1",
        metadata={"movement_key": "tx_1"},
    )
    asked.effective_time.FromMicroseconds(1_700_000_000_123_456)
    return asked


@pytest.fixture(scope="module", autouse=True)
async def posted(ledger: LedgerClient) -> Sequence[PostTransactionResponse]:
    """Four transactions of three kinds over four accounts."""
    await ledger.tenant(TENANT)
    await ledger.open(TENANT, asset("bank"), asset("fees"), liability("player"), liability("other"))
    return [
        await ledger.post(TENANT, "p-1", full()),
        await ledger.post(TENANT, "p-2", transfer("bank", "player", 50, kind="bonus")),
        await ledger.post(TENANT, "p-3", transfer("player", "other", 20, kind="gift")),
        await ledger.post(TENANT, "p-4", transfer("other", "bank", 20, kind="bonus")),
    ]


async def exported(ledger: LedgerClient, **chosen: object) -> list[ExportEntriesResponse]:
    request = ExportEntriesRequest(tenant_id=TENANT, **chosen)  # type: ignore[arg-type]  # Fields.
    return [answer async for answer in ledger.journal.ExportEntries(request)]


async def test_a_transaction_is_read_as_it_was_posted(
    ledger: LedgerClient, posted: Sequence[PostTransactionResponse]
) -> None:
    """By id, sequence or request id it is the same, with all that was asked and recorded."""
    first = posted[0].posted
    answers = [
        await ledger.journal.GetTransaction(GetTransactionRequest(tenant_id=TENANT, **name))
        for name in (
            {"transaction_id": first.transaction_id},
            {"sequence": first.sequence},
            {"request_id": "p-1"},
        )
    ]

    found = answers[0].transaction
    assert answers[1].transaction == answers[2].transaction == found
    assert (found.transaction_id, found.sequence) == (first.transaction_id, 1)
    assert found.create_time == first.create_time
    assert found.state == TRANSACTION_STATE_POSTED
    asked = full()
    assert (found.kind, found.description, found.external_id) == (
        asked.kind,
        asked.description,
        asked.external_id,
    )
    assert found.metadata == asked.metadata
    assert found.effective_time == asked.effective_time
    assert [
        (one.entry_number, one.account_id, one.direction, one.amount_minor, one.posted_minor)
        for one in found.entries
    ] == [
        (1, "bank", DIRECTION_DEBIT, 70, 70),
        (2, "fees", DIRECTION_DEBIT, 30, 30),
        (3, "player", DIRECTION_CREDIT, 100, 100),
    ]
    assert len(found.hash) == 32


async def test_a_time_that_was_not_given_is_that_of_recording(ledger: LedgerClient) -> None:
    """Without an effective time a transaction was effective when it was recorded."""
    found = await ledger.journal.GetTransaction(GetTransactionRequest(tenant_id=TENANT, sequence=2))

    assert found.transaction.effective_time == found.transaction.create_time


@pytest.mark.parametrize(
    "name",
    [
        {"transaction_id": "00000000-0000-7000-8000-000000000000"},
        {"sequence": 2**63 - 1},
        {"request_id": "never"},
    ],
    ids=str,
)
async def test_a_transaction_that_is_not_there(
    ledger: LedgerClient, name: dict[str, object]
) -> None:
    """By whichever name, it is TRANSACTION_NOT_FOUND."""
    request = GetTransactionRequest(tenant_id=TENANT, **name)  # type: ignore[arg-type]  # Fields.
    refused = await refusal(ledger.journal.GetTransaction(request))

    assert (refused.code, refused.reason) == (
        grpc.StatusCode.NOT_FOUND,
        "TRANSACTION_NOT_FOUND",
    )


async def test_the_cut_is_the_last_transactions(
    ledger: LedgerClient, posted: Sequence[PostTransactionResponse]
) -> None:
    """Now: the last transaction's sequence, hash and time. As of its time: the same."""
    now = await ledger.journal.GetCut(GetCutRequest(tenant_id=TENANT))
    last = await ledger.journal.GetTransaction(GetTransactionRequest(tenant_id=TENANT, sequence=4))
    second = posted[1].posted.create_time
    as_of = await ledger.journal.GetCut(GetCutRequest(tenant_id=TENANT, as_of_time=second))

    assert (now.cut.sequence, now.cut.hash) == (4, last.transaction.hash)
    assert now.cut.create_time == last.transaction.create_time
    assert as_of.cut.sequence == 2


async def test_the_cut_before_the_first_transaction_is_empty(ledger: LedgerClient) -> None:
    """Opening accounts makes no cut: sequence 0, no hash, no time, whatever the moment."""
    await ledger.tenant("empty")
    await ledger.open("empty", asset("bank"))
    now = await ledger.journal.GetCut(GetCutRequest(tenant_id="empty"))
    long_ago = await ledger.journal.GetCut(
        GetCutRequest(tenant_id=TENANT, as_of_time={"seconds": 1})
    )

    for cut in (now.cut, long_ago.cut):
        assert (cut.sequence, cut.hash, cut.HasField("create_time")) == (0, b"", False)


async def test_a_statement_runs_from_opening_to_closing(ledger: LedgerClient) -> None:
    """Opening plus entries is closing, and each line says what it was."""
    answer = await ledger.journal.ListEntries(
        ListEntriesRequest(tenant_id=TENANT, account_id="player", after_sequence=1)
    )

    assert answer.opening.posted_minor == 100
    assert [(line.sequence, line.kind, line.entry.posted_minor) for line in answer.entries] == [
        (2, "bonus", 150),
        (3, "gift", 130),
    ]
    assert answer.closing.posted_minor == 130
    assert (answer.closing.sequence, answer.cut.sequence) == (3, 4)
    assert answer.next_page_token == ""


@pytest.mark.parametrize(
    ("chosen", "code", "reason"),
    [
        ({"account_id": "nowhere"}, grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND"),
        ({"through_sequence": 5}, grpc.StatusCode.OUT_OF_RANGE, "SEQUENCE_NOT_REACHED"),
        ({"after_sequence": 5}, grpc.StatusCode.OUT_OF_RANGE, "SEQUENCE_NOT_REACHED"),
        ({"after_sequence": -1}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"through_time": {"nanos": -5}}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"page_size": -1}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"page_token": "x"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN"),
    ],
    ids=str,
)
async def test_statements_that_are_refused(
    ledger: LedgerClient, chosen: dict[str, object], code: grpc.StatusCode, reason: str
) -> None:
    """Each with its reason."""
    request = ListEntriesRequest(**{"tenant_id": TENANT, "account_id": "bank", **chosen})
    refused = await refusal(ledger.journal.ListEntries(request))

    assert (refused.code, refused.reason) == (code, reason)


async def test_a_trial_balance_sums_what_stands(ledger: LedgerClient) -> None:
    """By kind, by prefix at a depth, and under a prefix only."""
    whole = await ledger.journal.GetTrialBalance(GetTrialBalanceRequest(tenant_id=TENANT))
    deep = await ledger.journal.GetTrialBalance(
        GetTrialBalanceRequest(tenant_id=TENANT, group_depth=1, as_of_sequence=3)
    )
    part = await ledger.journal.GetTrialBalance(
        GetTrialBalanceRequest(tenant_id=TENANT, prefix="ban")
    )

    assert [
        (line.kind, line.account_count, line.debit_minor, line.credit_minor) for line in whole.lines
    ] == [
        (AccountKind.ACCOUNT_KIND_ASSET, 2, 130, 0),
        (AccountKind.ACCOUNT_KIND_LIABILITY, 2, 0, 130),
    ]
    assert [(one.currency_code, one.debit_minor, one.credit_minor) for one in whole.totals] == [
        ("EUR", 130, 130)
    ]
    assert [(line.prefix, line.debit_minor, line.credit_minor) for line in deep.lines] == [
        ("bank", 120, 0),
        ("fees", 30, 0),
        ("other", 0, 20),
        ("player", 0, 130),
    ]
    assert deep.cut.sequence == 3
    assert [(one.debit_minor, one.credit_minor) for one in part.totals] == [(100, 0)]


async def test_a_balance_of_each_kind_stands_on_its_side(ledger: LedgerClient) -> None:
    """What was debited is a debit of the trial balance, and what was credited a credit: any kind's.

    Assets and expenses grow with debits, the others with credits; the balances say so.
    """
    kinds = [kind for kind in AccountKind.values() if kind]
    names = [f"account/{kind}" for kind in kinds]
    await ledger.tenant("kinds")
    await ledger.open(
        "kinds",
        *(
            Account(account_id=name, currency_code="EUR", kind=kind)
            for name, kind in zip(names, kinds, strict=True)
        ),
        asset("zero"),
    )
    legs = [entry(name, 10 + kind) for name, kind in zip(names, kinds, strict=True)]
    total = sum(leg.amount.minor_units for leg in legs)
    debited = NewTransaction(kind="test.kinds", entries=[*legs, entry("zero", -total)])
    await ledger.post("kinds", "k-1", debited)

    trial = await ledger.journal.GetTrialBalance(
        GetTrialBalanceRequest(tenant_id="kinds", prefix="account/")
    )
    assert [(line.kind, line.debit_minor, line.credit_minor) for line in trial.lines] == [
        (kind, 10 + kind, 0) for kind in kinds
    ]
    found = await ledger.accounts.GetBalances(
        GetBalancesRequest(tenant_id="kinds", account_ids=names)
    )
    grow = {AccountKind.ACCOUNT_KIND_ASSET, AccountKind.ACCOUNT_KIND_EXPENSE}
    assert [one.posted_minor for one in found.balances] == [
        10 + kind if kind in grow else -10 - kind for kind in kinds
    ]


async def test_a_trial_balance_refuses_a_sum_that_does_not_fit(ledger: LedgerClient) -> None:
    """Two balances of 2**63 - 1 on one side are OUT_OF_RANGE, not a wrapped number."""
    await ledger.tenant("rich")
    await ledger.open("rich", asset("a"), asset("b"), liability("c"), liability("d"))
    await ledger.post("rich", "r-1", transfer("a", "c", 2**63 - 1))
    await ledger.post("rich", "r-2", transfer("b", "d", 2**63 - 1))
    request = GetTrialBalanceRequest(tenant_id="rich")
    refused = await refusal(ledger.journal.GetTrialBalance(request))
    beyond = await refusal(
        ledger.journal.GetTrialBalance(GetTrialBalanceRequest(tenant_id=TENANT, as_of_sequence=5))
    )

    assert (refused.code, refused.reason) == (grpc.StatusCode.OUT_OF_RANGE, "OUT_OF_RANGE")
    assert beyond.reason == "SEQUENCE_NOT_REACHED"


async def test_an_export_is_the_range_and_its_summary(ledger: LedgerClient) -> None:
    """Every transaction of the range in order, then one summary that proves the range whole."""
    answers = await exported(ledger, after_sequence=1, through_sequence=4)
    transactions = [one for answer in answers for one in answer.transactions]

    assert [one.sequence for one in transactions] == [2, 3, 4]
    assert [answer.HasField("summary") for answer in answers] == [False, True]
    summary = answers[-1].summary
    assert (summary.transactions_scanned, summary.transactions_sent, summary.entries_sent) == (
        3,
        3,
        6,
    )
    assert (summary.cut.sequence, summary.cut.hash) == (4, transactions[-1].hash)


@pytest.mark.parametrize(
    ("chosen", "entries"),
    [
        ({"prefix": "p"}, [(1, "player"), (2, "player"), (3, "player")]),
        ({"account_ids": ["other", "fees"]}, [(1, "fees"), (3, "other"), (4, "other")]),
        ({"kinds": ["gift"]}, [(3, "player"), (3, "other")]),
        ({"kinds": ["bonus", "gift"], "prefix": "o"}, [(3, "other"), (4, "other")]),
        ({"kinds": ["never.used"]}, []),
    ],
    ids=str,
)
async def test_an_export_lets_through_what_was_chosen(
    ledger: LedgerClient, chosen: dict[str, object], entries: list[tuple[int, str]]
) -> None:
    """A filter leaves entries out, and transactions without any; all are scanned all the same."""
    answers = await exported(ledger, through_sequence=4, **chosen)
    found = [
        (one.sequence, leg.account_id)
        for answer in answers
        for one in answer.transactions
        for leg in one.entries
    ]

    assert found == entries
    summary = answers[-1].summary
    assert summary.transactions_scanned == 4
    assert summary.transactions_sent == len({sequence for sequence, _ in entries})
    assert summary.entries_sent == len(entries)


async def test_an_empty_export_is_a_summary(ledger: LedgerClient) -> None:
    """A range without a transaction has nothing but its summary."""
    [answer] = await exported(ledger, after_sequence=4, through_sequence=4)

    assert answer.summary.transactions_scanned == 0
    assert answer.summary.cut.sequence == 4


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"through_sequence": 5}, "SEQUENCE_NOT_REACHED"),
        ({"after_sequence": 3, "through_sequence": 2}, "INVALID_REQUEST"),
        ({"prefix": "b", "account_ids": ["bank"]}, "INVALID_REQUEST"),
        ({"kinds": ["\0"]}, "INVALID_REQUEST"),
        ({"kinds": ["UPPER"]}, "INVALID_REQUEST"),
        ({"account_ids": ["nowhere"], "through_sequence": 4}, "ACCOUNT_NOT_FOUND"),
        ({"tenant_id": "nobody"}, "TENANT_NOT_FOUND"),
    ],
    ids=str,
)
async def test_exports_that_are_refused(
    ledger: LedgerClient, chosen: dict[str, object], reason: str
) -> None:
    """Each with its reason, before anything is sent."""
    request = ExportEntriesRequest(**{"tenant_id": TENANT, **chosen})
    refused = await refusal(ledger.journal.ExportEntries(request).read())

    assert (refused.reason, refused.domain) == (reason, "ledger.vezne")
