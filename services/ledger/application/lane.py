"""The posting lane: one writer for a tenant in this process, sharing commits among its callers.

What waits is taken together, decided in order by the book, written at once and committed as one.
Accounts are kept in memory from one commit to the next. They are valid exactly while the head's
hash is the one that this lane wrote last: the chain that proves history to an auditor tells the
lane that nobody else has written.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from services.kernel.clock import Clock, to_micros
from services.kernel.group_commit import DrainedError, GroupCommit, QueueFullError, WholeBatchError
from services.ledger.application.known_accounts import KnownAccounts, Memory
from services.ledger.application.ports import BookStore, BookUnit
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
    """The bounds of one tenant's lane: how much shares a commit, and how much waits, at most.

    In transactions; an opening counts as many as it names accounts.
    """

    commit_max: int
    queue_max: int


class Lane:
    """One tenant's writer."""

    def __init__(
        self,
        tenant_id: str,
        store: BookStore,
        clock: Clock,
        new_id: Callable[[int], str],
        known: KnownAccounts,
        limits: LaneLimits,
    ) -> None:
        self._tenant_id = tenant_id
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._known = known
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

    async def drain(self) -> None:
        """Take nothing more, and return when all that was taken is decided."""
        await self._queue.drain()

    async def _commit(self, items: Sequence[Item]) -> Sequence[Outcomes]:
        """Commit the items together; take a batch apart that stands alone and cannot be."""
        try:
            return await self._commit_together(items)
        except WholeBatchError:
            raise
        except Exception:
            log.exception("unit_failed", tenant=self._tenant_id, items=len(items))
            if len(items) == 1 and len(items[0]) > 1:
                return [await self._commit_apart(items[0])]
            raise

    async def _commit_apart(self, commands: Item) -> Outcomes:
        """Commit a batch's commands each alone, so that a poisoned one fails alone."""
        outcomes: list[Outcome] = []
        for command in commands:
            try:
                [[outcome]] = await self._commit_together([[command]])
            except WholeBatchError:
                raise
            except Exception:
                log.exception(
                    "command_failed", tenant=self._tenant_id, request_id=command.request_id
                )
                outcome = _FAILED
            outcomes.append(outcome)
        return outcomes

    async def _commit_together(self, items: Sequence[Item]) -> Sequence[Outcomes]:
        """Decide the items as one unit of work; return when it is durable."""
        with self._known.lent(self._tenant_id) as memory:
            async with self._store.open(self._tenant_id) as unit:
                # Danger: between this lock and the commit nothing may be awaited but the unit.
                head = await unit.lock_head()
                if head.hash != memory.hash:
                    memory.accounts.clear()
                # In doubt from here until the commit has returned, whatever may happen between.
                memory.hash = None
                commands = [command for item in items for command in item]
                await _load(memory, unit, commands)
                known = dict(await unit.known(commands))
                book = Book(head, memory.accounts, known, to_micros(self._clock()), self._new_id)
                outcomes = [[book.decide(command) for command in item] for item in items]
                if book.changes:
                    await unit.write(head, book.changes)
                    await unit.commit()
            memory.hash = head.hash
        return outcomes


_FAILED = Refused(Reason.INTERNAL, "The ledger could not decide this transaction", {})


def _weight(item: Item) -> int:
    return max(1, sum(command.weight for command in item))


async def _load(memory: Memory, unit: BookUnit, commands: Iterable[Command]) -> None:
    """Bring the accounts that the commands name into memory, most recently used last."""
    accounts = memory.accounts
    missing = []
    for account_id in {account_id for command in commands for account_id in command.account_ids}:
        if account_id in accounts:
            accounts.move_to_end(account_id)
        else:
            missing.append(account_id)
    if missing:
        for account in await unit.accounts(missing):
            accounts[account.account_id] = account
