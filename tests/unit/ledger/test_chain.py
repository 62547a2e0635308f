"""The chain, recomputed from rows by code that was written from its specification only."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from services.kernel.clock import from_micros
from services.ledger.domain import chain
from services.ledger.domain.accounts import AccountKind, Policy
from services.ledger.domain.commands import NewEntry, Post, content, digest
from tests.fakes.book_store import MemoryBookStore
from tests.fakes.chain_auditor import Export, Row, first_break
from tests.fakes.lanes import lane_on
from tests.fakes.posts import CHART, NOW, changing, histories, opening, post

SPECIFICATION = Path(__file__).parents[3] / "docs" / "understand" / "chain.md"
POLICY = Policy(min_available=-7, labels=("b", "a"), metadata={"z": "ü", "a": ""})


def exported(store: MemoryBookStore) -> Export:
    """The rows of a book in memory, as they are in the tables."""
    assert store.head is not None
    rows = store.rows
    return Export(
        store.head.tenant_id,
        [
            {
                "account_key": row.account.key,
                "account_id": row.account.account_id,
                "currency_code": row.account.currency_code,
                "kind": int(row.account.kind),
            }
            for row in rows.account_events
            if row.opens
        ],
        [
            {
                **row._asdict(),
                "account_key": row.account.key,
                "min_available": row.policy.min_available,
                "state": int(row.policy.state),
                "frozen_side": int(row.policy.frozen_side),
                "labels": row.policy.labels,
                "metadata": row.policy.metadata,
                "create_time": from_micros(row.create_micros),
            }
            for row in rows.account_events
        ],
        [
            {
                **row.command._asdict(),
                **row._asdict(),
                "create_time": from_micros(row.create_micros),
                "effective_time": (
                    None
                    if row.command.effective_micros is None
                    else from_micros(row.command.effective_micros)
                ),
            }
            for row in rows.transactions
        ],
        [row._asdict() for row in store.legs],
    )


async def booked(history: Sequence[Post]) -> MemoryBookStore:
    store = MemoryBookStore()
    lane = lane_on(store)
    await lane.decide([opening("chart", *CHART.values())])
    half = len(history) // 2
    await lane.decide(history[:half])
    change = changing("c1", "bank", POLICY, "min_available", "labels", "metadata")
    await lane.decide([change])
    await lane.decide(history[half:])
    return store


@settings(max_examples=50)
@given(histories(20))
def test_every_hash_is_that_of_the_specification(history: Sequence[Post]) -> None:
    """An auditor who has the specification and the rows finds every hash right."""
    store = asyncio.run(booked(history))

    assert first_break(exported(store)) is None
    assert store.head is not None
    last = store.rows.account_events[-1], *store.rows.transactions[-1:]
    assert store.head.hash in {row.hash for row in last}


def test_the_worked_example_is_the_ledgers() -> None:
    """The example of the specification runs, and our own code computes the same hashes."""
    [example] = re.findall(r"```python\n(.*?)```", SPECIFICATION.read_text("utf-8"), re.DOTALL)
    told: dict[str, Any] = {}
    exec(compile(example, str(SPECIFICATION), "exec"), told)  # noqa: S102 - our own document.

    player = chain.identity(2, "liability/player/7/eur", "EUR", AccountKind.LIABILITY)
    second = chain.account_event_hash(
        told["first"],
        "acme",
        2,
        0,
        1_767_225_600_000_001,
        "open-1",
        player,
        Policy(min_available=0, labels=("players",), metadata={"note": "Müller"}),
    )
    entries = [
        NewEntry("asset/bank/eur", "EUR", 1234),
        NewEntry("liability/player/7/eur", "EUR", -1234),
    ]
    metadata = {"movement_key": "tx_1"}
    request_hash = digest(
        content("psp.deposit.captured", entries, None, "Card deposit", "order-9", metadata)
    )
    deposit = chain.transaction_hash(
        second,
        request_hash,
        "acme",
        1,
        "019b76da-a800-7000-8000-000000000001",
        "deposit-1",
        1_767_225_601_000_000,
        [1234, 0, 0, 1, 1234, 0, 0, 1],
    )
    assert (second, request_hash, deposit) == (
        told["second"],
        told["request_hash"],
        told["deposit"],
    )


HISTORY = [
    post("r1", ("bank", 5), ("player", -5), effective=NOW - 1, metadata={"a": "1", "b": "2"}),
    post("r2", ("player", 1), ("fees", -1)),
]
CHANGES: dict[str, tuple[str, ...]] = {
    "accounts": ("account_id", "currency_code", "kind"),
    "events": (
        "event_number",
        "follows_sequence",
        "account_key",
        "min_available",
        "state",
        "frozen_side",
        "labels",
        "metadata",
        "request_id",
        "create_time",
        "hash",
    ),
    "transactions": (
        "sequence",
        "transaction_id",
        "request_id",
        "kind",
        "effective_time",
        "create_time",
        "description",
        "external_id",
        "metadata",
        "hash",
    ),
    "entries": (
        "account_key",
        "sequence",
        "entry_number",
        "account_version",
        "amount",
        "posted",
        "pending_in",
        "pending_out",
    ),
}


def altered(value: Any) -> Any:
    """A value of the same kind that is not the same."""
    others: dict[type, Callable[[Any], Any]] = {
        bytes: lambda old: bytes([old[0] ^ 1]) + old[1:],
        int: lambda old: old + 1,
        str: lambda old: f"{old}x",
        dict: lambda old: {**old, "more": "x"},
        tuple: lambda old: (*old, "x"),
        datetime: lambda old: old + timedelta(microseconds=1),
        type(None): lambda _old: 0,
    }
    return others[type(value)](value)


@pytest.mark.parametrize(
    ("table", "column"),
    [(table, column) for table, columns in CHANGES.items() for column in columns],
)
def test_no_column_can_be_changed_unseen(table: str, column: str) -> None:
    """Changing any column of any record breaks the chain."""
    export = exported(asyncio.run(booked(HISTORY)))
    rows: list[Row] = [*getattr(export, table)]
    rows[0] = {**rows[0], column: altered(rows[0][column])}

    try:
        found = first_break(replace(export, **{table: rows}))
    except KeyError:
        found = "a row without its account or its entries"
    assert found is not None


@pytest.mark.parametrize("table", ["events", "transactions", "entries"])
def test_no_row_can_be_left_out_unseen(table: str) -> None:
    """Leaving out any record but the last breaks the chain; the last is held by the head."""
    export = exported(asyncio.run(booked(HISTORY)))
    rows = [*getattr(export, table)]

    for number in range(len(rows) - 1):
        fewer = replace(export, **{table: rows[:number] + rows[number + 1 :]})
        assert first_break(fewer) is not None
