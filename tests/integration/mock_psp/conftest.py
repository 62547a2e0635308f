"""A mock PSP in this process, an endpoint for its webhooks, and clients of both its APIs."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.local.mock_psp.server import MockPsp, serving
from services.local.mock_psp.settings import AccountSettings, new_account
from tests.fakes.webhook_receiver import Receiver, receiving

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Clients:
    """What an operator and an admin do with a mock PSP."""

    api: httpx.AsyncClient
    admin: httpx.AsyncClient
    keys: int = 0

    async def post(self, path: str, key: str | None = None, **body: Any) -> httpx.Response:
        """Call the API with a key, a new one unless given."""
        self.keys += 1
        headers = {"idempotency-key": key or f"key-{self.keys}"}
        return await self.api.post(f"/v1/{path}", json=body, headers=headers)

    async def deposit(self, reference: str, amount_minor: int = 10_000) -> dict[str, Any]:
        """Charge a stored card at once; return the payment intent."""
        answer = await self.post(
            "payment_intents",
            reference=reference,
            amount_minor=amount_minor,
            currency="EUR",
            stored_card="card_1",
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read from the API."""
        answer = await self.api.get(f"/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def act(self, path: str, **body: Any) -> dict[str, Any]:
        """Let the admin do something to the account."""
        answer = await self.admin.post(f"/admin/accounts/main/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def look(self, path: str, **query: str) -> dict[str, Any]:
        """Let the admin look at the account."""
        answer = await self.admin.get(f"/admin/accounts/main/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def advance(self, seconds: int) -> None:
        """Let the admin move the clock."""
        answer = await self.admin.post("/admin/clock/advance", json={"seconds": seconds})
        assert answer.status_code == 200, answer.text

    async def close_day(self) -> dict[str, Any]:
        """Let the admin end the day."""
        answer = await self.admin.post("/admin/clock/close_day")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@dataclass(slots=True, kw_only=True)
class Desk(Clients):
    """A mock PSP in this process whose clock stands, and its clients."""

    mock_psp: MockPsp
    settings: AccountSettings
    receiver: Receiver


async def client(stack: AsyncExitStack, base_url: str, token: str) -> httpx.AsyncClient:
    """Return a client with a bearer token, until the stack is left."""
    return await stack.enter_async_context(
        httpx.AsyncClient(
            base_url=base_url,
            headers={"authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=5,
        )
    )


@asynccontextmanager
async def opening(
    receiver: Receiver, settings: AccountSettings, journal_file: Path | None = None
) -> AsyncIterator[Desk]:
    """Run a mock PSP with the accounts `main`, of these settings, and `second`."""
    async with AsyncExitStack() as stack:
        mock_psp = await stack.enter_async_context(
            serving(
                {"main": settings, "second": new_account()},
                seed=11,
                start=START,
                clock_runs=False,
                hang_s=0.3,
                retry_after_s=(0.01, 0.02, 0.03),
                journal_file=journal_file,
            )
        )

        yield Desk(
            mock_psp=mock_psp,
            settings=settings,
            receiver=receiver,
            api=await client(stack, mock_psp.base_url, settings.secret),
            admin=await client(stack, mock_psp.base_url, mock_psp.admin_token),
        )


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A mock PSP with one account, `main`, whose webhooks are received."""
    async with (
        receiving() as receiver,
        opening(receiver, new_account(receiver.url)) as desk,
    ):
        yield desk
