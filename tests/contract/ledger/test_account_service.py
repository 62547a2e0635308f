"""AccountService: each RPC, what it answers and what it refuses."""

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.fakes.ledger_server import LedgerClient, asset, liability, transfer
from tests.fakes.refusals import refusal
from vezne.ledger.v1.account_pb2 import Account, AccountKind, AccountState, FrozenSide
from vezne.ledger.v1.account_service_pb2 import (
    CreateAccountsRequest,
    CreateAccountsResponse,
    GetAccountRequest,
    GetBalancesRequest,
    ListAccountsRequest,
    UpdateAccountRequest,
    UpdateAccountResponse,
)

TENANT = "acme"
FROZEN, CLOSED = AccountState.ACCOUNT_STATE_FROZEN, AccountState.ACCOUNT_STATE_CLOSED


@pytest.fixture(scope="module", autouse=True)
async def books(ledger: LedgerClient) -> None:
    """A tenant with a bank."""
    await ledger.tenant(TENANT)
    await ledger.open(TENANT, asset("bank"))


async def create(
    ledger: LedgerClient, request_id: str, *accounts: Account
) -> CreateAccountsResponse:
    return await ledger.accounts.CreateAccounts(
        CreateAccountsRequest(tenant_id=TENANT, request_id=request_id, accounts=accounts)
    )


async def update(
    ledger: LedgerClient, request_id: str, account: Account, *paths: str
) -> UpdateAccountResponse:
    return await ledger.accounts.UpdateAccount(
        UpdateAccountRequest(
            tenant_id=TENANT,
            request_id=request_id,
            account=account,
            update_mask=FieldMask(paths=paths),
        )
    )


async def read(ledger: LedgerClient, account_id: str) -> Account:
    answer = await ledger.accounts.GetAccount(
        GetAccountRequest(tenant_id=TENANT, account_id=account_id)
    )
    return answer.account


async def test_an_account_is_read_as_it_was_opened(ledger: LedgerClient) -> None:
    """Every field comes back, with the times of opening."""
    asked = liability(
        "full/player",
        "JPY",
        min_available_minor=-5,
        state=FROZEN,
        frozen_side=FrozenSide.FROZEN_SIDE_DEBIT,
        metadata={"k": "ü", "": ""} | {"k2": "\x01"},
        labels=["vip", "a.b"],
    )
    del asked.metadata[""]
    answer = await create(ledger, "full", asked)
    found = await read(ledger, "full/player")

    assert [(one.account_id, one.existed) for one in answer.accounts] == [("full/player", False)]
    assert found.create_time == found.update_time
    assert found.create_time.seconds > 0
    found.ClearField("create_time")
    found.ClearField("update_time")
    assert found == asked


async def test_opening_is_repeated_under_its_request_id(ledger: LedgerClient) -> None:
    """The first answer is repeated; another id finds the account, another body is refused."""
    first = await create(ledger, "o-1", asset("once"))
    again = await create(ledger, "o-1", asset("once"))
    other = await create(ledger, "o-2", asset("once", min_available_minor=7))
    refused = await refusal(create(ledger, "o-1", asset("twice")))

    assert (first.replayed, again.replayed, other.replayed) == (False, True, False)
    assert again.accounts == first.accounts
    assert other.accounts[0].existed
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "REQUEST_ID_REUSED",
    )
    assert not (await read(ledger, "once")).HasField("min_available_minor")


