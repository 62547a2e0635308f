"""All that the server holds: the clock, the accounts, their deliveries and calls."""

import asyncio
import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.kernel.clock import utc_now
from services.kernel.errors import Category, DomainError
from services.local.mock_psp.account import Account
from services.local.mock_psp.clock import VirtualClock
from services.local.mock_psp.server.deliveries import Deliveries, Delivery, Endpoint
from services.local.mock_psp.server.errors import AuthenticationError
from services.local.mock_psp.server.idempotency import Calls
from services.local.mock_psp.server.journal import Ended, Journal, Moved

ADVANCE_MAX = timedelta(days=400)
"""How far one call may move the clock; each day on the way is closed and has its report."""

_LOG = logging.getLogger("vezne.mock_psp")

_TICK_S_MAX = 60.0
_TRIED_WITHIN_S = 5.0
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
    journal: Journal | None = None
    """Where what changes something is written; None to keep all in memory only."""
    replaying: bool = False
    """Whether the journal is lived again: nobody waits for an answer."""
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Hear of each webhook that is done with."""
        self.deliveries.on_end = self._write_end

    def account(self, name: str, now: datetime) -> Account:
        """Return the account with this name, with all done that was due by now.

        A call that changes something does so at this same `now`, so that a replay finds the same.

        Raises:
            DomainError: NOT_FOUND.
        """
        account = self.accounts.get(name)
        if account is None:
            raise DomainError("NOT_FOUND", Category.NOT_FOUND, f"There is no account {name!r}")
        account.run_until(now)
        # What happened before the call is told before it, as the call may change where to.
        self.flush(account)
        return account

    def authenticated(self, authorization: str, now: datetime) -> Account:
        """Return the account whose bearer token this is, with all done that was due by now.

        Raises:
            AuthenticationError: it is nobody's.
        """
        found = [name for name, secret in self.secrets.items() if _is_bearer(authorization, secret)]
        if not found:
            raise AuthenticationError
        return self.account(found[0], now)

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
            self._write_move(self.clock.now() + stride)
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
        if self.replaying:
            return
        try:
            await asyncio.wait_for(self.stopping.wait(), self.hang_s)
        except TimeoutError:
            return

    async def until_tried(self, deliveries: Sequence[Delivery]) -> None:
        """Wait for the first attempt of each, for some seconds."""
        if self.replaying:
            return
        try:
            async with asyncio.timeout(_TRIED_WITHIN_S):
                for delivery in deliveries:
                    await delivery.tried.wait()
        except TimeoutError:
            return

    def _write_move(self, at: datetime) -> None:
        if self.journal is not None:
            self.journal.write(Moved(at=at, real=utc_now() if self.clock.runs else None))

    def _write_end(self, delivery: Delivery) -> None:
        if self.journal is None:
            return
        ended = Ended(
            at=self.clock.now(),
            account=delivery.provider_account,
            webhook_id=delivery.dispatch.webhook_id,
            state=delivery.state,
            attempts=tuple((one.at, one.answer) for one in delivery.attempts),
        )
        try:
            # If it is lost, the webhook comes once more, which the standard allows at any time.
            self.journal.write(ended, durably=False)
        except DomainError as error:
            _LOG.warning("%s", error)


def _is_bearer(authorization: str, token: str) -> bool:
    return hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())
