"""All that the server holds: the clock, the accounts, their deliveries and calls."""

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.kernel.errors import Category, DomainError
from services.local.mock_psp.account import Account
from services.local.mock_psp.clock import VirtualClock
from services.local.mock_psp.server.deliveries import Deliveries, Delivery, Endpoint
from services.local.mock_psp.server.errors import AuthenticationError
from services.local.mock_psp.server.idempotency import Calls

ADVANCE_MAX = timedelta(days=400)
"""How far one call may move the clock; each day on the way is closed and has its report."""

_TICK_S_MAX = 60.0
# Days are closed one by one with a breath between them, so that a long jump does not block others.
_STRIDE = timedelta(days=1)


@dataclass(slots=True)
class World:
    """The state of the mock PSP. One event loop owns it: between two awaits nothing changes."""

    clock: VirtualClock
    accounts: Mapping[str, Account]
    secrets: Mapping[str, str]
    """The bearer token of each account."""
    admin_token: str
    endpoints: dict[str, Endpoint]
    deliveries: Deliveries
    hang_s: float
    """How long a call that is never answered is held, in seconds of this machine."""
    calls: Calls = field(default_factory=Calls)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    outages_until: dict[str, datetime] = field(default_factory=dict)
    """Until when an account's API answers 503, in the provider's time."""
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def account(self, name: str) -> Account:
        """Return the account with this name, with all done that was due.

        Raises:
            DomainError: NOT_FOUND.
        """
        account = self.accounts.get(name)
        if account is None:
            raise DomainError("NOT_FOUND", Category.NOT_FOUND, f"There is no account {name!r}")
        account.run_until(self.clock.now())
        return account

    def authenticated(self, authorization: str) -> Account:
        """Return the account whose bearer token this is, with all done that was due.

        Raises:
            AuthenticationError: it is nobody's.
        """
        found = [name for name, secret in self.secrets.items() if _is_bearer(authorization, secret)]
        if not found:
            raise AuthenticationError
        return self.account(found[0])

    def check_admin(self, authorization: str) -> None:
        """Let only the admin token pass.

        Raises:
            AuthenticationError: it is another.
        """
        if not _is_bearer(authorization, self.admin_token):
            raise AuthenticationError

    def flush(self, account: Account) -> Sequence[Delivery]:
        """Begin to deliver what an account has to tell."""
        self._woken.set()
        return self.deliveries.send(account.name, account.courier.take())

    def catch_up(self) -> None:
        """Let everything happen that is due by now, and begin to deliver what there is to tell."""
        now = self.clock.now()
        for account in self.accounts.values():
            account.run_until(now)
            self.flush(account)

    async def advance(self, span: timedelta) -> datetime:
        """Move the clock forward, day by day, and return the new time.

        Raises:
            DomainError: SPAN_INVALID, it is below zero or longer than ADVANCE_MAX.
        """
        if not timedelta(0) <= span <= ADVANCE_MAX:
            raise DomainError(
                "SPAN_INVALID",
                Category.SHAPE,
                f"The clock moves forward, by at most {ADVANCE_MAX.days} days at once",
            )
        left = span
        while left:
            stride = min(left, _STRIDE)
            self.clock.advance(stride)
            left -= stride
            self.catch_up()
            await asyncio.sleep(0)
        self.catch_up()
        return self.clock.now()

    async def run(self) -> None:
        """Let time pass until cancelled: whatever becomes due happens then."""
        while True:
            self._woken.clear()
            self.catch_up()
            self._woken.clear()
            now = self.clock.now()
            due_s = min(
                ((one.next_due - now).total_seconds() for one in self.accounts.values()),
                default=_TICK_S_MAX,
            )
            wait_s = max(min(due_s, _TICK_S_MAX), 0) if self.clock.runs else None
            try:
                await asyncio.wait_for(self._woken.wait(), wait_s)
            except TimeoutError:
                continue

    async def hang(self) -> None:
        """Hold a call that is not to be answered, until nobody can still wait for it."""
        try:
            await asyncio.wait_for(self.stopping.wait(), self.hang_s)
        except TimeoutError:
            return


def _is_bearer(authorization: str, token: str) -> bool:
    return hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())
