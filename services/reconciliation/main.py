"""Reconciliation's composition root: the only place that builds things, but for the worker's."""

import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from services.kernel.clock import to_micros, utc_now
from services.kernel.ids import uuid7
from services.platform import database, migrations, temporal
from services.platform.channel import open_channel
from services.platform.process import run
from services.platform.server import Service, Servicer, serve
from services.reconciliation.adapters.gateway import GatewayClient
from services.reconciliation.adapters.ledger import LedgerClient
from services.reconciliation.adapters.postgres.claims import PostgresClaims
from services.reconciliation.adapters.postgres.reader import PostgresReader
from services.reconciliation.adapters.temporal import TemporalWorkflows
from services.reconciliation.api.break_service import BreakService
from services.reconciliation.api.building import run_builder
from services.reconciliation.api.run_service import RunService
from services.reconciliation.application.reading import Runs
from services.reconciliation.application.starting import RunStarter, StartRules
from services.reconciliation.domain.links import Links
from services.reconciliation.domain.runs import Waits
from services.reconciliation.settings import ReconciliationSettings
from vezne.reconciliation.v1 import break_service_pb2_grpc, run_service_pb2_grpc

_RANDOM = random.SystemRandom()


def new_run_id(now: datetime) -> str:
    """Make a run's id: a UUID of version 7 of its time."""
    return str(uuid7(to_micros(now) // 1_000, _RANDOM.getrandbits(74)))


@dataclass(frozen=True, slots=True)
class Foundation:
    """What the server and the worker both stand on."""

    engine: AsyncEngine
    temporal: Client
    ledger: LedgerClient
    gateway: GatewayClient
    claims: PostgresClaims
    starter: RunStarter
    links: Links


async def foundation(
    settings: ReconciliationSettings, stack: AsyncExitStack, *, lazy: bool
) -> Foundation:
    """Build what both stand on, on a stack that closes what it opened.

    Args:
        settings: the settings.
        stack: closes what is opened.
        lazy: whether Temporal need not be there yet.
    """
    engine = database.create_engine(settings.database, "vezne-reconciliation")
    stack.push_async_callback(engine.dispose)
    await database.check_fit(engine)
    await migrations.check_migrated(engine, "reconciliation")
    client = await temporal.connect(lazy=lazy)
    to_ledger = await stack.enter_async_context(open_channel(settings.ledger))
    to_gateway = await stack.enter_async_context(open_channel(settings.psp_gateway))
    gateway = GatewayClient(to_gateway, settings.export_timeout_s)
    claims = PostgresClaims(engine)
    links = Links(settings.temporal_ui_url, client.namespace)
    waits = Waits(settings.predecessor_wait_s, settings.report_wait_s, settings.booking_wait_s)
    return Foundation(
        engine=engine,
        temporal=client,
        ledger=LedgerClient(to_ledger, settings.export_timeout_s),
        gateway=gateway,
        claims=claims,
        starter=RunStarter(
            claims,
            gateway,
            TemporalWorkflows(client),
            utc_now,
            new_run_id,
            StartRules(ZoneInfo(settings.business_zone), links, waits),
        ),
        links=links,
    )


def build(settings: ReconciliationSettings) -> Callable[[AsyncExitStack], Awaitable[Service]]:
    """Return what builds the server; it starts without Temporal, and readiness follows that."""

    async def built(stack: AsyncExitStack) -> Service:
        base = await foundation(settings, stack, lazy=True)
        runs = Runs(PostgresReader(base.engine), base.gateway)
        return Service(
            name="reconciliation",
            servicers=[
                Servicer(
                    "vezne.reconciliation.v1.RunService",
                    run_service_pb2_grpc.add_RunServiceServicer_to_server,
                    RunService(base.starter, runs, run_builder(base.links)),
                ),
                Servicer(
                    "vezne.reconciliation.v1.BreakService",
                    break_service_pb2_grpc.add_BreakServiceServicer_to_server,
                    BreakService(runs),
                ),
            ],
            pings={
                "database": lambda: database.ping(base.engine),
                "temporal": lambda: temporal.ping(base.temporal),
            },
        )

    return built


def main() -> None:
    """Run the server: the command `vezne-reconciliation`."""
    run(
        "vezne-reconciliation",
        ReconciliationSettings,
        lambda settings: serve(build(settings), settings.grpc),
    )
