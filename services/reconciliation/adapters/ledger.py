"""The ledger through its stubs. Implements the port `Ledger`."""

from collections.abc import AsyncIterator, Sequence

import grpc

from services.reconciliation.adapters.remote import calling, moment, streamed
from services.reconciliation.application.ports import UnavailableError
from services.reconciliation.domain.inputs import (
    AccountRef,
    LedgerBalance,
    LedgerEntry,
    LedgerTransaction,
    ScannedRange,
)
from services.reconciliation.domain.pots import PREFIXES, account_prefix
from services.reconciliation.domain.rows import Side
from vezne.ledger.v1.account_service_pb2 import GetBalancesRequest, ListAccountsRequest
from vezne.ledger.v1.account_service_pb2_grpc import AccountServiceStub
from vezne.ledger.v1.entry_pb2 import DIRECTION_DEBIT
from vezne.ledger.v1.journal_service_pb2 import ExportEntriesRequest, GetCutRequest
from vezne.ledger.v1.journal_service_pb2_grpc import JournalServiceStub
from vezne.ledger.v1.transaction_pb2 import Transaction

_SERVICE = "ledger"
_PAGE = 1_000


class LedgerClient:
    """Reads the ledger."""

    def __init__(self, channel: grpc.aio.Channel, export_timeout_s: float) -> None:
        self._accounts = AccountServiceStub(channel)
        self._journal = JournalServiceStub(channel)
        self._export_timeout_s = export_timeout_s

    async def cut(self, tenant_id: str) -> int:
        with calling(_SERVICE):
            response = await self._journal.GetCut(GetCutRequest(tenant_id=tenant_id))
        return response.cut.sequence

    async def account_ids(self, account: AccountRef) -> Sequence[str]:
        found: list[str] = []
        for prefix in PREFIXES:
            request = ListAccountsRequest(
                tenant_id=account.tenant_id,
                prefix=account_prefix(prefix, account.provider, account.provider_account),
                page_size=_PAGE,
            )
            while True:
                with calling(_SERVICE):
                    response = await self._accounts.ListAccounts(request)
                found += [listed.account_id for listed in response.accounts]
                if not response.next_page_token:
                    break
                request.page_token = response.next_page_token
        return found

    async def balances(
        self, tenant_id: str, account_ids: Sequence[str], sequence: int
    ) -> Sequence[LedgerBalance]:
        found: list[LedgerBalance] = []
        for start in range(0, len(account_ids), _PAGE):
            request = GetBalancesRequest(
                tenant_id=tenant_id,
                account_ids=account_ids[start : start + _PAGE],
                as_of_sequence=sequence,
            )
            with calling(_SERVICE):
                response = await self._accounts.GetBalances(request)
            found += [
                LedgerBalance(
                    balances.account_id,
                    balances.currency_code,
                    _debit_less_credit(balances.account_id, balances.posted_minor),
                )
                for balances in response.balances
            ]
        return found

    async def export(
        self, tenant_id: str, after: int, through: int, account_ids: Sequence[str]
    ) -> AsyncIterator[Sequence[LedgerTransaction] | ScannedRange]:
        if not account_ids:
            # No filter would export everything; without accounts there is nothing of ours in it.
            yield ScannedRange(Side.LEDGER, after, through, through - after, 0)
            return
        call = self._journal.ExportEntries(
            ExportEntriesRequest(
                tenant_id=tenant_id,
                after_sequence=after,
                through_sequence=through,
                account_ids=account_ids,
            ),
            timeout=self._export_timeout_s,
        )
        async for message in streamed(_SERVICE, call):
            if message.transactions:
                yield [_transaction(found) for found in message.transactions]
            if message.HasField("summary"):
                summary = message.summary
                yield ScannedRange(
                    Side.LEDGER,
                    after,
                    summary.cut.sequence,
                    summary.transactions_scanned,
                    summary.transactions_sent,
                )
                return
        raise UnavailableError(_SERVICE)


def _debit_less_credit(account_id: str, posted_minor: int) -> int:
    """The ledger counts on the account's normal side, which is the credit of a liability."""
    return -posted_minor if account_id.startswith("liability/") else posted_minor


def _transaction(found: Transaction) -> LedgerTransaction:
    return LedgerTransaction(
        sequence=found.sequence,
        transaction_id=found.transaction_id,
        effective_at=moment(found.effective_time),
        entries=tuple(
            LedgerEntry(
                entry.account_id,
                entry.currency_code,
                entry.amount_minor if entry.direction == DIRECTION_DEBIT else -entry.amount_minor,
            )
            for entry in found.entries
        ),
        metadata=dict(found.metadata),
    )
