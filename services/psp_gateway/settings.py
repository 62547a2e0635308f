"""The gateway's settings: `VEZNE_PSP_GATEWAY_…`, and the file of its provider accounts.

[[provider_account]]
tenant_id = "acme"
provider = "mock"
provider_account = "main"
currencies = ["EUR"]
bank_account = "main"
base_url = "http://127.0.0.1:8090"
api_key_file = "mock.key"                # a relative path is seen from this file
mode = "test"
report_format = "mock"

[[provider_account.webhook_key]]
kid = "2026"
file = "mock.whsec"
not_before = 2026-01-01T00:00:00Z        # optional, as is not_after

[provider_account.fee]                   # what the contract lets us expect; optional
basis_points = 140
fixed_minor = 10

The file of who approves withdrawals; what no band covers needs two people:

expires_after_hours = 72

[[band]]
currency = "EUR"
amount_minor_max = 50_000
approvers = 0
"""

import tomllib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, Field, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from services.formats import PARSERS
from services.kernel.ids import TENANT_ID
from services.kernel.invariant import InvariantError
from services.kernel.money import UnknownCurrencyError, currency
from services.platform.settings import (
    Block,
    DatabaseSettings,
    GrpcClientSettings,
    GrpcServerSettings,
    Port,
    Seconds,
    ServiceSettings,
    SettingsError,
)
from services.platform.temporal import WorkerSettings
from services.psp_gateway.domain.approval import APPROVERS_MAX, ApprovalPolicy, Band

File = TypeVar("File", bound=Block)


class GatewayGrpcSettings(GrpcServerSettings):
    """How the gateway listens: its ports in the documented stack."""

    port: Annotated[Port, Field(description="The gRPC port; 0 takes any.")] = 50052
    health_port: Annotated[Port, Field(description="The health-only port; 0 takes any.")] = 50152


class GatewayWorkerSettings(WorkerSettings):
    """How the gateway's worker shows its health."""

    health_port: Annotated[Port, Field(description="The health-only port; 0 takes any.")] = 50154


class WebhookSettings(Block):
    """The door for providers' webhooks."""

    host: Annotated[str, Field(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Field(description="The HTTP port; 0 takes any.")] = 8080
    body_timeout_s: Annotated[
        Seconds, Field(description="How long a delivery's body may take to come.")
    ] = 10.0
    connections_max: Annotated[
        int, Field(ge=1, description="Connections at once; more are answered 503.")
    ] = 1_000
    queue_max: Annotated[
        int, Field(ge=1, description="Deliveries that wait for a commit at most.")
    ] = 5_000
    drain_grace_s: Annotated[
        Seconds, Field(description="How long deliveries in progress may take at shutdown.")
    ] = 10.0


class PspGatewaySettings(ServiceSettings):
    """All that the gateway, its server and its worker, can be told."""

    model_config = SettingsConfigDict(env_prefix="VEZNE_PSP_GATEWAY_")

    database: DatabaseSettings
    ledger: GrpcClientSettings
    provider_accounts_file: Annotated[
        Path, Field(description="The TOML file of provider accounts.")
    ]
    inbox_key_file: Annotated[
        Path,
        Field(description="The file of the key, 32 bytes in base64, that encrypts stored bodies."),
    ]
    grpc: GatewayGrpcSettings = GatewayGrpcSettings()
    worker: GatewayWorkerSettings = GatewayWorkerSettings()
    webhooks: WebhookSettings = WebhookSettings()
    exceptions_owner: Annotated[
        str, Field(min_length=1, max_length=64, description="Who decides exceptions: a team.")
    ] = "operations"
    inbox_retention_days: Annotated[
        int,
        Field(
            ge=1,
            le=3_650,
            description="How long bodies of applied webhooks, and of conflicts, are kept.",
        ),
    ] = 90
    approval_rules_file: Annotated[
        Path | None,
        Field(description="The TOML file of who approves withdrawals; unset: always two people."),
    ] = None
    janitor_every_s: Annotated[
        Seconds, Field(description="How often the janitor takes up what was left.")
    ] = 10.0


# --- the file of provider accounts ---------------------------------------------------------------
class WebhookKeySettings(Block):
    """A key that may sign webhooks, while it is valid."""

    kid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    file: Path
    not_before: AwareDatetime | None = None
    not_after: AwareDatetime | None = None


class FeeSettings(Block):
    """What the contract lets us expect as the fee of a deposit."""

    basis_points: Annotated[int, Field(ge=0, le=10_000)] = 0
    fixed_minor: Annotated[int, Field(ge=0)] = 0


class ProviderAccountSettings(Block):
    """One provider account; it belongs to one tenant."""

    tenant_id: Annotated[str, Field(pattern=f"^{TENANT_ID.pattern}$")]
    provider: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,15}$")]
    provider_account: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,31}$")]
    currencies: Annotated[tuple[str, ...], Field(min_length=1)]
    bank_account: Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,64}$")]
    base_url: Annotated[str, Field(pattern=r"^https?://")]
    api_key_file: Path
    mode: Literal["test", "live"]
    report_format: str
    webhook_key: Annotated[tuple[WebhookKeySettings, ...], Field(min_length=1)]
    fee: FeeSettings | None = None

    @model_validator(mode="after")
    def _check(self) -> "ProviderAccountSettings":
        for code in self.currencies:
            try:
                currency(code)
            except UnknownCurrencyError as error:
                raise ValueError(str(error)) from error
        if self.report_format not in PARSERS:
            raise ValueError(f"report_format is none of {', '.join(PARSERS)}")
        if self.provider == "mock" and self.mode == "live":
            # No real money goes through a provider that is not real.
            raise ValueError("the mock provider has no mode live")
        return self


