"""The ledger as the gateway sees it: limits entry by entry, one outcome a request id for ever."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from services.psp_gateway.application.ports import (
    LedgerRefusedError,
    LedgerUnavailableError,
    Posted,
)
from services.psp_gateway.domain.accounts import Account, AccountKind, PlayerChart
from services.psp_gateway.domain.machine import Holdings, Refusal
from services.psp_gateway.domain.postings import Direction, Entry, Posting

NORMAL_DEBIT = (AccountKind.ASSET, AccountKind.EXPENSE)


@dataclass(frozen=True)
class Booked:
    """A transaction in the ledger."""

    request: bytes
    sequence: int
    kind: str
    object_id: str
    fact: str
    entries: Sequence[Entry]
    owed: Mapping[str, int]
    """What players owed right after it, by account."""


@dataclass
class LedgerModel:
    """Balances in memory; `frozen` refuses one side of an account, `closed` refuses both."""

    balances: Counter[str] = field(default_factory=Counter)
    """By path, in the account's normal direction."""
    frozen: set[tuple[str, Direction]] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    accounts: dict[str, Account] = field(default_factory=dict)
    booked: dict[str, Booked] = field(default_factory=dict)
    """By request id, in order."""
    refused: dict[str, Refusal] = field(default_factory=dict)
    """By request id."""
    asked: dict[str, bytes] = field(default_factory=dict)
    """What was asked for under each request id."""
    looks: dict[str, list[int]] = field(default_factory=dict)
    """What was read of each player's cash, in order, since somebody cleared it."""
    is_away: bool = False
    """Whether it takes no postings now."""
    after_look: Callable[[str], None] | None = None
    """Called when somebody has read what a player has: it may be stale before he uses it."""

    # --- the port --------------------------------------------------------------------------------

    def request_of(self, tenant_id: str, posting: Posting) -> bytes:
        """Return the bytes that ask for a posting."""
        asked = {
            "tenant_id": tenant_id,
            "request_id": posting.request_id,
            "kind": posting.kind,
            "entries": [[e.account.path, e.direction, e.amount_minor] for e in posting.entries],
            "effective_time": posting.effective_time.isoformat(),
            "metadata": dict(posting.metadata),
        }
        return json.dumps(asked).encode()

    async def post(self, request: bytes) -> Posted | Refusal:
        """Book what is asked for, or say why not; the same request id gets the same answer."""
        if self.is_away:
            raise LedgerUnavailableError("It is away")
        asked = json.loads(request)
        request_id = asked["request_id"]
        known = self.asked.get(request_id, request)
        assert known == request, f"{request_id} was used with another body"
        if request_id in self.refused:
            return self.refused[request_id]
        if request_id not in self.booked:
            entries = [self._entry(*one) for one in asked["entries"]]
            sums: Counter[str] = Counter()
            for entry in entries:
                sums[entry.account.currency_code] += entry.signed_minor
            assert not any(sums.values()), f"{request_id} does not balance"
            self.asked[request_id] = request
            after = Counter(self.balances)
            refusal = next(filter(None, (self._judge(one, after) for one in entries)), None)
            if refusal:
                self.refused[request_id] = refusal
                return refusal
            self.balances = after
            about = asked["metadata"]
            self.booked[request_id] = Booked(
                request=request,
                sequence=len(self.booked) + 1,
                kind=asked["kind"],
                object_id=about["object"],
                fact=about["fact"],
                entries=entries,
                owed={path: after[path] for path in after if "/receivable/" in path},
            )
        return Posted(self.booked[request_id].sequence, f"tx-{self.booked[request_id].sequence}")

    async def create_accounts(self, tenant_id: str, accounts: Sequence[Account]) -> None:
        """Open accounts; one that exists stays as it is."""
        assert tenant_id
        for account in accounts:
            assert self.accounts.setdefault(account.path, account) == account

    async def holdings(self, tenant_id: str, of: PlayerChart) -> Holdings:
        """Return what a player has and owes now."""
        assert tenant_id
        found = Holdings(
            cash_minor=self.spendable(of.cash.path),
            receivable_minor=self.balances[of.receivable.path],
        )
        self.looks.setdefault(of.cash.path, []).append(found.cash_minor)
        if self.after_look:
            self.after_look(of.player_id)
        return found

    async def receivable_minor(self, tenant_id: str, of: PlayerChart) -> int:
        """Return what a player owes now."""
        assert tenant_id
        return self.balances[of.receivable.path]

    async def sequence(self, tenant_id: str) -> int:
        """Return the number of the last transaction."""
        assert tenant_id
        return len(self.booked)

    # --- what tests look at ----------------------------------------------------------------------

    def spendable(self, path: str) -> int:
        """Return what the account can be debited with; 0 if it refuses debits."""
        refuses = path in self.closed or (path, Direction.DEBIT) in self.frozen
        return 0 if refuses else self.balances[path]

    def _entry(self, path: str, direction: str, amount_minor: int) -> Entry:
        if path not in self.accounts:
            raise LedgerRefusedError("ACCOUNT_NOT_FOUND", f"There is no account {path}")
        return Entry(self.accounts[path], Direction(direction), amount_minor)

    def _judge(self, entry: Entry, after: Counter[str]) -> Refusal | None:
        account = entry.account
        if account.path in self.closed:
            return Refusal("ACCOUNT_CLOSED", account.path)
        if (account.path, entry.direction) in self.frozen:
            return Refusal("ACCOUNT_FROZEN", account.path)
        change = change_of(entry)
        after[account.path] += change
        limit = account.min_available_minor
        if change < 0 and limit is not None and after[account.path] < limit:
            return Refusal("INSUFFICIENT_AVAILABLE", account.path)
        return None


def change_of(entry: Entry) -> int:
    """Return what an entry changes in its account's normal direction."""
    return entry.signed_minor * (1 if entry.account.kind in NORMAL_DEBIT else -1)
