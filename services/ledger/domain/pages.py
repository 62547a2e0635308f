"""The open pages of a book: what the rules of a unit of work read and write."""

from collections.abc import Callable, MutableMapping

from services.ledger.domain.accounts import Account
from services.ledger.domain.decisions import Changes, Head


class Pages:
    """One tenant's book as it lies open during one unit of work.

    Args:
        head: the tenant's head; it moves with each record.
        accounts: the accounts that the commands name, by path; one that is missing does not exist.
        now_micros: the time of recording; each record is later than the one before it all the same.
        new_id: makes a transaction's id from a time in microseconds.
    """

    def __init__(
        self,
        head: Head,
        accounts: MutableMapping[str, Account],
        now_micros: int,
        new_id: Callable[[int], str],
    ) -> None:
        self.head = head
        self.accounts = accounts
        self.changes = Changes()
        self.new_id = new_id
        self._now_micros = now_micros

    def next_micros(self) -> int:
        """Return the time of the next record: now, or just after the last record."""
        return max(self._now_micros, self.head.last_micros + 1)
