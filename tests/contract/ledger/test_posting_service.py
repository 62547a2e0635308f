"""PostingService: what it records, what it refuses and why, and what a retry gets."""

import grpc
import pytest

from services.ledger.domain.reasons import RULES, Reason
from services.local.databases import Databases
from services.platform.errors import code_number
from tests.fakes.ledger_server import (
    LedgerClient,
    asset,
    entry,
    liability,
    running_ledger,
    settings,
    transfer,
)
from tests.fakes.refusals import Refusal, refusal
from vezne.ledger.v1.account_pb2 import AccountState, FrozenSide
from vezne.ledger.v1.posting_service_pb2 import BatchItem, BatchPostTransactionsRequest
from vezne.ledger.v1.reason_pb2 import LedgerReason
from vezne.ledger.v1.transaction_pb2 import HoldOptions, NewEntry, NewTransaction

TENANT = "acme"
INT64_MAX = 2**63 - 1


@pytest.fixture(scope="module", autouse=True)
async def books(ledger: LedgerClient) -> None:
    """A bank, a player without money, and an account of each hindrance."""
    await ledger.tenant(TENANT)
    await ledger.open(
        TENANT,
        asset("bank"),
        asset("bank/usd", "USD"),
        liability("player", min_available_minor=0),
        asset("full"),
        asset("empty"),
        asset("closed", state=AccountState.ACCOUNT_STATE_CLOSED),
        asset(
            "frozen",
            state=AccountState.ACCOUNT_STATE_FROZEN,
            frozen_side=FrozenSide.FROZEN_SIDE_BOTH,
        ),
    )
    await ledger.post(TENANT, "fill", transfer("full", "empty", INT64_MAX))


def with_hold() -> NewTransaction:
    held = transfer("bank", "player", 1)
    held.hold.CopyFrom(HoldOptions())
    return held


def with_entry(**chosen: object) -> NewTransaction:
    """A transaction whose second entry asks for what is not built yet."""
    asked = transfer("bank", "player", 1)
    asked.entries[1].MergeFrom(NewEntry(**chosen))  # type: ignore[arg-type]  # Fields.
    return asked


def far_ahead() -> NewTransaction:
    ahead = transfer("bank", "player", 1)
    ahead.effective_time.seconds = 250_000_000_000
    return ahead


# What is asked, the reason that it is refused for, and the metadata that says what of.
REFUSED: dict[str, tuple[NewTransaction, Reason, dict[str, str]]] = {
    "no entries": (NewTransaction(kind="k"), Reason.INVALID_REQUEST, {}),
    "a hold": (with_hold(), Reason.NOT_IMPLEMENTED, {"field": "transaction.hold"}),
    "a version expected": (
        with_entry(expected_account_version=0),
        Reason.NOT_IMPLEMENTED,
        {"field": "transaction.entries[1].expected_account_version"},
    ),
    "an available amount expected": (
        with_entry(expected_min_available_minor=0),
        Reason.NOT_IMPLEMENTED,
        {"field": "transaction.entries[1].expected_min_available_minor"},
    ),
    "up to what is available": (
        with_entry(up_to_available=True),
        Reason.NOT_IMPLEMENTED,
        {"field": "transaction.entries[1].up_to_available"},
    ),
    "an unequal sum": (
        NewTransaction(kind="k", entries=[entry("bank", 5), entry("player", -4)]),
        Reason.UNBALANCED,
        {"field": "transaction.entries"},
    ),
    "a sum over two currencies": (
        NewTransaction(kind="k", entries=[entry("bank", 5), entry("bank/usd", -5, "USD")]),
        Reason.UNBALANCED,
        {"field": "transaction.entries"},
    ),
    "a currency of nobody": (
        transfer("bank", "player", 1, "XQQ"),
        Reason.UNKNOWN_CURRENCY,
        {"field": "transaction.entries[0].amount.currency_code"},
    ),
    "an unknown account": (
        transfer("bank", "nowhere", 1),
        Reason.ACCOUNT_NOT_FOUND,
        {"account_id": "nowhere"},
    ),
    "another currency": (
        transfer("bank", "player", 1, "USD"),
        Reason.CURRENCY_MISMATCH,
        {"account_id": "bank", "currency_code": "EUR"},
    ),
    "a time to come": (far_ahead(), Reason.EFFECTIVE_TIME_OUT_OF_WINDOW, {}),
    "a closed account": (
        transfer("closed", "bank", 1),
        Reason.ACCOUNT_CLOSED,
        {"account_id": "closed"},
    ),
    "a frozen account": (
        transfer("bank", "frozen", 1),
        Reason.ACCOUNT_FROZEN,
        {"account_id": "frozen"},
    ),
    "more than 64 bits": (
        transfer("full", "bank", 1),
        Reason.OUT_OF_RANGE,
        {"account_id": "full"},
    ),
    "more than there is": (
        transfer("player", "bank", 1),
        Reason.INSUFFICIENT_AVAILABLE,
        {
            "account_id": "player",
            "available_minor": "0",
            "limit_minor": "0",
            "asked_minor": "1",
        },
    ),
}
OF_SHAPE = {
    Reason.INVALID_REQUEST,
    Reason.NOT_IMPLEMENTED,
    Reason.UNBALANCED,
    Reason.UNKNOWN_CURRENCY,
}


