"""Opening a tenant: its books in the ledger, and the house's accounts in each of its currencies."""

from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from services.psp_gateway.domain.accounts import Account as ChartAccount
from services.psp_gateway.domain.accounts import HouseChart
from vezne.ledger.v1.account_pb2 import Account, AccountKind
from vezne.ledger.v1.account_service_pb2 import CreateAccountsRequest, CreateAccountsResponse
from vezne.ledger.v1.account_service_pb2_grpc import AccountServiceStub
from vezne.ledger.v1.tenant_service_pb2 import CreateTenantRequest, CreateTenantResponse
from vezne.ledger.v1.tenant_service_pb2_grpc import TenantServiceStub


@dataclass(frozen=True, slots=True)
class OpenedTenant:
    """What the ledger answered."""

    tenant: CreateTenantResponse
    chart: CreateAccountsResponse


async def open_tenant(
    channel: grpc.aio.Channel,
    tenant_id: str,
    *,
    currencies: Sequence[str],
    bank_accounts: Sequence[str],
    request_id: str,
) -> OpenedTenant:
    """Open a tenant's books and make its chart; what exists already is left as it is.

    Args:
        channel: to the ledger.
        tenant_id: the tenant.
        currencies: of the house's accounts, at least one.
        bank_accounts: the slugs of our bank accounts.
        request_id: of CreateTenant; CreateAccounts gets it with `:chart`.

    Raises:
        DomainError: a currency or a bank account's slug is wrong.
        grpc.aio.AioRpcError: the ledger refuses, or is not there.
    """
    accounts = [
        account
        for code in currencies
        for account in (
            *HouseChart(code).accounts(),
            *(HouseChart(code).bank(bank_account) for bank_account in bank_accounts),
        )
    ]
    tenant = await TenantServiceStub(channel).CreateTenant(
        CreateTenantRequest(tenant_id=tenant_id, request_id=request_id)
    )
    chart = await AccountServiceStub(channel).CreateAccounts(
        CreateAccountsRequest(
            tenant_id=tenant_id,
            request_id=f"{request_id}:chart",
            accounts=[_ledger_account(account) for account in accounts],
        )
    )
    return OpenedTenant(tenant, chart)


def _ledger_account(account: ChartAccount) -> Account:
    return Account(
        account_id=account.path,
        currency_code=account.currency_code,
        kind=AccountKind.Value(f"ACCOUNT_KIND_{account.kind}"),
        min_available_minor=account.min_available_minor,
    )
