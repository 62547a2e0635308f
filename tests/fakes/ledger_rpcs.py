"""Every RPC of the ledger, with a sound request for each over one small set of books."""

from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from tests.fakes.ledger_server import LedgerClient, asset, liability, transfer
from vezne.ledger.v1 import account_service_pb2 as accounts
from vezne.ledger.v1 import journal_service_pb2 as journal
from vezne.ledger.v1 import posting_service_pb2 as posting
from vezne.ledger.v1 import tenant_service_pb2 as tenants
from vezne.ledger.v1.account_pb2 import Account

TENANT = "acme"
BANK, PLAYER = "asset/bank", "liability/player/1"
READS = ("Get", "List", "Export")


@dataclass(frozen=True)
class Rpc:
    """One RPC: the stub's attribute, its name, and a sound request with a request id."""

    stub: str
    name: str
    sound: Callable[[str], Message]

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.name.startswith(READS)

    async def call(self, client: LedgerClient, request: Message, **options: Any) -> Any:
        """Call it; of a stream, all answers."""
        outcome = getattr(getattr(client, self.stub), self.name)(request, **options)
        if isinstance(outcome, AsyncIterable):
            return [one async for one in outcome]
        return await outcome


def _create_accounts(request_id: str) -> Message:
    return accounts.CreateAccountsRequest(
        tenant_id=TENANT, request_id=request_id, accounts=[asset("asset/new", labels=["l"])]
    )


def _update_account(request_id: str) -> Message:
    return accounts.UpdateAccountRequest(
        tenant_id=TENANT,
        request_id=request_id,
        account=Account(account_id=BANK, labels=["l"]),
        update_mask=FieldMask(paths=["labels"]),
    )


def _batch(request_id: str) -> Message:
    return posting.BatchPostTransactionsRequest(
        tenant_id=TENANT,
        items=[posting.BatchItem(request_id=request_id, transaction=transfer(BANK, PLAYER, 1))],
    )


RPCS: Mapping[str, Rpc] = {
    rpc.name: rpc
    for rpc in (
        Rpc(
            "tenants",
            "CreateTenant",
            lambda own: tenants.CreateTenantRequest(tenant_id=TENANT, request_id=own),
        ),
        Rpc("tenants", "ListTenants", lambda _: tenants.ListTenantsRequest()),
        Rpc("accounts", "CreateAccounts", _create_accounts),
        Rpc(
            "accounts",
            "GetAccount",
            lambda _: accounts.GetAccountRequest(tenant_id=TENANT, account_id=BANK),
        ),
        Rpc("accounts", "ListAccounts", lambda _: accounts.ListAccountsRequest(tenant_id=TENANT)),
        Rpc("accounts", "UpdateAccount", _update_account),
        Rpc(
            "accounts",
            "GetBalances",
            lambda _: accounts.GetBalancesRequest(tenant_id=TENANT, account_ids=[BANK]),
        ),
        Rpc(
            "posting",
            "PostTransaction",
            lambda own: posting.PostTransactionRequest(
                tenant_id=TENANT, request_id=own, transaction=transfer(BANK, PLAYER, 1)
            ),
        ),
        Rpc("posting", "BatchPostTransactions", _batch),
        Rpc(
            "journal",
            "GetTransaction",
            lambda _: journal.GetTransactionRequest(tenant_id=TENANT, sequence=1),
        ),
        Rpc(
            "journal",
            "ListEntries",
            lambda _: journal.ListEntriesRequest(tenant_id=TENANT, account_id=BANK),
        ),
        Rpc(
            "journal",
            "GetTrialBalance",
            lambda _: journal.GetTrialBalanceRequest(tenant_id=TENANT),
        ),
        Rpc("journal", "GetCut", lambda _: journal.GetCutRequest(tenant_id=TENANT)),
        Rpc(
            "journal",
            "ExportEntries",
            lambda _: journal.ExportEntriesRequest(tenant_id=TENANT, through_sequence=1),
        ),
    )
}


async def open_books(client: LedgerClient) -> None:
    """Open what the sound requests speak of: two accounts and some transactions."""
    await client.tenant(TENANT)
    await client.open(TENANT, asset(BANK), liability(PLAYER))
    for number in range(5):
        await client.post(TENANT, f"seed-{number}", transfer(BANK, PLAYER, 10))
