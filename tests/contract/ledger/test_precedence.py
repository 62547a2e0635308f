"""Over the wire too, of two reasons that apply the first of the contract is answered."""

from itertools import combinations

import pytest

from services.ledger.domain.reasons import Reason
from tests.fakes.ledger_server import LedgerClient, asset, entry, liability, transfer
from tests.fakes.refusals import refusal
from vezne.ledger.v1.account_pb2 import AccountState, FrozenSide
from vezne.ledger.v1.posting_service_pb2 import PostTransactionRequest
from vezne.ledger.v1.transaction_pb2 import HoldOptions, NewTransaction

TENANT = "acme"


def with_legs(*legs: tuple[str, int, str]) -> PostTransactionRequest:
    return PostTransactionRequest(transaction=NewTransaction(entries=[entry(*leg) for leg in legs]))


# What makes each reason apply, put together at will over a posting that is sound.
FLAWS: dict[Reason, PostTransactionRequest] = {
    Reason.INVALID_REQUEST: PostTransactionRequest(
        transaction=NewTransaction(description="d" * 257)
    ),
    Reason.UNKNOWN_FIELD: PostTransactionRequest.FromString(b"\xe0\x76\x01"),
    Reason.NOT_IMPLEMENTED: PostTransactionRequest(
        transaction=NewTransaction(hold=HoldOptions(expire_time={"seconds": 1}))
    ),
    Reason.UNBALANCED: with_legs(("bank", 7, "EUR")),
    Reason.UNKNOWN_CURRENCY: with_legs(("bank", 1, "XQQ"), ("bank", -1, "XQQ")),
    Reason.TENANT_NOT_FOUND: PostTransactionRequest(tenant_id="nobody"),
    Reason.REQUEST_ID_REUSED: PostTransactionRequest(request_id="used"),
    Reason.ACCOUNT_NOT_FOUND: with_legs(("nowhere", 1, "EUR"), ("bank", -1, "EUR")),
    Reason.CURRENCY_MISMATCH: with_legs(("bank", 1, "USD"), ("bank", -1, "USD")),
    Reason.EFFECTIVE_TIME_OUT_OF_WINDOW: PostTransactionRequest(
        transaction=NewTransaction(effective_time={"seconds": 250_000_000_000})
    ),
    Reason.ACCOUNT_CLOSED: with_legs(("closed", 1, "EUR"), ("bank", -1, "EUR")),
    Reason.ACCOUNT_FROZEN: with_legs(("frozen", 1, "EUR"), ("bank", -1, "EUR")),
    Reason.OUT_OF_RANGE: with_legs(("full", 1, "EUR"), ("bank", -1, "EUR")),
    Reason.INSUFFICIENT_AVAILABLE: with_legs(("player", 1, "EUR"), ("bank", -1, "EUR")),
}


@pytest.fixture(scope="module", autouse=True)
async def books(ledger: LedgerClient) -> None:
    """Accounts of each hindrance, and a request id that was used."""
    await ledger.tenant(TENANT)
    await ledger.open(
        TENANT,
        asset("bank"),
        asset("full"),
        asset("empty"),
        liability("player", min_available_minor=0),
        asset("closed", state=AccountState.ACCOUNT_STATE_CLOSED),
        asset(
            "frozen",
            state=AccountState.ACCOUNT_STATE_FROZEN,
            frozen_side=FrozenSide.FROZEN_SIDE_BOTH,
        ),
    )
    await ledger.post(TENANT, "fill", transfer("full", "empty", 2**63 - 1))
    await ledger.post(TENANT, "used", transfer("empty", "bank", 3))


@pytest.mark.parametrize("pair", [*combinations(FLAWS, 2)], ids="-".join)
async def test_of_two_reasons_the_first_is_answered(
    ledger: LedgerClient, pair: tuple[Reason, Reason]
) -> None:
    """For every pair of reasons that a posting can be refused for, in the order of the contract."""
    request = PostTransactionRequest(
        tenant_id=TENANT, request_id="-".join(pair), transaction=transfer("bank", "empty", 1)
    )
    for reason in pair:
        request.MergeFrom(FLAWS[reason])

    order = [*Reason]
    refused = await refusal(ledger.posting.PostTransaction(request))
    assert refused.reason == min(pair, key=order.index)
