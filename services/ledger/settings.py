"""The ledger's settings: `VEZNE_LEDGER_…`."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.platform.settings import (
    DatabaseSettings,
    GrpcServerSettings,
    ServiceSettings,
)


class LedgerGrpcSettings(GrpcServerSettings):
    """How the ledger listens: its ports in the documented stack."""

    port: Annotated[int, Field(ge=0, le=65535, description="The gRPC port; 0 takes any.")] = 50051
    health_port: Annotated[
        int, Field(ge=0, le=65535, description="The health-only port; 0 takes any.")
    ] = 50151


class LedgerSettings(ServiceSettings):
    """All that the ledger can be told."""

    model_config = SettingsConfigDict(env_prefix="VEZNE_LEDGER_")

    database: DatabaseSettings
    grpc: LedgerGrpcSettings = LedgerGrpcSettings()
    queue_max: Annotated[
        int, Field(ge=1, description="Transactions that wait in a tenant's lane at most.")
    ] = 20_000
    commit_max: Annotated[
        int, Field(ge=1, le=10_000, description="Transactions that share one commit at most.")
    ] = 4_000
    cached_accounts_max: Annotated[
        int, Field(ge=0, description="Accounts that the process keeps in memory at most.")
    ] = 200_000
