"""Settings of the mock PSP: the command's own, and its accounts, from a TOML file.

[accounts.main]
secret = "a token of at least 16 characters"       # the bearer token of the API
webhook_url = "http://127.0.0.1:8080/webhooks/mock/main"
webhook_secret = "whsec_..."                       # signs every webhook
webhook_secret_old = "whsec_..."                   # signs beside it; optional
mode = "test"
available_after_days = 0
sweeps = true
sweep_days = 1
bank_fee_minor = 0
rolling_reserve_basis_points = 0
rolling_reserve_days = 180
step_s = 1.0

[accounts.main.fees.capture]                # and refund, dispute, transfer,
basis_points = 140                                 # transfer_failure, transfer_return
fixed_minor = 10
"""

import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_settings import SettingsConfigDict

from services.kernel.ids import SLUG
from services.local.mock_psp.books import FeeRate, Fees
from services.local.mock_psp.days import Terms
from services.local.mock_psp.webhooks import decoded_secret, encoded_secret
from services.platform.settings import Port, ServiceSettings, SettingsError

PREFIX = "VEZNE_MOCK_PSP_"
ACCOUNTS_MAX = 100

_SECRET_LENGTH_MIN = 16


def _checked_webhook_secret(secret: str) -> str:
    decoded_secret(secret)
    return secret


WebhookSecret = Annotated[str, AfterValidator(_checked_webhook_secret)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FeeSettings(_Section):
    """One fee: a share of the amount and a fixed part in minor units of its currency."""

    basis_points: int = Field(default=0, ge=0, le=10_000)
    fixed_minor: int = Field(default=0, ge=0)

    def rate(self) -> FeeRate:
        """Return it as the books take it."""
        return FeeRate(self.basis_points, self.fixed_minor)


class FeesSettings(_Section):
    """The fees of one account, by kind."""

    capture: FeeSettings = FeeSettings(basis_points=140, fixed_minor=10)
    refund: FeeSettings = FeeSettings()
    dispute: FeeSettings = FeeSettings(fixed_minor=1500)
    transfer: FeeSettings = FeeSettings(fixed_minor=25)
    transfer_failure: FeeSettings = FeeSettings()
    transfer_return: FeeSettings = FeeSettings()

    def fees(self) -> Fees:
        """Return them as the books take them."""
        return Fees(
            capture=self.capture.rate(),
            refund=self.refund.rate(),
            dispute=self.dispute.rate(),
            transfer=self.transfer.rate(),
            transfer_failure=self.transfer_failure.rate(),
            transfer_return=self.transfer_return.rate(),
        )


class AccountSettings(_Section):
    """One provider account; the module's docstring shows a whole one."""

    secret: str = Field(min_length=_SECRET_LENGTH_MIN)
    webhook_secret: WebhookSecret
    webhook_secret_old: WebhookSecret | None = None
    webhook_url: str | None = Field(default=None, pattern=r"^https?://")
    mode: Literal["test", "live"] = "test"
    fees: FeesSettings = FeesSettings()
    available_after_days: int = Field(default=0, ge=0, le=30)
    sweeps: bool = True
    sweep_days: int = Field(default=1, ge=1, le=10)
    bank_fee_minor: int = Field(default=0, ge=0)
    rolling_reserve_basis_points: int = Field(default=0, ge=0, le=10_000)
    rolling_reserve_days: int = Field(default=180, ge=1, le=400)
    step_s: float = Field(default=1.0, gt=0, le=86_400)

    def terms(self) -> Terms:
        """Return what its books and days go by."""
        return Terms(
            mode=self.mode,
            fees=self.fees.fees(),
            available_after_days=self.available_after_days,
            sweeps=self.sweeps,
            sweep_days=self.sweep_days,
            bank_fee_minor=self.bank_fee_minor,
            rolling_reserve_basis_points=self.rolling_reserve_basis_points,
            rolling_reserve_days=self.rolling_reserve_days,
            step_s=self.step_s,
        )


AccountName = Annotated[str, Field(pattern=f"^{SLUG.pattern}$")]


class _AccountsFile(_Section):
    accounts: dict[AccountName, AccountSettings] = Field(min_length=1, max_length=ACCOUNTS_MAX)


def load_accounts(path: Path) -> Mapping[str, AccountSettings]:
    """Read the accounts of a TOML file.

    Raises:
        SettingsError: it cannot be read, is not TOML, or a setting is missing, wrong or unknown;
            all of them are listed.
    """
    try:
        with path.open("rb") as file:
            return _AccountsFile.model_validate(tomllib.load(file)).accounts
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: {error}"]) from error
    except ValidationError as error:
        # The values are left out: one of them may be a secret.
        raise SettingsError(
            [
                f"{path}: {'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
                for one in error.errors(include_input=False, include_url=False)
            ]
        ) from error


def new_account(webhook_url: str | None = None) -> AccountSettings:
    """Return an account with new random secrets and the default terms."""
    return AccountSettings(
        secret=f"sk_test_{secrets.token_urlsafe(24)}",
        webhook_secret=encoded_secret(secrets.token_bytes(32)),
        webhook_url=webhook_url,
    )


class MockPspSettings(ServiceSettings):
    """The command's own settings."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    host: Annotated[str, Field(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Field(description="The HTTP port; 0 takes any free one.")] = 8090
    accounts_file: Annotated[
        Path | None,
        Field(description="A TOML file of accounts; unset makes one, with new secrets."),
    ] = None
    webhook_url: Annotated[
        str | None,
        Field(
            pattern=r"^https?://",
            description="Where the webhooks of that one account go; unset withholds them.",
        ),
    ] = None
    admin_token: Annotated[
        str | None,
        Field(
            min_length=_SECRET_LENGTH_MIN,
            description="The token of the admin API; unset makes a new one and prints it.",
        ),
    ] = None
    seed: Annotated[
        int | None,
        Field(ge=0, description="What ids follow from; unset takes a new one and prints it."),
    ] = None
    start: Annotated[
        AwareDatetime | None,
        Field(description="What the provider's clock shows first; unset takes the time."),
    ] = None
    clock_runs: Annotated[
        bool, Field(description="Whether the provider's clock runs, or stands until it is moved.")
    ] = True
    journal_file: Annotated[
        Path | None,
        Field(
            description="Keeps the books from start to start, with their seed and clock; unset "
            "keeps them in memory only. Name an accounts file beside it."
        ),
    ] = None
    hang_s: Annotated[
        float,
        Field(gt=0, le=600, description="How long a call that is never answered is held."),
    ] = 30.0
