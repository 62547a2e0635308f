"""A whole gateway in this process: a real ledger, the real mock PSP, and the gateway's server."""

import base64
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx

from services.kernel.clock import utc_now
from services.local.databases import Databases
from services.local.mock_psp.server import MockPsp, serving
from services.local.mock_psp.settings import AccountSettings, FeesSettings
from services.local.mock_psp.webhooks import encoded_secret
from services.platform.server import RunningServer
from services.platform.settings import DatabaseSettings, GrpcClientSettings
from services.psp_gateway.adapters.ledger import GrpcLedger
from services.psp_gateway.adapters.providers.calling import CallLimits
from services.psp_gateway.application.ports import Ledger
from services.psp_gateway.main import serve_gateway
from services.psp_gateway.settings import PspGatewaySettings
from services.psp_gateway.wiring import Gateway, open_gateway
from tests.fakes.ledger_server import LedgerClient, running_ledger
from tests.fakes.ledger_server import settings as ledger_settings
from vezne.psp_gateway.v1.deposit_service_pb2_grpc import DepositServiceStub

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

    async def player_pays(self, url: str, choice: str = "pay") -> None:
        """Click on the hosted page."""
        response = await self.http.post(
            url,
            content=f"choice={choice}".encode(),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        assert response.status_code in (200, 303), response.text

    async def scenario(self, *words: str, kind: str = "payment_intent") -> None:
        """Let these words hold for the next object of a kind."""
        await self.admin("scenarios", {"words": list(words), "next": kind})


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
            "webhooks": {"port": 0},
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
        clock = Clock()
        gateway = await open_gateway(
            settings,
            stack,
            "vezne-test",
            clock=clock,
            limits=limits or CallLimits(timeout_s=1.0),
            ledger=wrap_ledger(GrpcLedger(ledger.channel)),
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
            tenant, gateway, ledger, mock, clock, channel, http, webhook_key, served.webhooks.port
        )
        await running.admin("endpoint", {"url": running.webhook_url})
        yield running
