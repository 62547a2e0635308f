"""A real ledger in this process: a server on a free port, its stubs, and short ways to call it."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc

from services.ledger.main import build
from services.ledger.settings import LedgerSettings
from services.platform.server import RunningServer
from services.platform.settings import DatabaseSettings
from vezne.ledger.v1.account_pb2 import Account, AccountKind
from vezne.ledger.v1.account_service_pb2 import CreateAccountsRequest, GetBalancesRequest
from vezne.ledger.v1.account_service_pb2_grpc import AccountServiceStub
from vezne.ledger.v1.entry_pb2 import DIRECTION_CREDIT, DIRECTION_DEBIT
from vezne.ledger.v1.journal_service_pb2_grpc import JournalServiceStub
from vezne.ledger.v1.posting_service_pb2 import (
    BatchItem,
    BatchPostTransactionsRequest,
    BatchResult,
    PostTransactionRequest,
    PostTransactionResponse,
)
from vezne.ledger.v1.posting_service_pb2_grpc import PostingServiceStub
from vezne.ledger.v1.tenant_service_pb2 import CreateTenantRequest
from vezne.ledger.v1.tenant_service_pb2_grpc import TenantServiceStub
from vezne.ledger.v1.transaction_pb2 import NewEntry, NewTransaction
from vezne.type.v1.money_pb2 import Money


def settings(url: str, **others: object) -> LedgerSettings:
    """Settings for a test: free ports, short timeouts."""
    return LedgerSettings.model_validate(
        {
            "database": DatabaseSettings(url=url),  # type: ignore[arg-type]  # Pydantic wraps it.
            "grpc": {"port": 0, "health_port": 0, "drain_grace_s": 5},
            **others,
        }
    )


def entry(account_id: str, minor_units: int, currency_code: str = "EUR") -> NewEntry:
    """A leg: a debit if the amount is positive, a credit if it is negative."""
    return NewEntry(
        account_id=account_id,
        direction=DIRECTION_DEBIT if minor_units > 0 else DIRECTION_CREDIT,
        amount=Money(currency_code=currency_code, minor_units=abs(minor_units)),
    )


def transfer(
    debit: str, credit: str, minor_units: int, currency_code: str = "EUR", kind: str = "test.move"
) -> NewTransaction:
    """A transaction with one debit and one credit."""
    return NewTransaction(
        kind=kind,
        entries=[
            entry(debit, minor_units, currency_code),
            entry(credit, -minor_units, currency_code),
        ],
    )


@dataclass
class LedgerClient:
    """Stubs of a ledger, and short ways to call it."""

    channel: grpc.aio.Channel
    port: int

    def __post_init__(self) -> None:
        self.tenants = TenantServiceStub(self.channel)
        self.accounts = AccountServiceStub(self.channel)
        self.posting = PostingServiceStub(self.channel)
        self.journal = JournalServiceStub(self.channel)

    async def tenant(self, tenant_id: str) -> None:
        """Open a tenant."""
        await self.tenants.CreateTenant(
            CreateTenantRequest(tenant_id=tenant_id, request_id=f"tenant-{tenant_id}")
        )

    async def open(self, tenant_id: str, *accounts: Account) -> None:
        """Open accounts."""
        names = ",".join(account.account_id for account in accounts)
        digest = hashlib.sha256(names.encode()).hexdigest()
        await self.accounts.CreateAccounts(
            CreateAccountsRequest(
                tenant_id=tenant_id, request_id=f"open-{digest}", accounts=accounts
            )
        )

    async def post(
        self, tenant_id: str, request_id: str, transaction: NewTransaction
    ) -> PostTransactionResponse:
        """Post a transaction."""
        return await self.posting.PostTransaction(
            PostTransactionRequest(
                tenant_id=tenant_id, request_id=request_id, transaction=transaction
            )
        )

    async def batch(
        self, tenant_id: str, *items: tuple[str, NewTransaction]
    ) -> Sequence[BatchResult]:
        """Post a batch of transactions, each with its request id."""
        answer = await self.posting.BatchPostTransactions(
            BatchPostTransactionsRequest(
                tenant_id=tenant_id,
                items=[
                    BatchItem(request_id=request_id, transaction=transaction)
                    for request_id, transaction in items
                ],
            )
        )
        return answer.results

    async def posted(self, tenant_id: str, account_id: str) -> int:
        """Return an account's posted balance now, in minor units."""
        answer = await self.accounts.GetBalances(
            GetBalancesRequest(tenant_id=tenant_id, account_ids=[account_id])
        )
        return answer.balances[0].posted_minor


def asset(account_id: str, currency_code: str = "EUR", **others: object) -> Account:
    """An asset account."""
    return Account(
        account_id=account_id,
        currency_code=currency_code,
        kind=AccountKind.ACCOUNT_KIND_ASSET,
        **others,  # type: ignore[arg-type]  # Fields of the caller's choice.
    )


def liability(account_id: str, currency_code: str = "EUR", **others: object) -> Account:
    """A liability account."""
    return Account(
        account_id=account_id,
        currency_code=currency_code,
        kind=AccountKind.ACCOUNT_KIND_LIABILITY,
        **others,  # type: ignore[arg-type]  # Fields of the caller's choice.
    )


@asynccontextmanager
async def running_ledger(chosen: LedgerSettings) -> AsyncIterator[LedgerClient]:
    """Run a ledger in this process."""
    async with AsyncExitStack() as stack:
        server = RunningServer(await build(chosen)(stack), chosen.grpc)
        await server.start()
        stack.push_async_callback(server.stop)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield LedgerClient(channel, server.port)
