"""The settings of reconciliation, for its server and its worker: `VEZNE_RECONCILIATION_…`."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from services.platform.settings import (
    DatabaseSettings,
    GrpcClientSettings,
    GrpcServerSettings,
    Port,
    Seconds,
    ServiceSettings,
)
from services.platform.temporal import WorkerSettings

_DAYS_30_S = 30 * 86_400


def _folder_url(url: str) -> str:
    if not url.startswith("file:///"):
        raise ValueError("must be a folder's URL that starts with file:///")
    return url


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("must be a time zone such as Europe/Istanbul") from error
    return name


WaitSeconds = Annotated[float, Field(gt=0, le=_DAYS_30_S)]


class ReconciliationGrpcSettings(GrpcServerSettings):
    """How reconciliation listens: its ports in the documented stack."""

    port: Annotated[Port, Field(description="The gRPC port; 0 takes any.")] = 50053
    health_port: Annotated[Port, Field(description="The health-only port; 0 takes any.")] = 50153


class ReconciliationWorkerSettings(WorkerSettings):
    """How its worker shows its health, in the documented stack."""

    health_port: Annotated[Port, Field(description="The health-only port; 0 takes any.")] = 50155


class ReconciliationSettings(ServiceSettings):
    """All that reconciliation can be told."""

    model_config = SettingsConfigDict(env_prefix="VEZNE_RECONCILIATION_")

    database: DatabaseSettings
    ledger: GrpcClientSettings
    psp_gateway: GrpcClientSettings
    object_store_url: Annotated[
        str,
        AfterValidator(_folder_url),
        Field(description="The folder that keeps the files of all runs: file:///folder."),
    ]
    grpc: ReconciliationGrpcSettings = ReconciliationGrpcSettings()
    worker: ReconciliationWorkerSettings = ReconciliationWorkerSettings()
    temporal_ui_url: Annotated[
        str, Field(description="The Temporal Web UI, for links to runs; empty gives none.")
    ] = ""
    business_zone: Annotated[
        str,
        AfterValidator(_zone),
        Field(description="The time zone in which business dates end."),
    ] = "UTC"
    predecessor_wait_s: Annotated[
        WaitSeconds, Field(description="How long a run waits for the date before.")
    ] = 172_800.0
    report_wait_s: Annotated[
        WaitSeconds, Field(description="How long a run waits for the provider's report.")
    ] = 86_400.0
    booking_wait_s: Annotated[
        WaitSeconds, Field(description="How long a run waits until the report is booked.")
    ] = 21_600.0
    export_timeout_s: Annotated[
        Seconds, Field(description="The deadline of one export from another service.")
    ] = 1_500.0
    engine_threads: Annotated[
        int, Field(ge=1, le=64, description="Threads of one matching or proving step.")
    ] = 2
    engine_memory_mb: Annotated[
        int, Field(ge=128, description="Memory of one such step, in MB; past it, it uses the disk.")
    ] = 512
    heavy_steps_max: Annotated[
        int, Field(ge=1, le=64, description="Staging, matching and proving steps at once.")
    ] = 3
    new_breaks_max: Annotated[
        int,
        Field(ge=1, description="Of more new breaks than that, alerts are held as one anomaly."),
    ] = 500
