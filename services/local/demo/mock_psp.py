"""The mock PSP as the demo uses it: as a player with a browser, and as its operator."""

from collections.abc import Mapping, Sequence
from datetime import date
from types import TracebackType
from typing import Any, Self

import httpx

from services.local.provider_accounts import PROVIDER_ACCOUNT

_TIMEOUT_S = 30.0


class MockPsp:
    """A client of the mock PSP's hosted pages and of its admin API (docs/integrate/mock_psp.md).

    Every method raises httpx.HTTPError if the provider is away or refuses.
    """

    def __init__(self, base_url: str, admin_token: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"authorization": f"Bearer {admin_token}"},
            timeout=_TIMEOUT_S,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def pay_on_page(self, url: str) -> None:
        """Click on "Pay", as the player does."""
        response = await self._client.post(url, content=b"choice=pay")
        response.raise_for_status()

    async def choose_next(self, kind: str, word: str) -> None:
        """Let a word of the scenarios hold for the next object of a kind."""
        await self._post("scenarios", {"next": kind, "words": [word]})

    async def top_up(self, key: str, currency_code: str, amount_minor: int) -> None:
        """Pay money in from our bank; the same key pays once."""
        await self._post(
            "top_ups", {"key": key, "currency": currency_code, "amount_minor": amount_minor}
        )

    async def close_day(self) -> date:
        """End the provider's day, which writes its settlement report; return the day."""
        answer = await self._request("POST", "/admin/clock/close_day", {})
        return date.fromisoformat(answer["closed"][PROVIDER_ACCOUNT]["date"])

    async def open_deliveries(self) -> int:
        """Return how many webhooks have not been taken yet, those left out that never go out."""
        answer = await self._get("deliveries")
        return sum(one["state"] == "pending" for one in answer["data"])

    async def deliveries(self) -> Sequence[Mapping[str, Any]]:
        """Return every webhook and its attempts."""
        data: Sequence[Mapping[str, Any]] = (await self._get("deliveries"))["data"]
        return data

    async def rows(self) -> Sequence[Mapping[str, Any]]:
        """Return every row of the provider's books."""
        rows: Sequence[Mapping[str, Any]] = (await self._get("books"))["rows"]
        return rows

    async def buckets(self) -> Mapping[str, Mapping[str, int]]:
        """Return what the provider holds of ours in minor units, by currency and bucket."""
        answer = await self._get("books")
        return {
            row["currency"]: {
                name.removesuffix("_minor"): value
                for name, value in row.items()
                if name.endswith("_minor")
            }
            for row in answer["balances"]
        }

    async def _get(self, path: str) -> Any:
        return await self._request("GET", f"/admin/accounts/{PROVIDER_ACCOUNT}/{path}", None)

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self._request("POST", f"/admin/accounts/{PROVIDER_ACCOUNT}/{path}", body)

    async def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        response = await self._client.request(method, path, json=body)
        response.raise_for_status()
        return response.json()
