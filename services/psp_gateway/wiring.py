"""What the server and the worker build alike: stores, the ledger, providers, use cases."""

import random
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kernel.clock import Clock, to_micros, utc_now
from services.kernel.ids import uuid7
from services.platform import database, migrations
from services.platform.channel import open_channel
from services.psp_gateway.adapters.connections import connect
from services.psp_gateway.adapters.ledger import GrpcLedger
from services.psp_gateway.adapters.postgres.exceptions import PostgresExceptions
from services.psp_gateway.adapters.postgres.history import PostgresHistoryReader
from services.psp_gateway.adapters.postgres.inbox import PostgresInboxStore
from services.psp_gateway.adapters.postgres.objects_reader import PostgresObjectReader
from services.psp_gateway.adapters.postgres.reports import PostgresReportStore
from services.psp_gateway.adapters.postgres.unit import PostgresStore
from services.psp_gateway.adapters.postgres.withdrawals import PostgresWithdrawalReader
from services.psp_gateway.adapters.providers.calling import CallLimits
from services.psp_gateway.adapters.sealing import AesGcmSealer, read_key
from services.psp_gateway.application.accounts import Accounts
from services.psp_gateway.application.attempts import Attempts
from services.psp_gateway.application.background import Background
from services.psp_gateway.application.booking import Booking
from services.psp_gateway.application.deposits import Deposits
from services.psp_gateway.application.disputes import Disputes
from services.psp_gateway.application.facts import Facts
from services.psp_gateway.application.history import History
from services.psp_gateway.application.inbox import Applier, Sealer
from services.psp_gateway.application.janitor import Janitor
from services.psp_gateway.application.notices import Notices
from services.psp_gateway.application.ports import Ledger
from services.psp_gateway.application.providers import Connections
from services.psp_gateway.application.refunds import Refunds
from services.psp_gateway.application.settlement import Settlement
from services.psp_gateway.application.withdrawal_ports import Workflows, WorkflowsUnavailableError
from services.psp_gateway.application.withdrawal_steps import Rules, WithdrawalSteps
from services.psp_gateway.application.withdrawals import Withdrawals, waking
from services.psp_gateway.domain.withdrawal_steps import WithdrawalTimes
from services.psp_gateway.settings import (
    PspGatewaySettings,
    load_approval_policy,
    load_provider_accounts,
)

_RANDOM = random.SystemRandom()


def new_id(now: datetime) -> UUID:
    """Make an id: a UUID of version 7 of its time."""
    return UUID(uuid7(to_micros(now) // 1_000, _RANDOM.getrandbits(74)))


class NoWorkflows:
    """No Temporal: a withdrawal stays as it is until a process that has one attends to it."""

    async def start(self, tenant_id: str, withdrawal_id: str) -> None:
        raise WorkflowsUnavailableError(f"No Temporal for {tenant_id}, {withdrawal_id}")

    async def wake(self, tenant_id: str, withdrawal_id: str) -> None:
        pass


NO_WORKFLOWS = NoWorkflows()
TIMES = WithdrawalTimes()


class Gateway:
    """The gateway's parts, each built once.

    Args:
        settings: of the server or the worker; they are the same.
        engine: the database.
        ledger: takes postings.
        connections: the provider accounts.
        sealer: encrypts stored webhooks.
        workflows: those of withdrawals.
        rules: what decides about withdrawals.
        clock: the time.
    """

    def __init__(
        self,
        settings: PspGatewaySettings,
        engine: AsyncEngine,
        ledger: Ledger,
        connections: Connections,
        sealer: Sealer,
        workflows: Workflows,
        rules: Rules,
        clock: Clock,
    ) -> None:
        self.engine = engine
        self.connections = connections
        self.sealer = sealer
        self.clock = clock
        owner = settings.exceptions_owner
        self.store = store = PostgresStore(engine, new_id, owner)
        self.reader = reader = PostgresObjectReader(engine)
        self.inbox_store = PostgresInboxStore(engine, new_id, owner)
        self.exceptions = PostgresExceptions(engine)
        self.history = History(PostgresHistoryReader(engine), connections)
        self.background = background = Background()
        self.accounts = accounts = Accounts(ledger)
        self.facts = facts = Facts(store, ledger, accounts, connections, clock, waking(workflows))
        self.notices = Notices(store, facts, clock, new_id)
        self.attempts = attempts = Attempts(store, facts, self.notices, connections, clock)
        self.applier = Applier(store, self.notices, connections, sealer, clock)
        self.deposits = Deposits(
            store, reader, accounts, attempts, connections, background, clock, new_id
        )
        self.refunds = Refunds(
            store, reader, facts, attempts, connections, background, clock, new_id
        )
        self.disputes = Disputes(reader)
        self.withdrawals = self._withdrawals(workflows)
        self.withdrawal_steps = WithdrawalSteps(
            store, reader, facts, attempts, connections, rules, clock, new_id
        )
        self.settlement = Settlement(
            store,
            reader,
            PostgresReportStore(engine),
            Booking(store, reader, facts, clock),
            ledger,
            connections,
            background,
            clock,
            new_id,
        )
        self.janitor = Janitor(
            store,
            reader,
            self.inbox_store,
            self.applier,
            facts,
            attempts,
            self.refunds,
            self.settlement,
            clock,
            timedelta(days=settings.inbox_retention_days),
        )

    def _withdrawals(self, workflows: Workflows) -> Withdrawals:
        return Withdrawals(
            self.store,
            self.reader,
            PostgresWithdrawalReader(self.engine),
            self.accounts,
            self.connections,
            workflows,
            self.background,
            self.clock,
            new_id,
        )


async def open_gateway(
    settings: PspGatewaySettings,
    stack: AsyncExitStack,
    application_name: str,
    *,
    workflows: Workflows = NO_WORKFLOWS,
    times: WithdrawalTimes = TIMES,
    clock: Clock = utc_now,
    limits: CallLimits | None = None,
    ledger: Ledger | None = None,
) -> Gateway:
    """Build the gateway on a stack that closes what was opened.

    Args:
        settings: of the server or the worker; they are the same.
        stack: closes engine, channel and clients.
        application_name: how PostgreSQL names the connections.
        workflows: those of withdrawals: started with them, and woken by their facts.
        times: how long a withdrawal may wait for what.
        clock: the time.
        limits: of the calls to each provider account.
        ledger: instead of the one that the settings name.

    Raises:
        SettingsError: a provider account or secret is missing or wrong.
        DatabaseUnfitError: the tables are not those of this release.
        DatabaseUnavailableError: the database cannot be reached.
    """
    accounts = load_provider_accounts(settings.provider_accounts_file)
    connections = connect(accounts, clock, stack, limits or CallLimits())
    sealer = AesGcmSealer(read_key(settings.inbox_key_file))
    rules = Rules(approval=load_approval_policy(settings.approval_rules_file), times=times)
    engine = database.create_engine(settings.database, application_name)
    stack.push_async_callback(engine.dispose)
    await database.check_fit(engine)
    await migrations.check_migrated(engine, "psp_gateway")
    if ledger is None:
        channel = open_channel(settings.ledger)
        stack.push_async_callback(channel.close)
        ledger = GrpcLedger(channel)
    gateway = Gateway(settings, engine, ledger, connections, sealer, workflows, rules, clock)
    await gateway.store.ensure_tenants(connections.tenants, clock())
    return gateway
