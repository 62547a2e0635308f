"""A book in memory behind the lane's port, with the ways in which a store can fail."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from services.ledger.application.ports import KnownAccountRequest, StoreUnavailableError
from services.ledger.domain import chain
from services.ledger.domain.accounts import Account
from services.ledger.domain.commands import Post
from services.ledger.domain.decisions import (
    AccountBalances,
    AccountView,
    Changes,
    EntryRow,
    Head,
    Known,
    Posted,
    Refused,
)


@dataclass
class MemoryBookStore:
    """Keeps what was committed; a unit of work adds to it when it commits.

    Args:
        lost_at: the step (`lock`, `write`, `commit`, or `answer`: after the commit) that loses it.
        poison: request ids that it refuses to write, unforeseen.
        loads: the accounts asked for, one list a load.
        gate: closed, it holds each unit at its commit.
    """

    head: Head | None = field(default_factory=lambda: Head("acme", 0, chain.EMPTY, 0, 0, 0))
    rows: Changes = field(default_factory=Changes)
    lost_at: str = ""
    poison: set[str] = field(default_factory=set)
    loads: list[list[str]] = field(default_factory=list)
    units: int = 0
    commits: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    @asynccontextmanager
    async def open(self, tenant_id: str) -> AsyncIterator["MemoryBookUnit"]:
        assert self.head is None or tenant_id == self.head.tenant_id
        self.units += 1
        yield MemoryBookUnit(self)
        self.reached("answer")

    def reached(self, step: str) -> None:
        if step == self.lost_at:
            raise StoreUnavailableError


@dataclass
class MemoryBookUnit:
    store: MemoryBookStore
    written: tuple[Head, Changes] | None = None

    async def lock_head(self) -> Head | None:
        await asyncio.sleep(0)
        self.store.reached("lock")
        return None if self.store.head is None else replace(self.store.head)

    async def accounts(self, account_ids: Collection[str]) -> Sequence[Account]:
        self.store.loads.append(sorted(account_ids))
        found: dict[int, Account] = {}
        for event in self.store.rows.account_events:
            old = event.account
            found[old.key] = Account(
                old.key, old.account_id, old.currency_code, old.kind, event.policy
            )
        for row in self.store.rows.entries:
            account = found[row.account_key]
            account.posted, account.version = row.posted, row.account_version
            account.sequence = row.sequence
        return [account for account in found.values() if account.account_id in account_ids]

    async def known(self, posts: Sequence[Post]) -> Mapping[str, Known]:
        asked = {post.request_id for post in posts}
        known = {
            row.request_id: Known(row.request_hash, Refused(row.reason, row.message, row.metadata))
            for row in self.store.rows.refusals
            if row.request_id in asked
        }
        for row in self.store.rows.transactions:
            if row.request_id in asked:
                legs = [leg for leg in self.store.rows.entries if leg.sequence == row.sequence]
                known[row.request_id] = Known(
                    row.request_hash,
                    Posted(row.transaction_id, row.sequence, row.create_micros, self._after(legs)),
                )
        return known

    def _after(self, legs: Sequence[EntryRow]) -> Sequence[AccountBalances]:
        accounts = {event.account.key: event.account for event in self.store.rows.account_events}
        return list(
            {
                leg.account_key: AccountBalances(
                    accounts[leg.account_key].account_id,
                    accounts[leg.account_key].currency_code,
                    *leg[5:8],
                    leg.account_version,
                    leg.sequence,
                )
                for leg in legs
            }.values()
        )

    async def known_account_requests(
        self, request_ids: Collection[str]
    ) -> Mapping[str, KnownAccountRequest]:
        return {
            row.request_id: KnownAccountRequest(row.request_hash, row.existed, row.event_number)
            for row in self.store.rows.account_requests
            if row.request_id in request_ids
        }

    async def changed_account(self, event_number: int) -> AccountView:
        events = [*self.store.rows.account_events]
        if self.written is not None:
            events += self.written[1].account_events
        event = events[event_number - 1]
        account = event.account
        return AccountView(
            account.account_id,
            account.currency_code,
            account.kind,
            event.policy,
            next(one.create_micros for one in events if one.account.key == account.key),
            event.create_micros,
        )

    async def write(self, head: Head, changes: Changes) -> None:
        self.store.reached("write")
        for row in (*changes.transactions, *changes.refusals, *changes.account_requests):
            if row.request_id in self.store.poison:
                raise RuntimeError(f"the store does not like {row.request_id}")
        self.written = (replace(head), changes)

    async def commit(self) -> None:
        await self.store.gate.wait()
        self.store.reached("commit")
        assert self.written is not None
        self.store.commits += 1
        self.store.head, changes = self.written
        for name in ("transactions", "entries", "refusals", "account_events", "account_requests"):
            getattr(self.store.rows, name).extend(getattr(changes, name))
