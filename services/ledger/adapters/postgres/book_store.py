"""The book on PostgreSQL: lock, load, COPY, commit.

This is the hot path, so its few statements are plain SQL on asyncpg's own connection, which
prepares each once. Every statement names one tenant.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kernel.clock import from_micros, to_micros
from services.ledger.adapters.postgres.rows import account_view, policy_of
from services.ledger.adapters.postgres.unit import store_unit
from services.ledger.application.ports import TenantNotFoundError
from services.ledger.domain.accounts import Account, AccountKind, AccountView
from services.ledger.domain.commands import Command
from services.ledger.domain.decisions import (
    AccountBalances,
    AccountEvent,
    Changed,
    Changes,
    Head,
    Known,
    Opened,
    Outcome,
    Posted,
    Refused,
)
from services.ledger.domain.reasons import Reason
from services.platform.database import UnitOfWork

_LOCK_HEAD = """
SELECT sequence, hash, last_time, account_count, account_event_count
FROM ledger.heads WHERE tenant_id = $1 FOR UPDATE
"""

_ACCOUNTS = """
SELECT a.account_key, a.account_id, a.currency_code, a.kind, a.min_available, a.state,
    a.frozen_side, a.labels, a.metadata, a.create_time, a.update_time,
    e.posted, e.pending_in, e.pending_out, e.account_version, e.sequence
FROM ledger.accounts a
LEFT JOIN LATERAL (
    SELECT posted, pending_in, pending_out, account_version, sequence
    FROM ledger.entries
    WHERE tenant_id = a.tenant_id AND account_key = a.account_key
    ORDER BY sequence DESC, entry_number DESC LIMIT 1
) e ON true
WHERE a.tenant_id = $1 AND a.account_id = ANY ($2)
"""

# One memory a tenant: whatever an id was used for, one of these has it.
_KNOWN = """
SELECT request_id, request_hash, sequence, transaction_id, create_time,
    NULL AS reason, NULL AS message, NULL::jsonb AS metadata,
    NULL::boolean[] AS existed, NULL::bigint AS event_number
FROM ledger.transactions WHERE tenant_id = $1 AND request_id = ANY ($2)
UNION ALL
SELECT request_id, request_hash, NULL, NULL, NULL, reason, message, metadata, NULL, NULL
FROM ledger.refusals WHERE tenant_id = $1 AND request_id = ANY ($2)
UNION ALL
SELECT request_id, request_hash, NULL, NULL, NULL, NULL, NULL, NULL, existed, event_number
FROM ledger.account_requests WHERE tenant_id = $1 AND request_id = ANY ($2)
"""

# What a transaction left on the accounts of its request: the key's own range, entry by entry.
_BALANCES_AFTER = """
SELECT a.account_id, a.currency_code, e.sequence, e.posted, e.pending_in, e.pending_out,
    e.account_version
FROM ledger.accounts a
JOIN ledger.entries e ON e.tenant_id = a.tenant_id AND e.account_key = a.account_key
WHERE a.tenant_id = $1 AND a.account_id = ANY ($2) AND e.sequence = ANY ($3)
ORDER BY e.sequence, e.entry_number
"""

# The accounts as changes left them.
_CHANGED_ACCOUNTS = """
SELECT e.event_number, a.account_id, a.currency_code, a.kind, a.create_time,
    e.create_time AS update_time, e.min_available, e.state, e.frozen_side, e.labels, e.metadata
