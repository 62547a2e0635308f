"""One HTTP call to a provider: a timeout, a limit of calls at once, a circuit breaker, no retry.

A call is never repeated here: whether it may be is a question of money, and the use case's.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from services.psp_gateway.domain.outcomes import Failure

ANSWER_BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The limits of calls to one provider account."""

    connect_timeout_s: float = 2.0
    timeout_s: float = 8.0
    """Of the whole call."""
    concurrent_calls_max: int = 50
    breaker_failures: int = 10
    """So many in a row open the breaker."""
    breaker_pause_s: float = 10.0
    """How long it stays open before one call tries again."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole HTTP answer."""

    http_code: int
    body: bytes


class Breaker:
    """Opens after some failures in a row; after a pause it lets one call through to try.

    What may or may not have happened counts as a failure, never as a success.
    """

    def __init__(
        self, failures: int, pause_s: float, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._failures_max = failures
        self._pause_s = pause_s
        self._seconds = seconds
        self._failures = 0
        self._closed_at = 0.0

    def allows(self) -> bool:
        """Return whether a call may be made now; the one that tries again is counted by asking."""
        if self._failures < self._failures_max:
            return True
        now = self._seconds()
        if now < self._closed_at:
            return False
        self._closed_at = now + self._pause_s
        return True

    def succeeded(self) -> None:
        """Count an answer of a provider that works."""
        self._failures = 0

    def failed(self) -> None:
        """Count a call that found no provider that works."""
        self._failures += 1
        if self._failures >= self._failures_max:
            self._closed_at = self._seconds() + self._pause_s


class ProviderCalls:
    """Calls one provider account.

    Args:
        client: shared, with the base URL; closed by its owner. It neither retries nor redirects.
        headers: of every call, such as the authorization.
        limits: of this provider account.
    """

    def __init__(
        self, client: httpx.AsyncClient, headers: Mapping[str, str], limits: CallLimits
    ) -> None:
        self._client = client
        self._headers = headers
        self._limits = limits
        self._places = asyncio.Semaphore(limits.concurrent_calls_max)
        self._breaker = Breaker(limits.breaker_failures, limits.breaker_pause_s)

    async def call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answered | Failure:
        """Make one call; whatever goes wrong is a Failure.

        `timeout_s` is of the whole call, where it is another than that of the limits.
        """
        if self._places.locked() or not self._breaker.allows():
            return Failure.BREAKER_OPEN
        async with self._places:
            result = await self._made(
                method,
                path,
                content,
                headers or {},
                query or {},
                timeout_s or self._limits.timeout_s,
            )
        # A provider that refuses works; one that cannot answer does not.
        if isinstance(result, Answered) and result.http_code < 500:  # noqa: PLR2004 - RFC 9110.
            self._breaker.succeeded()
        else:
            self._breaker.failed()
        return result

    async def _made(
        self,
        method: str,
        path: str,
        content: bytes | None,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        timeout_s: float,
    ) -> Answered | Failure:
        try:
            async with asyncio.timeout(timeout_s):
                request = self._client.build_request(
                    method,
                    path,
                    content=content,
                    headers={**self._headers, **headers},
                    params=query or None,
                    timeout=httpx.Timeout(timeout_s, connect=self._limits.connect_timeout_s),
                )
                response = await self._client.send(request, stream=True)
                try:
                    return Answered(response.status_code, await _whole(response))
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return Failure.CONNECT
        except httpx.DecodingError:
            return Failure.UNDECODABLE
        except (httpx.HTTPError, TimeoutError, _TooLargeError):
            return Failure.READ


class _TooLargeError(Exception):
    """An answer is longer than anything that we asked for."""


async def _whole(response: httpx.Response) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > ANSWER_BYTES_MAX:
            raise _TooLargeError
        chunks.append(chunk)
    return b"".join(chunks)


def new_client(base_url: str, limits: CallLimits) -> httpx.AsyncClient:
    """Return the client of a provider account; every limit is set here."""
    return httpx.AsyncClient(
        base_url=base_url,
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(limits.timeout_s, connect=limits.connect_timeout_s),
        limits=httpx.Limits(
            max_connections=limits.concurrent_calls_max,
            max_keepalive_connections=limits.concurrent_calls_max,
            keepalive_expiry=30.0,
        ),
    )
