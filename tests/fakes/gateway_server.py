"""A whole gateway in this process: a real ledger, the real mock PSP, and the gateway's server."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import asyncpg
import grpc
import httpx

from services.kernel.clock import utc_now
from services.local.databases import Databases
from services.local.mock_psp.books import Bucket
from services.local.mock_psp.server import MockPsp, serving
from services.local.mock_psp.settings import AccountSettings, FeesSettings
from services.local.mock_psp.webhooks import encoded_secret
from services.platform.server import RunningServer
from services.platform.settings import DatabaseSettings, GrpcClientSettings
from services.psp_gateway.adapters.ledger import GrpcLedger
from services.psp_gateway.adapters.postgres.connection import connected
from services.psp_gateway.adapters.providers.calling import CallLimits
from services.psp_gateway.application.ports import Ledger
from services.psp_gateway.application.providers import Connection
from services.psp_gateway.application.withdrawal_ports import Workflows
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.postings import Posting
from services.psp_gateway.domain.withdrawal_steps import WithdrawalTimes
from services.psp_gateway.main import serve_gateway
from services.psp_gateway.settings import PspGatewaySettings
from services.psp_gateway.wiring import NO_WORKFLOWS, TIMES, Gateway, open_gateway
from tests.fakes.ledger_server import LedgerClient, running_ledger
from tests.fakes.ledger_server import settings as ledger_settings
from vezne.ledger.v1.account_service_pb2 import GetBalancesRequest
from vezne.psp_gateway.v1 import deposit_pb2
from vezne.psp_gateway.v1.deposit_service_pb2 import CreateDepositRequest, GetDepositRequest
from vezne.psp_gateway.v1.deposit_service_pb2_grpc import DepositServiceStub
from vezne.type.v1.money_pb2 import Money

PROVIDER, ACCOUNT = "mock", "main"


@dataclass
class Clock:
    """A clock that runs with the machine's, and can be moved forward."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        """Return the time."""
        return utc_now() + self.ahead

    def advance(self, **span: float) -> None:
        """Move it forward."""
        self.ahead += timedelta(**span)


class LedgerOfToday(GrpcLedger):
    """The ledger has the machine's clock: a gateway whose clock is ahead must not post into it."""

    def request_of(self, tenant_id: str, posting: Posting) -> bytes:
        """Return the bytes, with a time that the ledger does not call the future."""
        effective_time = min(posting.effective_time, utc_now())
        return super().request_of(tenant_id, replace(posting, effective_time=effective_time))


