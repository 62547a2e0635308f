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
from services.ledger.application.ports import BookStore, BookUnit, StoreUnavailableError
from services.ledger.domain.accounts import Account
from services.ledger.domain.book import Book
from services.ledger.domain.commands import Command
from services.ledger.domain.decisions import Outcome, Refused
from services.ledger.domain.reasons import LedgerError, Reason

log = structlog.get_logger("vezne.ledger.lane")

Item = Sequence[Command]
"""What waits in the queue. A batch of transactions is one item, not one a transaction."""

Outcomes = Sequence[Outcome]


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
        self._queue: GroupCommit[Item, Outcomes] = GroupCommit(
            self._commit,
            weight_max=limits.commit_max,
            queue_weight_max=limits.queue_max,
            weight=_weight,
        )

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being committed."""
        return self._queue.idle

    async def decide(self, commands: Sequence[Command]) -> Outcomes:
        """Decide commands, each on its own, in order; the answer is durable.

        Raises:
            LedgerError: QUEUE_FULL, UNAVAILABLE, TENANT_NOT_FOUND; what the book refuses is an
                outcome.
        """
        try:
            return await self._queue.submit(commands)
        except QueueFullError as error:
            raise LedgerError(
                Reason.QUEUE_FULL, "Too many requests wait; retry with the same request id"
            ) from error
        except DrainedError as error:
            raise LedgerError(
                Reason.UNAVAILABLE, "The ledger is shutting down; retry with the same request id"
            ) from error
        except LedgerError:
            raise
        except WholeBatchError as error:
            raise StoreUnavailableError from error

    async def drain(self) -> None:
        """Take nothing more, and return when all that was taken is decided."""
        await self._queue.drain()

    async def _commit(self, items: Sequence[Item]) -> Sequence[Outcomes]:
        """Decide the items as one unit of work; answers only after the commit returned."""
        try:
            return await self._decide(items)
        except StoreUnavailableError as error:
            self._forget()
            raise WholeBatchError from error
        except WholeBatchError:
            raise
        except Exception:
            # What the store refused unforeseen: nothing of this unit is true, whatever we counted.
            log.exception("unit_failed", tenant=self._tenant_id, items=len(items))
            self._forget()
            if len(items) == 1 and len(items[0]) > 1:
                return [await self._one_by_one(items[0])]
            raise

    async def _one_by_one(self, commands: Item) -> Outcomes:
        """Decide a batch's commands each alone, so that a poisoned one fails alone."""
        outcomes: list[Outcome] = []
        for command in commands:
            try:
                [[outcome]] = await self._decide([[command]])
            except StoreUnavailableError as error:
                self._forget()
                raise WholeBatchError from error
            except Exception:
                log.exception("command_failed", tenant=self._tenant_id)
                self._forget()
                outcome = _FAILED
            outcomes.append(outcome)
        return outcomes

    async def _decide(self, items: Sequence[Item]) -> Sequence[Outcomes]:
        async with self._store.open(self._tenant_id) as unit:
            # Danger: between this lock and the commit nothing may be awaited but the unit itself.
            head = await unit.lock_head()
            if head.hash != self._hash:
                self._forget()
            commands = [command for item in items for command in item]
            await self._load(unit, commands)
            known = dict(await unit.known(commands))
            book = Book(head, self._accounts, known, to_micros(self._clock()), self._new_id)
            outcomes = [[book.decide(command) for command in item] for item in items]
            if book.changes:
                await unit.write(head, book.changes)
                await unit.commit()
            self._hash = head.hash
        self._evict()
        return outcomes

    async def _load(self, unit: BookUnit, commands: Iterable[Command]) -> None:
        """Bring the accounts that the commands name into memory, most recently used last."""
        named = {account_id for command in commands for account_id in command.account_ids}
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


_FAILED = Refused(Reason.INTERNAL, "The ledger could not decide this transaction", {})


def _weight(item: Item) -> int:
    return max(1, sum(command.weight for command in item))