class _ProviderAccountsFile(Block):
    provider_account: tuple[ProviderAccountSettings, ...] = ()


def load_provider_accounts(path: Path) -> Sequence[ProviderAccountSettings]:
    """Read the provider accounts; paths of secrets in them become absolute.

    Raises:
        SettingsError: the file cannot be read, or something in it is missing, wrong or unknown.
    """
    accounts = _read_toml(path, "provider accounts", _ProviderAccountsFile).provider_account
    names = [(one.provider, one.provider_account) for one in accounts]
    twice = sorted(
        {f"{provider}/{name}" for provider, name in names if names.count((provider, name)) > 1}
    )
    if twice:
        raise SettingsError([f"provider accounts {path}: {name} is there twice" for name in twice])
    return [_seen_from(path.parent, one) for one in accounts]


# --- the file of who approves withdrawals --------------------------------------------------------


class _BandSettings(Block):
    currency: str
    amount_minor_max: Annotated[int, Field(ge=1)]
    approvers: Annotated[int, Field(ge=0, le=APPROVERS_MAX)]


class _ApprovalRulesFile(Block):
    expires_after_hours: Annotated[int, Field(ge=1, le=24 * 90)] = 72
    band: tuple[_BandSettings, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "_ApprovalRulesFile":
        try:
            self.policy()
        except (UnknownCurrencyError, InvariantError) as error:
            raise ValueError(str(error)) from error
        return self

    def policy(self) -> ApprovalPolicy:
        """Return the rules, as the domain asks them."""
        bands: dict[str, tuple[Band, ...]] = {}
        for one in self.band:
            code = currency(one.currency).code
            bands[code] = (*bands.get(code, ()), Band(one.amount_minor_max, one.approvers))
        return ApprovalPolicy(bands, timedelta(hours=self.expires_after_hours))


def load_approval_policy(path: Path | None) -> ApprovalPolicy:
    """Read who approves withdrawals; without a file every withdrawal needs two people.

    Raises:
        SettingsError: the file cannot be read, or something in it is wrong or unknown.
    """
    if path is None:
        return ApprovalPolicy()
    return _read_toml(path, "approval rules", _ApprovalRulesFile).policy()


def _read_toml(path: Path, what: str, model: type[File]) -> File:
    try:
        with path.open("rb") as file:
            return model.model_validate(tomllib.load(file))
    except OSError as error:
        raise SettingsError([f"{what} {path}: {error.strerror}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{what} {path}: {error}"]) from error
    except ValidationError as error:
        raise SettingsError(
            [
                f"{what} {path}: {'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
                for problem in error.errors(include_input=False, include_url=False)
            ]
        ) from error


def _seen_from(folder: Path, account: ProviderAccountSettings) -> ProviderAccountSettings:
    keys = tuple(key.model_copy(update={"file": folder / key.file}) for key in account.webhook_key)
    return account.model_copy(
        update={"api_key_file": folder / account.api_key_file, "webhook_key": keys}
    )
