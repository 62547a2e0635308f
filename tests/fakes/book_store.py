"""A book in memory behind the lane's port, with the ways in which a store can fail."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from services.ledger.application.ports import StoreUnavailableError, TenantNotFoundError
from services.ledger.domain import chain
from services.ledger.domain.accounts import Account, AccountView
from services.ledger.domain.commands import Command
from services.ledger.domain.decisions import (
    AccountBalances,
    Changed,
    Changes,
    Head,
    Known,
    Leg,
    Opened,
    Posted,
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

    @property
    def legs(self) -> Sequence[Leg]:
        """All entries, in order."""
        return [leg for row in self.rows.transactions for leg in row.legs]

    def reached(self, step: str) -> None:
        if step == self.lost_at:
            raise StoreUnavailableError


@dataclass
class MemoryBookUnit:
    store: MemoryBookStore
    written: tuple[Head, Changes] | None = None

    async def lock_head(self) -> Head:
        await asyncio.sleep(0)
        self.store.reached("lock")
        if self.store.head is None:
            raise TenantNotFoundError("acme")
        return replace(self.store.head)

    async def accounts(self, account_ids: Collection[str]) -> Sequence[Account]:
        self.store.loads.append(sorted(account_ids))
        found: dict[int, Account] = {}
        for event in self.store.rows.account_events:
            old = event.account
            opened = found[old.key].create_micros if old.key in found else event.create_micros
            found[old.key] = Account(
                old.key,
                old.account_id,
                old.currency_code,
                old.kind,
                event.policy,
                opened,
                event.create_micros,
            )
        for leg in self.store.legs:
            account = found[leg.account_key]
            account.posted, account.version = leg.posted, leg.account_version
            account.sequence = leg.sequence
        return [account for account in found.values() if account.account_id in account_ids]

    async def known(self, commands: Sequence[Command]) -> Mapping[str, Known]:
        asked = {command.request_id for command in commands}
        known = {
            row.command.request_id: Known(row.command.request_hash, row.refused)
            for row in self.store.rows.refusals
            if row.command.request_id in asked
        }
        for row in self.store.rows.transactions:
            if row.command.request_id in asked:
                after = self._after(row.legs)
                known[row.command.request_id] = Known(
                    row.command.request_hash,
                    Posted(row.transaction_id, row.sequence, row.create_micros, after),
                )
        for row in self.store.rows.account_requests:
            if row.command.request_id in asked:
                known[row.command.request_id] = Known(
                    row.command.request_hash,
                    Opened(row.existed)
                    if row.event_number is None
                    else Changed(self._changed(row.event_number)),
                )
        return known

    def _after(self, legs: Sequence[Leg]) -> Sequence[AccountBalances]:
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

    def _changed(self, event_number: int) -> AccountView:
        events = self.store.rows.account_events
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
            if row.command.request_id in self.store.poison:
                raise RuntimeError(f"the store does not like {row.command.request_id}")
        self.written = (replace(head), changes)

    async def commit(self) -> None:
        await self.store.gate.wait()
        self.store.reached("commit")
        assert self.written is not None
        self.store.commits += 1
        self.store.head, changes = self.written
        for name in ("transactions", "refusals", "account_events", "account_requests"):
            getattr(self.store.rows, name).extend(getattr(changes, name))