async def test_another_identity_refuses_all(ledger: LedgerClient) -> None:
    """An account that exists with another currency or kind refuses the whole request."""
    await create(ledger, "d-1", asset("taken"))
    refused = await refusal(create(ledger, "d-2", asset("beside"), liability("taken")))

    assert refused.code is grpc.StatusCode.ALREADY_EXISTS
    assert (refused.reason, refused.domain) == ("ACCOUNT_EXISTS_DIFFERENT", "ledger.vezne")
    assert refused.metadata == {"account_id": "taken", "currency_code": "EUR", "kind": "ASSET"}
    missing = await refusal(read(ledger, "beside"))
    assert (missing.code, missing.reason) == (grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND")
    assert missing.metadata == {"account_id": "beside"}


@pytest.mark.parametrize(
    ("accounts", "field"),
    [
        ([asset("UPPER")], "accounts[0].account_id"),
        ([Account(account_id="a", currency_code="EUR")], "accounts[0].kind"),
        ([asset("a"), asset("a")], "accounts"),
        ([asset("a", state=FROZEN)], "accounts[0].frozen_side"),
        ([asset("a", frozen_side=FrozenSide.FROZEN_SIDE_BOTH)], "accounts[0].frozen_side"),
        ([asset("a", metadata={"k": "\0"})], "accounts[0].metadata"),
        ([asset("a", labels=["x", "x"])], "accounts[0].labels"),
        ([asset("a"), asset("b", create_time={"seconds": 1})], "accounts[1].create_time"),
        ([], "accounts"),
    ],
)
async def test_accounts_of_a_wrong_shape_are_refused(
    ledger: LedgerClient, accounts: list[Account], field: str
) -> None:
    """The violation says which account and which field."""
    refused = await refusal(create(ledger, "shape", *accounts))

    assert (refused.code, refused.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
    )
    assert refused.fields == (field,)


async def test_a_violation_fits_its_trailer_whatever_the_key(ledger: LedgerClient) -> None:
    """A map key of 60 KB is refused by name, cut off; the reason still arrives."""
    keys = {f"{number}{'k' * 60_000}": "" for number in range(30)}
    refused = await refusal(create(ledger, "keys", asset("a", metadata=keys)))

    assert refused.reason == "INVALID_REQUEST"
    assert refused.fields
    assert max(map(len, refused.fields)) < 100


async def test_a_currency_of_nobody_is_refused(ledger: LedgerClient) -> None:
    """A currency that the registry does not hold is UNKNOWN_CURRENCY, and where it stands."""
    refused = await refusal(create(ledger, "money", asset("a"), asset("b", "XQQ")))

    assert (refused.code, refused.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "UNKNOWN_CURRENCY",
    )
    assert refused.metadata == {"field": "accounts[1].currency_code"}


async def test_a_thousand_accounts_are_opened_at_once_and_no_more(ledger: LedgerClient) -> None:
    """The bound is in the contract: 1,000 pass, 1,001 are refused by shape."""
    many = [asset(f"many/{number:04}") for number in range(1001)]
    answer = await create(ledger, "many", *many[:1000])
    refused = await refusal(create(ledger, "too-many", *many))

    assert len(answer.accounts) == 1000
    assert refused.fields == ("accounts",)


async def test_an_update_changes_what_its_mask_names(ledger: LedgerClient) -> None:
    """Each field by its mask; what is not named is neither changed nor looked at."""
    await create(ledger, "u-0", liability("changing", min_available_minor=0, labels=["old"]))
    before = await read(ledger, "changing")
    wanted = Account(account_id="changing", labels=["new"], metadata={"k": "v"}, state=FROZEN)
    answer = await update(ledger, "u-1", wanted, "labels", "metadata")

    assert [*answer.account.labels] == ["new"]
    assert dict(answer.account.metadata) == {"k": "v"}
    assert answer.account.min_available_minor == 0
    assert answer.account.state == AccountState.ACCOUNT_STATE_ACTIVE
    assert answer.account.update_time.ToMicroseconds() > before.update_time.ToMicroseconds()
    assert await read(ledger, "changing") == answer.account
    unlimited = await update(ledger, "u-2", Account(account_id="changing"), "min_available_minor")
    assert not unlimited.account.HasField("min_available_minor")


async def test_an_update_is_repeated_as_it_was_answered(ledger: LedgerClient) -> None:
    """A retry gets the account as that request left it, though it was changed since."""
    await create(ledger, "r-0", asset("replayed"))
    one = Account(account_id="replayed", labels=["one"])
    first = await update(ledger, "r-1", one, "labels")
    await update(ledger, "r-2", Account(account_id="replayed", labels=["two"]), "labels")
    again = await update(ledger, "r-1", one, "labels")
    reused = await refusal(update(ledger, "r-1", one, "labels", "metadata"))
    opened_with_it = await refusal(create(ledger, "r-1", asset("replayed")))

    assert (first.replayed, again.replayed) == (False, True)
    assert again.account == first.account
    assert reused.reason == opened_with_it.reason == "REQUEST_ID_REUSED"
    assert [*(await read(ledger, "replayed")).labels] == ["two"]


async def test_a_request_id_is_one_across_the_rpcs(ledger: LedgerClient) -> None:
    """An id that a posting, an opening or a change used is refused to the two others."""
    one = Account(account_id="shared/one", labels=["one"])
    await create(ledger, "shared-open", asset("shared/one"), asset("shared/two"))
    await update(ledger, "shared-change", one, "labels")
    await ledger.post(TENANT, "shared-post", transfer("shared/one", "shared/two", 1))

    refused = [
        await refusal(ledger.post(TENANT, name, transfer("shared/one", "shared/two", 1)))
        for name in ("shared-open", "shared-change")
    ]
    refused += [
        await refusal(create(ledger, name, asset("shared/three")))
        for name in ("shared-change", "shared-post")
    ]
    refused += [
        await refusal(update(ledger, name, one, "labels"))
        for name in ("shared-open", "shared-post")
    ]
    assert {one.reason for one in refused} == {"REQUEST_ID_REUSED"}


@pytest.mark.parametrize(
    ("account", "paths", "field"),
    [
        (Account(account_id="bank"), (), "update_mask"),
        (Account(account_id="bank"), ("currency_code",), "update_mask"),
        (Account(account_id="bank"), ("metadata", "\0nonsense"), "update_mask"),
        (Account(account_id="bank"), ("state",), "account.state"),
        (Account(account_id="bank", state=FROZEN), ("state",), "account.frozen_side"),
        (Account(account_id=""), ("state",), "account.account_id"),
    ],
)
async def test_updates_of_a_wrong_shape_are_refused(
    ledger: LedgerClient, account: Account, paths: tuple[str, ...], field: str
) -> None:
    """Identity cannot be changed, and a state is never changed by leaving it out."""
    refused = await refusal(update(ledger, "wrong", account, *paths))

    assert refused.reason == "INVALID_REQUEST"
    assert refused.fields == (field,)


async def test_an_account_is_closed_at_zero_only(ledger: LedgerClient) -> None:
    """ACCOUNT_NOT_EMPTY with the balance; not remembered, so the same request closes it later."""
    await create(ledger, "z-0", liability("leaving"))
    await ledger.post(TENANT, "z-1", transfer("bank", "leaving", 12))
    closing = Account(account_id="leaving", state=CLOSED)
    refused = await refusal(update(ledger, "z-2", closing, "state"))
    await ledger.post(TENANT, "z-3", transfer("leaving", "bank", 12))
    closed = await update(ledger, "z-2", closing, "state")

    assert refused.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refused.reason == "ACCOUNT_NOT_EMPTY"
    assert refused.metadata == {"account_id": "leaving", "posted_minor": "12"}
    assert closed.account.state == CLOSED
    assert not closed.replayed


async def test_an_update_needs_its_account(ledger: LedgerClient) -> None:
    """An unknown account is NOT_FOUND; the same request passes once it exists."""
    wanted = Account(account_id="later", labels=["x"])
    refused = await refusal(update(ledger, "l-1", wanted, "labels"))
    await create(ledger, "l-0", asset("later"))

    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND")
    assert [*(await update(ledger, "l-1", wanted, "labels")).account.labels] == ["x"]


async def test_accounts_are_listed_by_path_and_filter(ledger: LedgerClient) -> None:
    """Prefix, kind, state, label and currency each narrow the list."""
    await create(
        ledger,
        "f-0",
        asset("f/a", labels=["x", "y"]),
        liability("f/b", "USD", labels=["y"]),
        liability("f/c", state=CLOSED),
        asset("f_/d"),
    )

    async def paths(**chosen: object) -> list[str]:
        answer = await ledger.accounts.ListAccounts(
            ListAccountsRequest(tenant_id=TENANT, **chosen)  # type: ignore[arg-type]  # Fields.
        )
        return [account.account_id for account in answer.accounts]

    assert await paths(prefix="f/") == ["f/a", "f/b", "f/c"]
    assert await paths(prefix="f_") == ["f_/d"]
    assert await paths(prefix="f/", kind=AccountKind.ACCOUNT_KIND_LIABILITY) == ["f/b", "f/c"]
    assert await paths(prefix="f/", state=CLOSED) == ["f/c"]
    assert await paths(prefix="f/", label="y") == ["f/a", "f/b"]
    assert await paths(prefix="f/", currency_code="USD") == ["f/b"]
    assert await paths(prefix="f/", page_size=2) == ["f/a", "f/b"]
    assert len(await paths(prefix="many/")) == 100
    assert len(await paths(prefix="many/", page_size=2**31 - 1)) == 1000


async def test_a_page_of_large_accounts_fits_a_reply(ledger: LedgerClient) -> None:
    """Sixty accounts of 111 KB are listed whole, in pages that a client with defaults receives."""
    large = {f"{number:02}{'é' * 62}": "é" * 512 for number in range(50)}
    for batch in range(3):
        await create(
            ledger,
            f"large-{batch}",
            *(asset(f"large/{batch}/{number:02}", metadata=large) for number in range(20)),
        )
    seen: list[str] = []
    pages, token = 0, ""
    while token or not pages:
        page = await ledger.accounts.ListAccounts(
            ListAccountsRequest(tenant_id=TENANT, prefix="large/", page_token=token)
        )
        assert page.ByteSize() < 4 * 1024 * 1024
        seen += [account.account_id for account in page.accounts]
        pages, token = pages + 1, page.next_page_token

    assert len(seen) == len(set(seen)) == 60
    assert seen == sorted(seen)
    assert pages > 1


async def test_balances_are_read_in_the_order_asked(ledger: LedgerClient) -> None:
    """Accounts come as they were asked for, twice if asked twice, all at one cut."""
    await create(ledger, "b-0", liability("b/one"), liability("b/two"))
    posted = await ledger.post(TENANT, "b-1", transfer("bank", "b/two", 30))
    answer = await ledger.accounts.GetBalances(
        GetBalancesRequest(tenant_id=TENANT, account_ids=["b/two", "b/one", "b/two"])
    )

    assert [(one.account_id, one.posted_minor, one.version) for one in answer.balances] == [
        ("b/two", 30, 1),
        ("b/one", 0, 0),
        ("b/two", 30, 1),
    ]
    assert answer.balances[0] == posted.posted.balances[1]
    assert answer.cut.sequence == posted.posted.sequence
    assert len(answer.cut.hash) == 32


async def test_balances_refuse_what_is_not_there(ledger: LedgerClient) -> None:
    """An unknown account, a sequence to come, a moment that is none, and what is not built yet."""

    async def refused(**chosen: object) -> tuple[grpc.StatusCode, str, dict[str, str]]:
        request = GetBalancesRequest(
            tenant_id=TENANT,
            **{"account_ids": ["bank"], **chosen},  # type: ignore[arg-type]  # Fields.
        )
        found = await refusal(ledger.accounts.GetBalances(request))
        return found.code, found.reason, dict(found.metadata)

    cut = (
        await ledger.accounts.GetBalances(
            GetBalancesRequest(tenant_id=TENANT, account_ids=["bank"])
        )
    ).cut
    assert await refused(account_ids=["bank", "nowhere"]) == (
        grpc.StatusCode.NOT_FOUND,
        "ACCOUNT_NOT_FOUND",
        {"account_id": "nowhere"},
    )
    assert await refused(as_of_sequence=2**63 - 1) == (
        grpc.StatusCode.OUT_OF_RANGE,
        "SEQUENCE_NOT_REACHED",
        {"sequence": str(cut.sequence)},
    )
    assert (await refused(as_of_time={"nanos": -1}))[1] == "INVALID_REQUEST"
    assert (await refused(as_of_time={"seconds": 2**60}))[1] == "INVALID_REQUEST"
    assert await refused(as_of_effective_time={"seconds": 1}) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "NOT_IMPLEMENTED",
        {"field": "as_of_effective_time"},
    )
