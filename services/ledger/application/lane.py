"""The posting lane: one writer for a tenant in this process, sharing commits among its callers.

What waits is taken together, decided in order by the book, written at once and committed as one.
The lane keeps the accounts that it knows in memory. They are valid exactly while the head's hash is
the one that this lane wrote last: the chain that proves history to an auditor tells the lane that
nobody else has written.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from services.kernel.clock import Clock, to_micros
from services.kernel.group_commit import DrainedError, GroupCommit, QueueFullError, WholeBatchError
from services.ledger.application.ports import (
    BookStore,
    BookUnit,
    KnownAccountRequest,
    StoreUnavailableError,
)
from services.ledger.domain import chart
from services.ledger.domain.accounts import Account
from services.ledger.domain.book import Book
from services.ledger.domain.commands import ChangeAccount, OpenAccounts, Post
from services.ledger.domain.decisions import Changed, Decision, Opened, Refused
from services.ledger.domain.reasons import LedgerError, Reason

log = structlog.get_logger("vezne.ledger.lane")

Item = Sequence[Post] | OpenAccounts | ChangeAccount
"""What waits in the queue. A batch of transactions is one item, not one a transaction."""

Outcome = Sequence[Decision] | Opened | Changed | LedgerError


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """The bounds of one tenant's lane, in transactions and accounts."""

    commit_max: int = 4_000
    queue_max: int = 20_000
    cached_accounts_max: int = 200_000


class Lane:
    """One tenant's writer."""

    def __init__(
        self,
        tenant_id: str,
        store: BookStore,
        clock: Clock,
        new_id: Callable[[int], str],
        limits: LaneLimits,
    ) -> None:
        self._tenant_id = tenant_id
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._cached_accounts_max = limits.cached_accounts_max
        self._accounts: OrderedDict[str, Account] = OrderedDict()
        self._hash: bytes | None = None
        self._queue: GroupCommit[Item, Outcome] = GroupCommit(
            self._commit,
            weight_max=limits.commit_max,
            queue_weight_max=limits.queue_max,
            weight=_weight,
        )

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being committed."""
        return self._queue.idle

    async def post(self, posts: Sequence[Post]) -> Sequence[Decision]:
        """Decide transactions, each on its own, in order; the answer is durable.

        Raises:
            LedgerError: QUEUE_FULL, UNAVAILABLE, TENANT_NOT_FOUND.
        """
        outcome = await self._submit(posts)
        assert isinstance(outcome, Sequence)
        return outcome

    async def open_accounts(self, command: OpenAccounts) -> Opened:
        """Open accounts.

        Raises:
            LedgerError: as `post`; REQUEST_ID_REUSED, ACCOUNT_EXISTS_DIFFERENT.
        """
        outcome = await self._submit(command)
        assert isinstance(outcome, Opened)
        return outcome

    async def change_account(self, command: ChangeAccount) -> Changed:
        """Change an account's policy.

        Raises:
            LedgerError: as `post`; REQUEST_ID_REUSED, ACCOUNT_NOT_FOUND, ACCOUNT_NOT_EMPTY.
        """
        outcome = await self._submit(command)
        assert isinstance(outcome, Changed)
        return outcome

    async def drain(self) -> None:
        """Take nothing more, and return when all that was taken is decided."""
        await self._queue.drain()

    async def _submit(self, item: Item) -> Outcome:
        try:
            outcome = await self._queue.submit(item)
        except QueueFullError as error:
            raise LedgerError(
                Reason.QUEUE_FULL, "Too many requests wait; retry with the same request id"
            ) from error
        except DrainedError as error:
            raise LedgerError(
                Reason.UNAVAILABLE, "The ledger is shutting down; retry with the same request id"
            ) from error
        except WholeBatchError as error:
            raise StoreUnavailableError from error
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome

    async def _commit(self, items: Sequence[Item]) -> Sequence[Outcome]:
        """Decide the items as one unit of work; answers only after the commit returned."""
        try:
            return await self._decide(items)
        except StoreUnavailableError as error:
            self._forget()
            raise WholeBatchError from error
        except Exception:
            # What the store refused unforeseen: nothing of this unit is true, whatever we counted.
            log.exception("unit_failed", tenant=self._tenant_id, items=len(items))
            self._forget()
            if len(items) == 1 and isinstance(items[0], Sequence) and len(items[0]) > 1:
                return [await self._one_by_one(items[0])]
            raise

    async def _one_by_one(self, posts: Sequence[Post]) -> Sequence[Decision]:
        """Decide a batch's transactions each alone, so that a poisoned one fails alone."""
        decisions: list[Decision] = []
        for post in posts:
            try:
                [outcome] = await self._decide([[post]])
            except StoreUnavailableError as error:
                self._forget()
                raise WholeBatchError from error
            except Exception:
                log.exception(
                    "transaction_failed", tenant=self._tenant_id, request_id=post.request_id
                )
                self._forget()
                decisions.append(_FAILED)
            else:
                assert isinstance(outcome, Sequence)
                decisions += outcome
        return decisions

    async def _decide(self, items: Sequence[Item]) -> Sequence[Outcome]:
        async with self._store.open(self._tenant_id) as unit:
            # Danger: between this lock and the commit nothing may be awaited but the unit itself.
            head = await unit.lock_head()
            if head is None:
                return [_no_tenant(self._tenant_id)] * len(items)
            if head.hash != self._hash:
                self._forget()
            posts = [post for item in items if isinstance(item, Sequence) for post in item]
            about = [item for item in items if not isinstance(item, Sequence)]
            await self._load(unit, posts, about)
            known = dict(await unit.known(posts))
            answered = dict(
                await unit.known_account_requests({item.request_id for item in about})
                if about
                else {}
            )
            book = Book(head, self._accounts, known, to_micros(self._clock()), self._new_id)
            decided = [
                [book.post(post) for post in item]
                if isinstance(item, Sequence)
                else _decide_account(book, answered, item)
                for item in items
            ]
            if book.changes:
                await unit.write(head, book.changes)
            outcomes = [
                Changed(await unit.changed_account(outcome.event_number), outcome.replayed)
                if isinstance(outcome, _Event)
                else outcome
                for outcome in decided
            ]
            if book.changes:
                await unit.commit()
            self._hash = head.hash
        self._evict()
        return outcomes

    async def _load(
        self, unit: BookUnit, posts: Iterable[Post], about: Iterable[OpenAccounts | ChangeAccount]
    ) -> None:
        """Bring the accounts that the items name into memory, most recently used last."""
        named = {account_id for post in posts for account_id, _, _ in post.entries}
        for item in about:
            if isinstance(item, OpenAccounts):
                named.update(account.account_id for account in item.accounts)
            else:
                named.add(item.account_id)
        missing = []
        for account_id in named:
            if account_id in self._accounts:
                self._accounts.move_to_end(account_id)
            else:
                missing.append(account_id)
        if missing:
            for account in await unit.accounts(missing):
                self._accounts[account.account_id] = account

    def _forget(self) -> None:
        self._accounts.clear()
        self._hash = None

    def _evict(self) -> None:
        while len(self._accounts) > self._cached_accounts_max:
            self._accounts.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Event:
    """The answer to a change, by the number of its event: it is read once it is written."""

    event_number: int
    replayed: bool


