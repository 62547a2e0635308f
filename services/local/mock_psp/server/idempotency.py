"""Idempotency keys: a repeated call is answered as the first was, and done once.

A key belongs to an account and lives for a day of the provider's time. After that it is new again:
a client that repeats a call later than that does it twice, here as at real providers.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.kernel.errors import Category, DomainError

KEY_LIFETIME = timedelta(days=1)

_KEPT_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer that is repeated as it is."""

    status_code: int
    body: bytes


@dataclass(slots=True)
class Call:
    """One key, and what is known of the call that it was used for."""

    key: str
    fingerprint: bytes
    began_at: datetime
    attempts: int = 0
    in_progress: bool = False
    recorded: Recorded | None = None

    @property
    def books_key(self) -> str:
        """The key under which the books make the object: one for each life of this key."""
        return f"{self.key}@{self.began_at.isoformat()}"


class Calls:
    """The calls of all accounts, by key."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], Call] = {}

    def begin(self, provider_account: str, key: str, path: str, body: bytes, now: datetime) -> Call:
        """Return the call with this key, with one more attempt counted.

        Raises:
            DomainError: KEY_REUSED, the key was used for another request; KEY_IN_USE, the call is
                in progress.
        """
        fingerprint = hashlib.sha256(path.encode() + b"\0" + body).digest()
        call = self._calls.get((provider_account, key))
        if call is None or call.began_at + KEY_LIFETIME <= now:
            call = Call(key, fingerprint, now)
            if len(self._calls) >= _KEPT_MAX:
                self._calls.pop(next(iter(self._calls)))
            self._calls[provider_account, key] = call
        if call.fingerprint != fingerprint:
            raise DomainError(
                "KEY_REUSED", Category.CONFLICT, "The key was used for another request"
            )
        if call.in_progress:
            raise DomainError("KEY_IN_USE", Category.CONFLICT, "A call with this key is going on")
        call.attempts += 1
        return call
