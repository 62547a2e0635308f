"""What the book must decide, said once more in the fewest words and without the book's code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

INT64 = range(-(2**63), 2**63)
FIVE_MINUTES = 300_000_000


@dataclass(frozen=True)
class ModelAccount:
    """An account: `sign` is +1 where debits add; `closed` and `shut` name what is refused."""

    currency: str
    sign: int
    floor: int | None = None
    closed: bool = False
    shut: tuple[int, ...] = ()


@dataclass
class Model:
    """Balances, and the answer of each request id; an answer is a reason or a dict of balances."""

    accounts: Mapping[str, ModelAccount]
    balances: dict[str, int] = field(default_factory=dict)
    answers: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    last_micros: int = 0

    def decide(self, request_id: str, legs: Any, effective: int | None, now: int) -> Any:
        """Answer a request; `legs` are (account, currency, signed amount)."""
        body = (tuple(legs), effective)
        if request_id in self.answers:
            before, answer = self.answers[request_id]
            return answer if before == body else "REQUEST_ID_REUSED"
        if any(account not in self.accounts for account, _, _ in legs):
            return "ACCOUNT_NOT_FOUND"
        recorded = max(now, self.last_micros + 1)
        answer = self._judge(legs, effective, recorded)
        if isinstance(answer, dict):
            self.balances.update(answer)
            self.last_micros = recorded
        self.answers[request_id] = (body, answer)
        return answer

    def _judge(self, legs: Any, effective: int | None, recorded: int) -> Any:
        touched = [(self.accounts[account], amount) for account, _, amount in legs]
        forbidden = {
            "CURRENCY_MISMATCH": any(
                self.accounts[account].currency != currency for account, currency, _ in legs
            ),
            "EFFECTIVE_TIME_OUT_OF_WINDOW": (
                effective is not None and effective - recorded > FIVE_MINUTES
            ),
            "ACCOUNT_CLOSED": any(account.closed for account, _ in touched),
            "ACCOUNT_FROZEN": any(
                (amount > 0) - (amount < 0) in account.shut for account, amount in touched
            ),
        }
        if any(forbidden.values()):
            return next(reason for reason, applies in forbidden.items() if applies)
        after: dict[str, int] = {}
        for account_id, _, amount in legs:
            account = self.accounts[account_id]
            new = after.get(account_id, self.balances.get(account_id, 0)) + account.sign * amount
            if new not in INT64:
                return "OUT_OF_RANGE"
            falls = account.sign * amount < 0
            if falls and account.floor is not None and new < account.floor:
                return "INSUFFICIENT_AVAILABLE"
            after[account_id] = new
        return after