_FAILED = Refused(Reason.INTERNAL, "The ledger could not decide this transaction", {})


def _weight(item: Item) -> int:
    if isinstance(item, Sequence):
        return max(1, len(item))
    return len(item.accounts) if isinstance(item, OpenAccounts) else 1


def _no_tenant(tenant_id: str) -> LedgerError:
    return LedgerError(
        Reason.TENANT_NOT_FOUND, f"There is no tenant {tenant_id}", tenant_id=tenant_id
    )


def _decide_account(
    book: Book,
    answered: dict[str, KnownAccountRequest],
    item: OpenAccounts | ChangeAccount,
) -> Opened | _Event | LedgerError:
    """Decide a request about accounts, once a request id."""
    before = answered.get(item.request_id)
    if before is not None:
        return _again(before, item.request_hash)
    try:
        if isinstance(item, OpenAccounts):
            existed = chart.open_accounts(book, item)
            answered[item.request_id] = KnownAccountRequest(item.request_hash, existed, None)
            return Opened(existed)
        event_number = chart.change_account(book, item)
    except LedgerError as error:
        return error
    answered[item.request_id] = KnownAccountRequest(item.request_hash, None, event_number)
    return _Event(event_number, replayed=False)


def _again(before: KnownAccountRequest, request_hash: bytes) -> Opened | _Event | LedgerError:
    if before.request_hash != request_hash:
        return LedgerError(
            Reason.REQUEST_ID_REUSED,
            "The request id was used before, with another body; nothing was done",
        )
    if before.existed is not None:
        return Opened(before.existed, replayed=True)
    assert before.event_number is not None
    return _Event(before.event_number, replayed=True)