FROM ledger.account_events e
JOIN ledger.accounts a ON a.tenant_id = e.tenant_id AND a.account_key = e.account_key
WHERE e.tenant_id = $1 AND e.event_number = ANY ($2)
"""

_UPDATE_HEAD = """
UPDATE ledger.heads
SET sequence = $2, hash = $3, last_time = $4, account_count = $5, account_event_count = $6
WHERE tenant_id = $1
"""

_UPDATE_ACCOUNT = """
UPDATE ledger.accounts
SET min_available = $3, state = $4, frozen_side = $5, labels = $6, metadata = $7, update_time = $8
WHERE tenant_id = $1 AND account_key = $2
"""

_TRANSACTION_COLUMNS = (
    "tenant_id", "sequence", "transaction_id", "request_id", "request_hash", "kind",
    "effective_time", "create_time", "description", "external_id", "metadata", "hash",
)  # fmt: skip
# In the order of a Leg, which is copied as it is.
_ENTRY_COLUMNS = (
    "account_key", "sequence", "entry_number", "account_version", "amount", "posted",
    "pending_in", "pending_out", "tenant_id",
)  # fmt: skip
_REFUSAL_COLUMNS = (
    "tenant_id", "request_id", "request_hash", "reason", "message", "metadata", "create_time",
)  # fmt: skip
_ACCOUNT_COLUMNS = (
    "tenant_id", "account_key", "account_id", "currency_code", "kind", "min_available", "state",
    "frozen_side", "labels", "metadata", "create_time", "update_time",
)  # fmt: skip
_ACCOUNT_EVENT_COLUMNS = (
    "tenant_id", "event_number", "follows_sequence", "account_key", "opens", "min_available",
    "state", "frozen_side", "labels", "metadata", "request_id", "create_time", "hash",
)  # fmt: skip
_ACCOUNT_REQUEST_COLUMNS = (
    "tenant_id", "request_id", "request_hash", "existed", "event_number", "create_time",
)  # fmt: skip


class PostgresBookStore:
    """Opens units of work on the book; implements `BookStore`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def open(self, tenant_id: str) -> AsyncIterator["PostgresBookUnit"]:
        """Open a unit of work on a tenant's book."""
        async with store_unit(self._engine) as work:
            yield PostgresBookUnit(work, await work.driver(), tenant_id)


class PostgresBookUnit:
    """One unit of work; implements `BookUnit`."""

    def __init__(self, work: UnitOfWork, driver: asyncpg.Connection, tenant_id: str) -> None:
        self._work = work
        self._driver = driver
        self._tenant_id = tenant_id

    async def lock_head(self) -> Head:
        row = await self._driver.fetchrow(_LOCK_HEAD, self._tenant_id)
        if row is None:
            raise TenantNotFoundError(self._tenant_id)
        return Head(
            self._tenant_id,
            row["sequence"],
            row["hash"],
            to_micros(row["last_time"]),
            row["account_count"],
            row["account_event_count"],
        )

    async def accounts(self, account_ids: Collection[str]) -> Sequence[Account]:
        rows = await self._driver.fetch(_ACCOUNTS, self._tenant_id, list(account_ids))
        return [_account(row) for row in rows]

    async def known(self, commands: Sequence[Command]) -> Mapping[str, Known]:
        request_ids = [command.request_id for command in commands]
        rows = await self._driver.fetch(_KNOWN, self._tenant_id, request_ids)
        if not rows:
            return {}
        after = await self._balances_after(rows, commands)
        changed = await self._changed_accounts(rows)
        return {
            row["request_id"]: Known(row["request_hash"], _outcome(row, after, changed))
            for row in rows
        }

    async def _balances_after(
        self, rows: Sequence[asyncpg.Record], commands: Sequence[Command]
    ) -> Mapping[int, Mapping[str, AccountBalances]]:
        """Return, by sequence, the balances that the transactions among `rows` left, by account."""
        posted = [row for row in rows if row["sequence"] is not None]
        found: dict[int, dict[str, AccountBalances]] = {row["sequence"]: {} for row in posted}
        if posted:
            # Of several requests with one id it is not known here which is the one that posted.
            request_ids = {row["request_id"] for row in posted}
            account_ids = {
                account_id
                for command in commands
                if command.request_id in request_ids
                for account_id in command.account_ids
            }
            for row in await self._driver.fetch(
                _BALANCES_AFTER, self._tenant_id, list(account_ids), list(found)
            ):
                # A later entry of the same account takes the place, not the order, of an earlier.
                found[row["sequence"]][row["account_id"]] = AccountBalances(
                    row["account_id"],
                    row["currency_code"],
                    row["posted"],
                    row["pending_in"],
                    row["pending_out"],
                    row["account_version"],
                    row["sequence"],
                )
        return found

    async def _changed_accounts(self, rows: Sequence[asyncpg.Record]) -> Mapping[int, AccountView]:
        """Return, by event number, the accounts as the changes among `rows` left them."""
        numbers = [row["event_number"] for row in rows if row["event_number"] is not None]
        if not numbers:
            return {}
        found = await self._driver.fetch(_CHANGED_ACCOUNTS, self._tenant_id, numbers)
        return {row["event_number"]: account_view(row) for row in found}

    async def write(self, head: Head, changes: Changes) -> None:
        if changes.account_events:
            await self._write_accounts(changes.account_events)
        recorded = changes.transactions
        if recorded:
            await self._copy(
                "transactions",
                _TRANSACTION_COLUMNS,
                [
                    (
                        self._tenant_id,
                        sequence,
                        transaction_id,
                        asked.request_id,
                        asked.request_hash,
                        asked.kind,
                        None
                        if asked.effective_micros is None
                        else from_micros(asked.effective_micros),
                        from_micros(create_micros),
                        asked.description,
                        asked.external_id,
                        _json(asked.metadata),
                        own_hash,
                    )
                    for asked, sequence, transaction_id, create_micros, own_hash, _ in recorded
                ],
            )
            await self._copy(
                "entries",
                _ENTRY_COLUMNS,
                [(*leg, self._tenant_id) for transaction in recorded for leg in transaction.legs],
            )
        await self._write_answers(changes)
        await self._driver.execute(
            _UPDATE_HEAD,
            self._tenant_id,
            head.sequence,
            head.hash,
            from_micros(head.last_micros),
            head.account_count,
            head.event_count,
        )

    async def commit(self) -> None:
        await self._work.commit()

    async def _write_answers(self, changes: Changes) -> None:
        if changes.refusals:
            await self._copy(
                "refusals",
                _REFUSAL_COLUMNS,
                [
                    (
                        self._tenant_id,
                        command.request_id,
                        command.request_hash,
                        refused.reason.value,
                        refused.message,
                        _json(refused.metadata),
                        from_micros(create_micros),
                    )
                    for command, refused, create_micros in changes.refusals
                ],
            )
        if changes.account_requests:
            await self._copy(
                "account_requests",
                _ACCOUNT_REQUEST_COLUMNS,
                [
                    (
                        self._tenant_id,
                        command.request_id,
                        command.request_hash,
                        None if existed is None else list(existed),
                        event_number,
                        from_micros(create_micros),
                    )
                    for command, existed, event_number, create_micros in changes.account_requests
                ],
            )

    async def _write_accounts(self, events: Sequence[AccountEvent]) -> None:
        await self._copy(
            "accounts",
            _ACCOUNT_COLUMNS,
            [
                (
                    self._tenant_id,
                    event.account.key,
                    event.account.account_id,
                    event.account.currency_code,
                    int(event.account.kind),
                    *_policy(event),
                    from_micros(event.create_micros),
                    from_micros(event.create_micros),
                )
                for event in events
                if event.opens
            ],
        )
        await self._copy(
            "account_events",
            _ACCOUNT_EVENT_COLUMNS,
            [
                (
                    self._tenant_id,
                    event.event_number,
                    event.follows_sequence,
                    event.account.key,
                    event.opens,
                    *_policy(event),
                    event.request_id,
                    from_micros(event.create_micros),
                    event.hash,
                )
                for event in events
            ],
        )
        for event in events:
            if not event.opens:
                await self._driver.execute(
                    _UPDATE_ACCOUNT,
                    self._tenant_id,
                    event.account.key,
                    *_policy(event),
                    from_micros(event.create_micros),
                )

    async def _copy(
        self, table: str, columns: Sequence[str], records: Sequence[tuple[Any, ...]]
    ) -> None:
        if records:
            await self._driver.copy_records_to_table(
                table, schema_name="ledger", columns=columns, records=records
            )


