"""AccountService: accounts and their balances."""

from collections.abc import Sequence

from services.kernel.money import UnknownCurrencyError, currency
from services.ledger.api import building, parsing
from services.ledger.api.deciding import decided
from services.ledger.application.journal import AsOf, Journal
from services.ledger.application.lanes import Lanes
from services.ledger.domain.accounts import AccountKind, AccountState, FrozenSide, Policy
from services.ledger.domain.commands import ChangeAccount, NewAccount, OpenAccounts
from services.ledger.domain.decisions import Changed, Opened
from services.ledger.domain.history import AccountFilter
from services.ledger.domain.reasons import LedgerError, Reason
from services.platform.paging import Page
from services.platform.rpc import Context
from vezne.ledger.v1 import account_service_pb2 as pb
from vezne.ledger.v1.account_pb2 import Account
from vezne.ledger.v1.account_service_pb2_grpc import AccountServiceServicer

# The contract's names of what may be changed, and the policy's.
_CHANGEABLE = {
    "min_available_minor": ("min_available",),
    "state": ("state", "frozen_side"),
    "metadata": ("metadata",),
    "labels": ("labels",),
}


class AccountService(AccountServiceServicer):
    """Serves AccountService."""

    def __init__(self, lanes: Lanes, journal: Journal) -> None:
        self._lanes = lanes
        self._journal = journal

    async def CreateAccounts(
        self, request: pb.CreateAccountsRequest, _context: Context
    ) -> pb.CreateAccountsResponse:
        if len({account.account_id for account in request.accounts}) < len(request.accounts):
            raise parsing.wrong("accounts", "must name each path once")
        accounts = [_new(account, index) for index, account in enumerate(request.accounts)]
        command = OpenAccounts(request.request_id, parsing.digest_of(request), accounts)
        opened = await decided(self._lanes, request.tenant_id, command, Opened)
        return pb.CreateAccountsResponse(
            accounts=[
                pb.CreatedAccount(account_id=account.account_id, existed=existed)
                for account, existed in zip(accounts, opened.existed, strict=True)
            ],
            replayed=opened.replayed,
        )

    async def UpdateAccount(
        self, request: pb.UpdateAccountRequest, _context: Context
    ) -> pb.UpdateAccountResponse:
        command = ChangeAccount(
            request.request_id,
            parsing.digest_of(request),
            request.account.account_id,
            _wanted(request.account, request.update_mask.paths),
            [name for path in request.update_mask.paths for name in _CHANGEABLE[path]],
        )
        changed = await decided(self._lanes, request.tenant_id, command, Changed)
        return pb.UpdateAccountResponse(
            account=building.account(changed.account), replayed=changed.replayed
        )

    async def GetAccount(
        self, request: pb.GetAccountRequest, _context: Context
    ) -> pb.GetAccountResponse:
        found = await self._journal.account(request.tenant_id, request.account_id)
        return pb.GetAccountResponse(account=building.account(found))

    async def ListAccounts(
        self, request: pb.ListAccountsRequest, _context: Context
    ) -> pb.ListAccountsResponse:
        page = Page.of(request)
        found, more = await self._journal.accounts(
            request.tenant_id,
            AccountFilter(
                prefix=request.prefix,
                kind=AccountKind(request.kind) if request.kind else None,
                state=AccountState(request.state) if request.state else None,
                label=request.label,
                currency_code=request.currency_code,
            ),
            page.after or "",
            page.size,
        )
        # A page of large accounts ends early: a reply that is too large would fail for ever.
        accounts = next(building.parcels(map(building.account, found)), [])
        more = more or len(accounts) < len(found)
        return pb.ListAccountsResponse(
            accounts=accounts,
            next_page_token=page.token_after(accounts[-1].account_id) if more else "",
        )

    async def GetBalances(
        self, request: pb.GetBalancesRequest, _context: Context
    ) -> pb.GetBalancesResponse:
        if request.HasField("as_of_effective_time"):
            raise parsing.not_implemented("as_of_effective_time")
        as_of = AsOf()
        if request.HasField("as_of_sequence"):
            as_of = AsOf(sequence=request.as_of_sequence)
        elif request.HasField("as_of_time"):
            as_of = AsOf(micros=parsing.micros("as_of_time", request.as_of_time))
        cut, found = await self._journal.balances(request.tenant_id, request.account_ids, as_of)
        return pb.GetBalancesResponse(
            balances=[building.balances(one) for one in found], cut=building.cut(cut)
        )


def _new(account: Account, index: int) -> NewAccount:
    path = f"accounts[{index}]."
    if account.HasField("create_time") or account.HasField("update_time"):
        raise parsing.wrong(f"{path}create_time", "is output only")
    if not account.kind:
        raise parsing.wrong(f"{path}kind", "must be set")
    policy = _policy(account, path)
    try:
        currency(account.currency_code)
    except UnknownCurrencyError as error:
        raise LedgerError(
            Reason.UNKNOWN_CURRENCY, str(error), field=f"{path}currency_code"
        ) from error
    return NewAccount(account.account_id, account.currency_code, AccountKind(account.kind), policy)


def _policy(account: Account, path: str) -> Policy:
    state = AccountState(account.state or AccountState.ACTIVE)
    side = FrozenSide(account.frozen_side)
    if (state is AccountState.FROZEN) != (side is not FrozenSide.NONE):
        raise parsing.wrong(f"{path}frozen_side", "must be set exactly if the state is FROZEN")
    if any("\0" in text for pair in account.metadata.items() for text in pair):
        raise parsing.wrong(f"{path}metadata", "must not hold NUL")
    return Policy(
        account.min_available_minor if account.HasField("min_available_minor") else None,
        state,
        side,
        tuple(account.labels),
        dict(account.metadata),
    )


def _wanted(account: Account, paths: Sequence[str]) -> Policy:
    """Read the policy that an update asks for; what its mask does not name is not looked at."""
    if not paths:
        raise parsing.wrong("update_mask", "must name what to change")
    for path in paths:
        if path not in _CHANGEABLE:
            raise parsing.wrong("update_mask", f"{path[:40]!a} is none of {', '.join(_CHANGEABLE)}")
    named = Account(metadata=account.metadata, labels=account.labels)
    if account.HasField("min_available_minor"):
        named.min_available_minor = account.min_available_minor
    if "state" in paths:
        # An opening means ACTIVE by none; here an omission would thaw or reopen the account.
        if not account.state:
            raise parsing.wrong("account.state", "must be set where the mask names it")
        named.state, named.frozen_side = account.state, account.frozen_side
    return _policy(named, "account.")