async def refused(ledger: LedgerClient, request_id: str, asked: NewTransaction) -> Refusal:
    return await refusal(ledger.post(TENANT, request_id, asked))


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_says_why(ledger: LedgerClient, name: str) -> None:
    """Each reason comes with its code, the ledger's domain, and what it is about."""
    asked, reason, metadata = REFUSED[name]
    found = await refused(ledger, f"why {name}".replace(" ", "-"), asked)

    assert found.code.value[0] == code_number(RULES[reason].category)
    assert (found.reason, found.domain, found.metadata) == (reason, "ledger.vezne", metadata)
    assert bool(found.fields) is (reason is Reason.INVALID_REQUEST)


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_is_told_in_a_batch_as_by_itself(ledger: LedgerClient, name: str) -> None:
    """In a batch the item's refusal has the same reason, code and metadata; shape refuses all."""
    asked, reason, metadata = REFUSED[name]
    request_id = f"batch {name}".replace(" ", "-")
    sound = (f"{request_id}-sound", transfer("bank", "bank", 1))
    if reason in OF_SHAPE:
        found = await refusal(ledger.batch(TENANT, sound, (request_id, asked)))
        assert found.reason == reason
        [alone] = await ledger.batch(TENANT, sound)
        assert not alone.replayed
        return
    posted, item = await ledger.batch(TENANT, sound, (request_id, asked))
    again = await refused(ledger, request_id, asked)

    assert posted.HasField("posted")
    assert LedgerReason.Name(item.refusal.reason) == f"LEDGER_REASON_{reason}"
    assert dict(item.refusal.metadata) == metadata
    assert item.refusal.code == again.code.value[0]
    assert (again.reason, again.metadata) == (reason, metadata)


@pytest.mark.parametrize(
    "name", [name for name, (_, reason, _) in REFUSED.items() if RULES[reason].remembered]
)
async def test_a_final_refusal_is_one_for_ever(
    ledger: LedgerClient, databases: Databases, name: str
) -> None:
    """A retry, here or on a server that knows nothing yet, is refused with the same words."""
    asked, _, _ = REFUSED[name]
    request_id = f"for-ever {name}".replace(" ", "-")
    first = await refused(ledger, request_id, asked)
    async with running_ledger(settings(databases.url("ledger"))) as other:
        elsewhere = await refused(other, request_id, asked)
        [item] = await other.batch(TENANT, (request_id, asked))
    reused = await refused(ledger, request_id, transfer("bank", "bank", 1))

    assert elsewhere == first == await refused(ledger, request_id, asked)
    assert item.replayed
    assert item.refusal.message == first.message
    assert reused.code is grpc.StatusCode.ALREADY_EXISTS
    assert reused.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    "name", [name for name, (_, reason, _) in REFUSED.items() if reason in OF_SHAPE]
)
async def test_a_wrong_shape_does_nothing(ledger: LedgerClient, name: str) -> None:
    """What was refused for its shape is not remembered: its request id is still free."""
    request_id = f"shape {name}".replace(" ", "-")
    await refused(ledger, request_id, REFUSED[name][0])
    answer = await ledger.post(TENANT, request_id, transfer("bank", "bank", 1))

    assert not answer.replayed


async def test_a_missing_account_is_not_remembered(ledger: LedgerClient) -> None:
    """The same request passes once the account exists."""
    asked = transfer("bank", "born-later", 1)
    assert (await refused(ledger, "born", asked)).reason == "ACCOUNT_NOT_FOUND"
    await ledger.open(TENANT, liability("born-later"))

    assert not (await ledger.post(TENANT, "born", asked)).replayed


