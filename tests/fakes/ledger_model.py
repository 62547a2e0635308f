"""The ledger as the gateway sees it: limits entry by entry, one outcome a request id for ever."""

from collections import Counter
from dataclasses import dataclass, field

from services.psp_gateway.domain.accounts import AccountKind
from services.psp_gateway.domain.machine import Refusal
from services.psp_gateway.domain.postings import Direction, Entry, Posting

NORMAL_DEBIT = (AccountKind.ASSET, AccountKind.EXPENSE)


@dataclass
class LedgerModel:
    """Balances in memory; `frozen` refuses one side of an account, `closed` refuses both."""

    balances: Counter[str] = field(default_factory=Counter)
    """By path, in the account's normal direction."""
    frozen: set[tuple[str, Direction]] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    outcomes: dict[str, tuple[Posting, Refusal | None]] = field(default_factory=dict)

    def post(self, posting: Posting) -> Refusal | None:
        """Book the posting, or say why not; the same request id gets the same answer."""
        if posting.request_id in self.outcomes:
            known, refusal = self.outcomes[posting.request_id]
            assert known == posting, f"{posting.request_id} was used with another body"
            return refusal
        after = Counter(self.balances)
        refusal = next(filter(None, (self._judge(entry, after) for entry in posting.entries)), None)
        self.outcomes[posting.request_id] = (posting, refusal)
        if refusal is None:
            self.balances = after
        return refusal

    def posted(self) -> list[Posting]:
        """Return all that was booked, in order."""
        return [posting for posting, refusal in self.outcomes.values() if refusal is None]

    def spendable(self, path: str) -> int:
        """Return what the account can be debited with; 0 if it refuses debits."""
        refuses = path in self.closed or (path, Direction.DEBIT) in self.frozen
        return 0 if refuses else self.balances[path]

    def _judge(self, entry: Entry, after: Counter[str]) -> Refusal | None:
        account = entry.account
        if account.path in self.closed:
            return Refusal("ACCOUNT_CLOSED", account.path)
        if (account.path, entry.direction) in self.frozen:
            return Refusal("ACCOUNT_FROZEN", account.path)
        normal = 1 if account.kind in NORMAL_DEBIT else -1
        change = entry.signed_minor * normal
        after[account.path] += change
        limit = account.min_available_minor
        if change < 0 and limit is not None and after[account.path] < limit:
            return Refusal("INSUFFICIENT_AVAILABLE", account.path)
        return None
