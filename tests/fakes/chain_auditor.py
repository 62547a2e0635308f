"""An auditor's page of code, written from docs/understand/chain.md and from nothing of ours."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Export:
    """A tenant's tables, each row by its column names."""

    tenant_id: str
    accounts: Sequence[Row]
    events: Sequence[Row]
    transactions: Sequence[Row]
    entries: Sequence[Row]


def first_break(export: Export) -> str | None:
    """Return the name of the first record whose hash is not the chain's; None: all are."""
    accounts = {row["account_key"]: row for row in export.accounts}
    legs: dict[int, list[Row]] = {}
    for row in sorted(export.entries, key=lambda row: row["entry_number"]):
        legs.setdefault(row["sequence"], []).append(row)
    before = b""
    for sequence, own in legs.items():
        if [row["entry_number"] for row in own] != [*range(1, len(own) + 1)]:
            return f"entries of {sequence}"
    for name, row in _in_order(export):
        if name == "transaction":
            parts = [
                _request_hash(row, legs[row["sequence"]], accounts),
                _posted(export, row, legs),
            ]
        else:
            parts = [_event(export, row, accounts[row["account_key"]])]
        if hashlib.sha256(before + b"".join(parts)).digest() != row["hash"]:
            return f"{name} {row['sequence' if name == 'transaction' else 'event_number']}"
        before = row["hash"]
    return None


def _in_order(export: Export) -> Iterable[tuple[str, Row]]:
    records = [((row["sequence"], 0), "transaction", row) for row in export.transactions]
    records += [
        ((row["follows_sequence"], row["event_number"]), "event", row) for row in export.events
    ]
    return ((name, row) for _, name, row in sorted(records, key=lambda record: record[0]))


def _request_hash(row: Row, legs: Sequence[Row], accounts: Mapping[int, Row]) -> bytes:
    effective = row["effective_time"]
    values = [row["kind"], "" if effective is None else _micros(effective)]
    values += [row["description"], row["external_id"], *_map(row["metadata"]), len(legs)]
    for leg in legs:
        account = accounts[leg["account_key"]]
        values += [account["account_id"], account["currency_code"], leg["amount"]]
    return hashlib.sha256(_fields(values)).digest()


def _posted(export: Export, row: Row, legs: Mapping[int, Sequence[Row]]) -> bytes:
    values = ["T", export.tenant_id, row["sequence"], row["transaction_id"], row["request_id"]]
    values.append(_micros(row["create_time"]))
    for leg in legs[row["sequence"]]:
        values += [leg["posted"], leg["pending_in"], leg["pending_out"], leg["account_version"]]
    return _fields(values)


def _event(export: Export, row: Row, account: Row) -> bytes:
    values = ["A", export.tenant_id, row["event_number"], row["follows_sequence"]]
    values += [_micros(row["create_time"]), row["request_id"], row["account_key"]]
    values += [account["account_id"], account["currency_code"], account["kind"]]
    values += ["" if row["min_available"] is None else row["min_available"]]
    values += [row["state"], row["frozen_side"], len(row["labels"]), *row["labels"]]
    return _fields([*values, *_map(row["metadata"])])


def _map(pairs: Mapping[str, str]) -> list[Any]:
    return [len(pairs), *(text for key in sorted(pairs) for text in (key, pairs[key]))]


def _fields(values: Iterable[Any]) -> bytes:
    return b"".join(str(value).encode() + b"\0" for value in values)


def _micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