async def test_a_posting_is_one_for_ever(ledger: LedgerClient, databases: Databases) -> None:
    """A retry gets the same transaction, with the balances of then, from whichever server."""
    legs = [entry("bank", 5), entry("bank/usd", 7, "USD"), entry("bank", 2)]
    legs += [entry("player", -7), entry("bank/usd", -7, "USD")]
    asked = NewTransaction(
        kind="psp.deposit.captured",
        entries=legs,
        description="ünïcode",
        external_id="order-1",
        metadata={"b": "2", "a": "1"},
    )
    first = await ledger.post(TENANT, "ever", asked)
    await ledger.post(TENANT, "ever-after", transfer("bank", "player", 90))
    async with running_ledger(settings(databases.url("ledger"))) as other:
        elsewhere = await other.post(TENANT, "ever", asked)

    assert [one.account_id for one in first.posted.balances] == ["bank", "bank/usd", "player"]
    assert not first.replayed
    assert elsewhere.replayed
    assert elsewhere.posted == first.posted == (await ledger.post(TENANT, "ever", asked)).posted


async def test_a_stored_request_beside_another_body_is_replayed_whole(
    ledger: LedgerClient, databases: Databases
) -> None:
    """A batch that repeats an id with its own body and with another gets both answers right."""
    first = await ledger.post(TENANT, "beside", transfer("bank", "player", 5))
    async with running_ledger(settings(databases.url("ledger"))) as other:
        one, two = await other.batch(
            TENANT,
            ("beside", transfer("bank", "player", 5)),
            ("beside", transfer("full", "empty", 5)),
        )

    assert one.posted == first.posted
    assert one.replayed
    assert two.refusal.reason == LedgerReason.LEDGER_REASON_REQUEST_ID_REUSED


async def test_the_items_of_a_batch_are_decided_in_order(ledger: LedgerClient) -> None:
    """What one item brings the next may take, and one that is refused harms no other."""
    await ledger.open(TENANT, liability("fresh", min_available_minor=0))
    results = await ledger.batch(
        TENANT,
        ("b-1", transfer("fresh", "bank", 5)),
        ("b-2", transfer("bank", "fresh", 5)),
        ("b-3", transfer("fresh", "bank", 5)),
        ("b-2", transfer("bank", "fresh", 5)),
        ("b-2", transfer("bank", "fresh", 6)),
    )

    assert [one.WhichOneof("outcome") for one in results] == [
        "refusal",
        "posted",
        "posted",
        "posted",
        "refusal",
    ]
    assert [one.replayed for one in results] == [False, False, False, True, False]
    assert results[3].posted == results[1].posted
    assert results[4].refusal.reason == LedgerReason.LEDGER_REASON_REQUEST_ID_REUSED
    assert await ledger.posted(TENANT, "fresh") == 0


async def test_a_batch_has_its_bounds(ledger: LedgerClient) -> None:
    """No item, 2,001 items, 10,100 entries, an atomic group: each refuses the whole batch."""
    move = transfer("bank", "bank", 1)
    wide = NewTransaction(kind="k", entries=[entry("bank", 1), entry("bank", -1)] * 50)
    batches: list[tuple[list[BatchItem], str, dict[str, str]]] = [
        ([], "INVALID_REQUEST", {}),
        (
            [BatchItem(request_id=f"n{n}", transaction=move) for n in range(2001)],
            "INVALID_REQUEST",
            {},
        ),
        (
            [BatchItem(request_id=f"n{n}", transaction=wide) for n in range(101)],
            "REQUEST_TOO_LARGE",
            {"entries_max": "10000"},
        ),
        (
            [
                BatchItem(request_id="n0", transaction=move),
                BatchItem(request_id="n1", transaction=move, atomic_group="g"),
            ],
            "NOT_IMPLEMENTED",
            {"field": "items[1].atomic_group"},
        ),
    ]
    for items, reason, metadata in batches:
        request = BatchPostTransactionsRequest(tenant_id=TENANT, items=items)
        found = await refusal(ledger.posting.BatchPostTransactions(request))
        assert (found.reason, found.metadata) == (reason, metadata)
    [alone] = await ledger.batch(TENANT, ("n0", move))
    assert not alone.replayed
