"""Does again what the journal holds, so that the provider is what it was when it ended."""

from contextlib import suppress
from typing import Any

from starlette.applications import Starlette

from services.kernel.clock import Clock
from services.local.mock_psp.clock import VirtualClock
from services.local.mock_psp.server.journal import Asked, Ended, Journal, Moved
from services.local.mock_psp.server.world import World


async def replay(world: World, application: Starlette, journal: Journal, real: Clock) -> None:
    """Let a new world live what the journal holds, then let its clock go on and write.

    Args:
        world: begun as the journal says, with a clock at its beginning.
        application: answers calls, with this world.
        journal: what is lived, and what is written from now on.
        real: this machine's time.

    Raises:
        JournalError: the journal does not lead to the books that it was written with.
    """
    runs = world.clock.runs
    world.clock = VirtualClock(journal.begun.at)
    world.replaying = True
    moved = Moved(at=journal.begun.at, real=None)
    for number, entry in journal.entries():
        if entry.at < world.clock.now():
            raise journal.damaged(number)
        world.clock.advance(entry.at - world.clock.now())
        world.catch_up()
        match entry:
            case Moved():
                moved = entry
            case Ended():
                world.deliveries.mark(entry.account, entry.webhook_id, entry.state, entry.attempts)
            case Asked():
                account = world.accounts.get(entry.account)
                if account is None or account.books.digest() != entry.digest:
                    raise journal.damaged(number)
                await _ask(world, application, entry)
    shown = world.clock.now()
    if runs and moved.real is not None:
        # Time has passed at the provider too, as it does at a real one.
        shown = max(shown, moved.at + (real() - moved.real))
    world.clock = VirtualClock(shown, real if runs else None)
    world.deliveries.requeue()
    world.replaying = False
    journal.write(Moved(at=shown, real=real() if runs else None))
    world.journal = journal


async def _ask(world: World, application: Starlette, asked: Asked) -> None:
    """Ask what was asked, by the way on which it came; its answer was given then."""
    token = world.admin_token if asked.path.startswith("/admin/") else world.secrets[asked.account]
    headers = {"host": asked.host, "authorization": f"Bearer {token}", "idempotency-key": asked.key}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": asked.path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": asked.body.encode(), "more_body": False}

    async def send(_message: object) -> None:
        """Answer nobody."""

    # What failed unexpectedly then does so again, and leaves the same behind.
    with suppress(Exception):
        await application(scope, receive, send)