def _policy(event: AccountEvent) -> tuple[Any, ...]:
    policy = event.policy
    return (
        policy.min_available,
        int(policy.state),
        int(policy.frozen_side),
        list(policy.labels),
        _json(policy.metadata),
    )


def _account(row: asyncpg.Record) -> Account:
    account = Account(
        row["account_key"],
        row["account_id"],
        row["currency_code"],
        AccountKind(row["kind"]),
        policy_of(row),
        to_micros(row["create_time"]),
        to_micros(row["update_time"]),
    )
    if row["account_version"] is not None:
        account.posted = row["posted"]
        account.pending_in = row["pending_in"]
        account.pending_out = row["pending_out"]
        account.version = row["account_version"]
        account.sequence = row["sequence"]
    return account


def _outcome(
    row: asyncpg.Record,
    after: Mapping[int, Mapping[str, AccountBalances]],
    changed: Mapping[int, AccountView],
) -> Outcome:
    if row["sequence"] is not None:
        return Posted(
            str(row["transaction_id"]),
            row["sequence"],
            to_micros(row["create_time"]),
            list(after[row["sequence"]].values()),
        )
    if row["existed"] is not None:
        return Opened(row["existed"])
    if row["event_number"] is not None:
        return Changed(changed[row["event_number"]])
    return Refused(Reason(row["reason"]), row["message"], row["metadata"])


def _json(metadata: Mapping[str, str]) -> str:
    return orjson.dumps(metadata).decode() if metadata else "{}"