@dataclass
class Stack:
    """Everything that a test of the gateway talks to."""

    tenant: str
    gateway: Gateway
    ledger: LedgerClient
    mock: MockPsp
    clock: Clock
    channel: grpc.aio.Channel
    http: httpx.AsyncClient
    webhook_key: bytes
    webhook_port: int
    settings: PspGatewaySettings
    deposits: DepositServiceStub = field(init=False)

    def __post_init__(self) -> None:
        self.deposits = DepositServiceStub(self.channel)

    @property
    def webhook_url(self) -> str:
        """Where the provider delivers."""
        return f"http://127.0.0.1:{self.webhook_port}/webhooks/{PROVIDER}/{ACCOUNT}"

    async def admin(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call the mock PSP's admin API about our account."""
        response = await self.http.post(
            f"{self.mock.base_url}/admin/accounts/{ACCOUNT}/{path}",
            json=body or {},
            headers={"authorization": f"Bearer {self.mock.admin_token}"},
        )
        response.raise_for_status()
        return response.json()

    async def look(self, path: str, **query: str) -> Any:
        """Look at our account through the mock PSP's admin API."""
        response = await self.http.get(
            f"{self.mock.base_url}/admin/accounts/{ACCOUNT}/{path}",
            params=query,
            headers={"authorization": f"Bearer {self.mock.admin_token}"},
        )
        response.raise_for_status()
        return response.json()

    async def admin_clock(self, days: int) -> None:
        """Move the mock PSP's clock forward."""
        response = await self.http.post(
            f"{self.mock.base_url}/admin/clock/advance",
            json={"seconds": days * 86_400},
            headers={"authorization": f"Bearer {self.mock.admin_token}"},
        )
        response.raise_for_status()

    async def player_pays(self, url: str, choice: str = "pay") -> None:
        """Click on the hosted page."""
        response = await self.http.post(
            url,
            content=f"choice={choice}".encode(),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        # 422: it was paid before, and we have not heard of it yet.
        assert response.status_code in (200, 303, 422), response.text

    async def pay(
        self,
        request_id: str,
        minor_units: int = 2_500,
        *,
        words: Sequence[str] = (),
        player: str = "p42",
        currency: str = "EUR",
        card: bool = True,
    ) -> deposit_pb2.Deposit:
        """Ask for a deposit; a stored card is charged at once, else the player gets a page."""
        if words:
            await self.scenario(*words)
        answer = await self.deposits.CreateDeposit(
            self.deposit_request(request_id, minor_units, player, currency, card=card)
        )
        if not answer.deposit.postings_pending:
            return answer.deposit
        # The webhook was faster than the answer, and its posting is on its way.
        async with asyncio.timeout(10):
            while (found := await self.deposit(answer.deposit.deposit_id)).postings_pending:
                await asyncio.sleep(0.01)
        return found

    def deposit_request(
        self,
        request_id: str,
        minor_units: int = 2_500,
        player: str = "p42",
        currency: str = "EUR",
        *,
        card: bool = True,
    ) -> CreateDepositRequest:
        """Return the request of a deposit."""
        return CreateDepositRequest(
            tenant_id=self.tenant,
            request_id=request_id,
            player_id=player,
            amount=Money(currency_code=currency, minor_units=minor_units),
            provider=PROVIDER,
            provider_account=ACCOUNT,
            source_token="card_1" if card else "",
        )

    def add_account(self, name: str, **changed: Any) -> ProviderAccount:
        """Give the tenant one more provider account: as the first but for what is changed."""
        accounts = cast("dict[ProviderAccount, Connection]", self.gateway.connections.by_account)
        at = ProviderAccount(PROVIDER, name)
        accounts[at] = replace(accounts[ProviderAccount(PROVIDER, ACCOUNT)], at=at, **changed)
        return at

    async def deposit(self, deposit_id: str) -> deposit_pb2.Deposit:
        """Read a deposit."""
        request = GetDepositRequest(tenant_id=self.tenant, deposit_id=deposit_id)
        return (await self.deposits.GetDeposit(request)).deposit

    async def balance(self, path: str) -> int:
        """Return an account's balance in its normal direction; 0 if it is not there."""
        request = GetBalancesRequest(tenant_id=self.tenant, account_ids=[path])
        try:
            return (await self.ledger.accounts.GetBalances(request)).balances[0].posted_minor
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return 0
            raise

    async def cash(self, player: str = "p42") -> int:
        """Return what a player has."""
        return await self.balance(f"liability/player/{player}/cash/eur")

    async def until(self, holds: Callable[[], Awaitable[bool]], within_s: float = 60) -> None:
        """Wait until something holds, with the janitor going its rounds."""
        async with asyncio.timeout(within_s):
            while not await holds():
                self.clock.advance(seconds=30)
                await self.gateway.janitor.sweep(self.tenant)
                await asyncio.sleep(0.02)

    async def until_state(self, deposit_id: str, state: str, within_s: float = 60) -> None:
        """Wait until a deposit is in a state, and all its postings stand."""

        async def there() -> bool:
            found = await self.deposit(deposit_id)
            name = deposit_pb2.DepositState.Name(found.state)
            return name == f"DEPOSIT_STATE_{state}" and not found.postings_pending

        await self.until(there, within_s)

    async def rows(self, statement: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """Read rows of the gateway's database."""
        async with connected(self.gateway.engine) as driver:
            found: Sequence[asyncpg.Record] = await driver.fetch(statement, *arguments)
        return found

    async def facts_of(self, object_id: str) -> Sequence[str]:
        """Return the facts of an object, in order."""
        found = await self.rows(
            "SELECT fact FROM psp_gateway.gateway_events"
            " WHERE object_id = $1 ORDER BY event_sequence",
            object_id,
        )
        return [row["fact"] for row in found]

    async def exceptions(self, object_id: str) -> Sequence[str]:
        """Return the kinds of an object's exceptions, in order."""
        found = await self.rows(
            "SELECT kind FROM psp_gateway.exceptions WHERE object_id = $1 ORDER BY exception_id",
            object_id,
        )
        return [row["kind"] for row in found]

    async def agrees(self, currency: str = "EUR") -> None:
        """Check that the provider's buckets equal our accounts, and clearing what is open.

        What it has told and we have not taken in yet makes a difference; wait for it first.
        """
        buckets = self.mock.world.account(ACCOUNT, self.mock.world.clock.now()).books.buckets(
            currency
        )
        stem, code = f"psp/{PROVIDER}/{ACCOUNT}", currency.lower()
        ours = {
            Bucket.PENDING: await self.balance(f"asset/{stem}/pending/{code}"),
            Bucket.AVAILABLE: await self.balance(f"asset/{stem}/available/{code}"),
            Bucket.ROLLING_RESERVE: await self.balance(f"asset/{stem}/rolling_reserve/{code}"),
        }
        assert ours == {bucket: buckets[bucket] for bucket in ours}
        [row] = await self.rows(_OPEN, self.tenant, currency)
        assert dict(row) == {
            "review": await self.balance(f"liability/{stem}/review/{code}"),
            "refunds": await self.balance(f"liability/{stem}/refund_clearing/{code}"),
            "disputes": await self.balance(f"asset/{stem}/disputes/{code}"),
        }

    async def agree(self) -> bool:
        """Return whether the provider and the ledger agree now: see `agrees`."""
        try:
            await self.agrees()
        except AssertionError:
            return False
        return True

    async def scenario(self, *words: str, kind: str = "payment_intent") -> None:
        """Let these words hold for the next object of a kind."""
        await self.admin("scenarios", {"words": list(words), "next": kind})


_OPEN = """
SELECT
    (SELECT coalesce(sum(review_minor), 0)::bigint FROM psp_gateway.deposits
     WHERE tenant_id = $1 AND captured_currency_code = $2) AS review,
    (SELECT coalesce(sum(amount_minor), 0)::bigint FROM psp_gateway.refunds
     WHERE tenant_id = $1 AND currency_code = $2
         AND state IN ('REQUESTED', 'SUBMITTING', 'SUBMIT_UNKNOWN', 'PENDING')) AS refunds,
    (SELECT coalesce(sum(amount_minor), 0)::bigint FROM psp_gateway.disputes
     WHERE tenant_id = $1 AND currency_code = $2 AND state = 'OPEN') AS disputes
"""


def write_settings(
    folder: Path, databases: Databases, tenant: str, mock_url: str, account: AccountSettings
) -> PspGatewaySettings:
    """Write the secrets and the provider accounts file, and return the gateway's settings."""
    (folder / "api.key").write_text(account.secret + "\n")
    (folder / "hook.key").write_text(account.webhook_secret + "\n")
    (folder / "inbox.key").write_bytes(base64.b64encode(secrets.token_bytes(32)))
    (folder / "providers.toml").write_text(
        f"""
[[provider_account]]
tenant_id = "{tenant}"
provider = "{PROVIDER}"
provider_account = "{ACCOUNT}"
currencies = ["EUR", "JPY"]
bank_account = "main"
base_url = "{mock_url}"
api_key_file = "api.key"
mode = "test"
report_format = "mock"

[[provider_account.webhook_key]]
kid = "current"
file = "hook.key"

[provider_account.fee]
basis_points = 140
fixed_minor = 10
"""
    )
    return PspGatewaySettings.model_validate(
        {
            "database": DatabaseSettings(url=databases.url("psp_gateway")),  # type: ignore[arg-type]  # Pydantic wraps it.
            "grpc": {"port": 0, "health_port": 0, "drain_grace_s": 5},
            "webhooks": {"port": 0, "body_timeout_s": 1, "drain_grace_s": 2},
            "ledger": GrpcClientSettings(target="unused:1"),
            "provider_accounts_file": folder / "providers.toml",
            "inbox_key_file": folder / "inbox.key",
        }
    )


def mock_account(webhook_key: bytes, **terms: Any) -> AccountSettings:
    """Return a mock account with quick steps and known fees."""
    return AccountSettings(
        secret=f"sk_test_{secrets.token_urlsafe(24)}",
        webhook_secret=encoded_secret(webhook_key),
        fees=FeesSettings(),
        step_s=0.05,
        **terms,
    )


@asynccontextmanager
async def running_stack(
    databases: Databases,
    folder: Path,
    tenant: str,
    *,
    wrap_ledger: Callable[[Ledger], Ledger] = lambda ledger: ledger,
    limits: CallLimits | None = None,
    clock: Clock | None = None,
    workflows: Workflows = NO_WORKFLOWS,
    times: WithdrawalTimes = TIMES,
    approval_rules: str = "",
    **terms: Any,
) -> AsyncIterator[Stack]:
    """Run a ledger, the mock PSP and a gateway, and connect them."""
    webhook_key = secrets.token_bytes(32)
    account = mock_account(webhook_key, **terms)
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(
            running_ledger(ledger_settings(databases.url("ledger")))
        )
        await ledger.tenant(tenant)
        mock = await stack.enter_async_context(
            serving({ACCOUNT: account}, hang_s=2.0, retry_after_s=(0.2, 0.5, 1.0))
        )
        settings = write_settings(folder, databases, tenant, mock.base_url, account)
        if approval_rules:
            (folder / "rules.toml").write_text(approval_rules)
            settings = settings.model_copy(update={"approval_rules_file": folder / "rules.toml"})
        clock = clock or Clock()
        gateway = await open_gateway(
            settings,
            stack,
            "vezne-test",
            workflows=workflows,
            times=times,
            clock=clock,
            limits=limits or CallLimits(timeout_s=1.0),
            ledger=wrap_ledger(LedgerOfToday(ledger.channel)),
        )
        served = await serve_gateway(gateway, settings, stack)
        server = RunningServer(served.service, settings.grpc)
        await server.start()
        stack.push_async_callback(server.stop)
        channel = await stack.enter_async_context(
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
        )
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=10))
        running = Stack(
            tenant,
            gateway,
            ledger,
            mock,
            clock,
            channel,
            http,
            webhook_key,
            served.webhooks.port,
            settings,
        )
        await running.admin("endpoint", {"url": running.webhook_url})
        yield running


@asynccontextmanager
async def another_server(running: Stack, **limits: Any) -> AsyncIterator[grpc.aio.Channel]:
    """Serve a running gateway a second time, with other limits of its gRPC server."""
    settings = running.settings.model_copy(
        update={"grpc": running.settings.grpc.model_copy(update=limits)}
    )
    async with AsyncExitStack() as stack:
        served = await serve_gateway(running.gateway, settings, stack)
        # The gateway's own work is drained by the server that it began with.
        server = RunningServer(replace(served.service, drains=()), settings.grpc)
        await server.start()
        stack.push_async_callback(server.stop)
        yield await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{server.port}"))
