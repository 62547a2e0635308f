"""The ledger through its stubs. Implements `Ledger`.

A final refusal is one that the ledger remembers (FAILED_PRECONDITION and OUT_OF_RANGE); everything
else may be answered otherwise another time.
"""

import hashlib
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import grpc

from services.kernel.clock import to_micros
from services.platform.errors import from_rpc_error
from services.psp_gateway.application.ports import (
    LedgerRefusedError,
    LedgerUnavailableError,
    Posted,
)
from services.psp_gateway.domain.accounts import Account, PlayerChart
from services.psp_gateway.domain.machine import Holdings, Refusal
from services.psp_gateway.domain.postings import Direction, Posting
from vezne.ledger.v1.account_pb2 import Account as AccountMessage
from vezne.ledger.v1.account_pb2 import AccountKind, AccountState, FrozenSide
from vezne.ledger.v1.account_service_pb2 import (
    CreateAccountsRequest,
    GetAccountRequest,
    GetBalancesRequest,
)
from vezne.ledger.v1.account_service_pb2_grpc import AccountServiceStub
from vezne.ledger.v1.entry_pb2 import DIRECTION_CREDIT, DIRECTION_DEBIT
from vezne.ledger.v1.journal_service_pb2 import GetCutRequest
from vezne.ledger.v1.journal_service_pb2_grpc import JournalServiceStub
from vezne.ledger.v1.posting_service_pb2 import PostTransactionRequest
from vezne.ledger.v1.posting_service_pb2_grpc import PostingServiceStub
from vezne.ledger.v1.transaction_pb2 import NewEntry, NewTransaction
from vezne.type.v1.money_pb2 import Money

Response = TypeVar("Response")

_FINAL = frozenset({grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.OUT_OF_RANGE})
_DIRECTIONS = {Direction.DEBIT: DIRECTION_DEBIT, Direction.CREDIT: DIRECTION_CREDIT}
_REFUSES_DEBITS = frozenset({FrozenSide.FROZEN_SIDE_DEBIT, FrozenSide.FROZEN_SIDE_BOTH})
_DIGEST_LENGTH = 40


class GrpcLedger:
    """Calls the ledger; the channel gives each call its deadline and safe retries."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._posting = PostingServiceStub(channel)
        self._accounts = AccountServiceStub(channel)
        self._journal = JournalServiceStub(channel)

    def request_of(self, tenant_id: str, posting: Posting) -> bytes:
        transaction = NewTransaction(
            kind=posting.kind,
            entries=[
                NewEntry(
                    account_id=entry.account.path,
                    direction=_DIRECTIONS[entry.direction],
                    amount=Money(
                        currency_code=entry.account.currency_code, minor_units=entry.amount_minor
                    ),
                )
                for entry in posting.entries
            ],
            metadata=posting.metadata,
        )
        seconds, micros = divmod(to_micros(posting.effective_time), 1_000_000)
        transaction.effective_time.seconds = seconds
        transaction.effective_time.nanos = micros * 1_000
        return PostTransactionRequest(
            tenant_id=tenant_id, request_id=posting.request_id, transaction=transaction
        ).SerializeToString(deterministic=True)

    async def post(self, request: bytes) -> Posted | Refusal:
        try:
            response = await self._posting.PostTransaction(
                PostTransactionRequest.FromString(request)
            )
        except grpc.aio.AioRpcError as error:
            remote = from_rpc_error(error)
            if remote.code in _FINAL:
                return Refusal(remote.reason, remote.metadata.get("account_id", ""))
            raise _failure(error) from error
        return Posted(response.posted.sequence, response.posted.transaction_id)

    async def create_accounts(self, tenant_id: str, accounts: Sequence[Account]) -> None:
        request = CreateAccountsRequest(
            tenant_id=tenant_id, accounts=[_message(account) for account in accounts]
        )
        # The same accounts are the same request, after any crash.
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
        request.request_id = f"psp:accounts:{digest[:_DIGEST_LENGTH]}"
        await _asked(self._accounts.CreateAccounts(request))

    async def holdings(self, tenant_id: str, of: PlayerChart) -> Holdings:
        cash, receivable = of.cash.path, of.receivable.path
        try:
            balances = await self._accounts.GetBalances(
                GetBalancesRequest(tenant_id=tenant_id, account_ids=[cash, receivable])
            )
            account = await self._accounts.GetAccount(
                GetAccountRequest(tenant_id=tenant_id, account_id=cash)
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return Holdings(cash_minor=0, receivable_minor=0)
            raise _failure(error) from error
        has, owes = balances.balances
        state, side = account.account.state, account.account.frozen_side
        refuses = state == AccountState.ACCOUNT_STATE_CLOSED or side in _REFUSES_DEBITS
        return Holdings(
            cash_minor=0 if refuses else has.available_minor, receivable_minor=owes.posted_minor
        )

    async def receivable_minor(self, tenant_id: str, of: PlayerChart) -> int:
        try:
            response = await self._accounts.GetBalances(
                GetBalancesRequest(tenant_id=tenant_id, account_ids=[of.receivable.path])
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return 0
            raise _failure(error) from error
        return response.balances[0].posted_minor

    async def sequence(self, tenant_id: str) -> int:
        response = await _asked(self._journal.GetCut(GetCutRequest(tenant_id=tenant_id)))
        return response.cut.sequence


async def _asked(call: Awaitable[Response]) -> Response:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise _failure(error) from error


def _failure(error: grpc.aio.AioRpcError) -> LedgerUnavailableError | LedgerRefusedError:
    remote = from_rpc_error(error)
    if remote.may_be_retried:
        return LedgerUnavailableError(f"The ledger did not answer: {remote}")
    return LedgerRefusedError(remote.reason or remote.code.name, remote.message)


def _message(account: Account) -> AccountMessage:
    message = AccountMessage(
        account_id=account.path,
        currency_code=account.currency_code,
        kind=AccountKind.Value(f"ACCOUNT_KIND_{account.kind}"),
    )
    if account.min_available_minor is not None:
        message.min_available_minor = account.min_available_minor
    return message
