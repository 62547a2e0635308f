"""The ledger's composition root: the only place that builds things."""

import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from services.kernel.clock import utc_now
from services.kernel.ids import uuid7
from services.ledger.adapters.postgres.book_store import PostgresBookStore
from services.ledger.adapters.postgres.journal import PostgresJournal
from services.ledger.adapters.postgres.tenants import PostgresTenants
from services.ledger.api.account_service import AccountService
from services.ledger.api.journal_service import JournalService
from services.ledger.api.posting_service import OWN_SHAPE, PostingService
from services.ledger.api.tenant_service import TenantService
from services.ledger.application.journal import Journal
from services.ledger.application.lane import LaneLimits
from services.ledger.application.lanes import Lanes
from services.ledger.settings import LedgerSettings
from services.platform import database, migrations
from services.platform.process import run
from services.platform.server import Service, Servicer, serve
from vezne.ledger.v1 import (
    account_service_pb2_grpc,
    journal_service_pb2_grpc,
    posting_service_pb2_grpc,
    tenant_service_pb2_grpc,
)


def new_transaction_id(create_micros: int) -> str:
    """Make a transaction's id: a UUID of version 7 of its time."""
    # An id must be unique, not secret: the process's own generator is seeded by the system.
    return uuid7(create_micros // 1_000, random.getrandbits(74))


def build(settings: LedgerSettings) -> Callable[[AsyncExitStack], Awaitable[Service]]:
    """Return what builds the ledger on a stack that closes what it opened."""

    async def built(stack: AsyncExitStack) -> Service:
        engine = database.create_engine(settings.database, "vezne-ledger")
        stack.push_async_callback(engine.dispose)
        await database.check_fit(engine)
        await migrations.check_migrated(engine, "ledger")
        lanes = Lanes(
            PostgresBookStore(engine),
            utc_now,
            new_transaction_id,
            LaneLimits(settings.commit_max, settings.queue_max),
            settings.cached_accounts_max,
        )
        journal = Journal(PostgresJournal(engine))
        return Service(
            name="ledger",
            servicers=[
                Servicer(
                    "vezne.ledger.v1.TenantService",
                    tenant_service_pb2_grpc.add_TenantServiceServicer_to_server,
                    TenantService(PostgresTenants(engine), utc_now),
                ),
                Servicer(
                    "vezne.ledger.v1.AccountService",
                    account_service_pb2_grpc.add_AccountServiceServicer_to_server,
                    AccountService(lanes, journal),
                ),
                Servicer(
                    "vezne.ledger.v1.PostingService",
                    posting_service_pb2_grpc.add_PostingServiceServicer_to_server,
                    PostingService(lanes),
                ),
                Servicer(
                    "vezne.ledger.v1.JournalService",
                    journal_service_pb2_grpc.add_JournalServiceServicer_to_server,
                    JournalService(journal),
                ),
            ],
            pings={"database": lambda: database.ping(engine)},
            drains=[lanes.drain],
            own_shape=OWN_SHAPE,
        )

    return built


def main() -> None:
    """Run the ledger: the command `vezne-ledger`."""
    run("vezne-ledger", LedgerSettings, lambda settings: serve(build(settings), settings.grpc))
