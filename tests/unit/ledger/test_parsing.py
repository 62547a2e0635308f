"""What may not be posted is refused before the queue, whatever protobuf lets through."""

from itertools import combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.kernel.errors import DomainError
from services.ledger.api import parsing
from services.ledger.domain.commands import METADATA_BYTES_MAX
from services.ledger.domain.reasons import Reason
from services.platform.validation import shape_violations
from tests.fakes.ledger_server import entry, transfer
from vezne.ledger.v1.posting_service_pb2 import BatchItem, PostTransactionRequest
from vezne.ledger.v1.transaction_pb2 import HoldOptions, NewEntry, NewTransaction
from vezne.type.v1.money_pb2 import Money

SHAPE = {
    Reason.INVALID_REQUEST,
    Reason.NOT_IMPLEMENTED,
    Reason.UNBALANCED,
    Reason.UNKNOWN_CURRENCY,
}


def refusal(request: PostTransactionRequest) -> DomainError | None:
    try:
        parsing.check_tenant_id(request.tenant_id)
        parsing.post(request.request_id, request.transaction, "")
    except DomainError as error:
        return error
    return None


def request(transaction: NewTransaction, request_id: str = "r") -> PostTransactionRequest:
    return PostTransactionRequest(tenant_id="acme", request_id=request_id, transaction=transaction)


texts = st.one_of(
    st.sampled_from(
        [
            "a",
            "a/b",
            "a.b",
            "EUR",
            "r-1",
            "",
            "A",
            "a\n",
            "a//b",
            "/",
            "\0",
            "é",
            "x" * 129,
            "a" * 64,
        ]
    ),
    st.text(max_size=5),
)
int64s = st.sampled_from([1, 0, -1, 2**63 - 1, -(2**63), 500])
entries = st.builds(
    lambda account, direction, code, amount, has_money, extra: NewEntry(
        account_id=account,
        direction=direction,
        amount=Money(currency_code=code, minor_units=amount) if has_money else None,
        **extra,
    ),
    texts,
    st.sampled_from([0, 1, 2, 3, -1]),
    st.one_of(st.sampled_from(["EUR", "JPY", "XQQ"]), texts),
    int64s,
    st.booleans(),
    st.sampled_from([{}] * 6 + [{"up_to_available": True}, {"expected_account_version": 0}]),
)
sound_entries = st.sampled_from(
    [[entry("a", 1), entry("b", -1)], [entry("a", 1)] * 50 + [entry("b/c", -1)] * 50]
)
transactions = st.builds(
    lambda kind, legs, description, metadata, external_id, extra: NewTransaction(
        kind=kind,
        entries=legs,
        description=description,
        metadata=metadata,
        external_id=external_id,
        **extra,
    ),
    texts,
    st.one_of(sound_entries, st.lists(entries, max_size=4)),
    st.one_of(texts, st.just("d" * 257)),
    st.one_of(
        st.just({}),
        st.dictionaries(texts, texts, max_size=3),
        st.just({str(number): "" for number in range(51)}),
        st.just({"k": "v" * 2049}),
    ),
    texts,
    st.sampled_from([{}] * 8 + [{"hold": HoldOptions()}]),
)
requests = st.builds(
    lambda tenant, request_id, transaction: PostTransactionRequest(
        tenant_id=tenant, request_id=request_id, transaction=transaction
    ),
    st.one_of(st.just("acme"), texts),
    st.one_of(st.just("r"), texts),
    st.one_of(st.none(), transactions),
)


@given(requests)
@example(request(transfer("a\n", "b", 1)))
@example(request(transfer("a", "b", 1, kind="k\n")))
@example(request(transfer("a", "b", 1), request_id="r\n"))
def test_what_the_contract_refuses_is_refused(asked: PostTransactionRequest) -> None:
    """The hand-written check refuses at least what the contract's rules do, and never crashes."""
    error = refusal(asked)

    if shape_violations(asked):
        assert error is not None
    assert error is None or error.reason in SHAPE


@given(requests)
def test_every_wrong_shape_names_its_field(asked: PostTransactionRequest) -> None:
    """INVALID_REQUEST carries one violation whose field begins the message; others name it too."""
    error = refusal(asked)

    if error is not None and error.reason == Reason.INVALID_REQUEST:
        [violation] = error.violations
        assert error.message.startswith(f"{violation.field}: ")
    elif error is not None:
        assert error.metadata["field"].startswith("transaction.")


# What makes each reason of shape apply; they can be put together at will.
FLAWS = {
    Reason.INVALID_REQUEST: NewTransaction(metadata={"": "an empty key"}),
    Reason.NOT_IMPLEMENTED: NewTransaction(hold=HoldOptions()),
    Reason.UNBALANCED: NewTransaction(entries=[entry("a", 7)]),
    Reason.UNKNOWN_CURRENCY: NewTransaction(entries=[entry("a", 1, "XQQ"), entry("a", -1, "XQQ")]),
}


@pytest.mark.parametrize("pair", [*combinations(FLAWS, 2)], ids="-".join)
def test_of_two_wrong_shapes_the_first_is_answered(pair: tuple[Reason, Reason]) -> None:
    """Wherever in the transaction they stand, the earlier reason of the contract is answered."""
    flawed = transfer("a", "b", 1)
    for reason in pair:
        flawed.MergeFrom(FLAWS[reason])
    error = refusal(request(flawed))

    order = [*Reason]
    assert error is not None
    assert error.reason == min(pair, key=order.index)


def test_a_wrong_shape_later_comes_before_what_is_not_implemented_earlier() -> None:
    """Precedence goes by reason, not by place: entry 0 asks for too much, entry 1 is misshapen."""
    flawed = transfer("a", "b", 1)
    flawed.entries[0].up_to_available = True
    flawed.entries[1].account_id = "UPPER"
    error = refusal(request(flawed))

    assert error is not None
    assert error.violations[0].field == "transaction.entries[1].account_id"


WRONG_LEGS = {
    "an account of upper case": (NewEntry(account_id="UPPER"), "account_id"),
    "an account of 129 characters": (NewEntry(account_id="a" * 129), "account_id"),
    "a direction of nobody": (NewEntry(direction=3), "direction"),  # type: ignore[arg-type]  # As newer clients may.
    "nothing": (NewEntry(amount=Money(minor_units=0)), "amount.minor_units"),
    "a negative amount": (NewEntry(amount=Money(minor_units=-1)), "amount.minor_units"),
    "the least of 64 bits": (NewEntry(amount=Money(minor_units=-(2**63))), "amount.minor_units"),
}


@pytest.mark.parametrize(("flaw", "field"), WRONG_LEGS.values(), ids=WRONG_LEGS)
def test_a_wrong_leg_is_refused_by_its_field(flaw: NewEntry, field: str) -> None:
    """Also where both legs are wrong alike, so that they balance; the first is named."""
    flawed = transfer("a", "b", 1)
    for leg in flawed.entries:
        if flaw.HasField("amount"):
            leg.amount.minor_units = flaw.amount.minor_units
        leg.MergeFrom(flaw)
    error = refusal(request(flawed))

    assert error is not None
    assert error.reason == Reason.INVALID_REQUEST
    assert [violation.field for violation in error.violations] == [
        f"transaction.entries[0].{field}"
    ]


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (BatchItem(atomic_group="g"), "items[0].atomic_group"),
        (
            BatchItem(transaction=NewTransaction(hold=HoldOptions())),
            "items[0].transaction.hold",
        ),
    ],
)
def test_what_is_not_implemented_is_named(item: BatchItem, field: str) -> None:
    """A field that narrows the effect is refused by its name, not ignored."""
    item.MergeFrom(BatchItem(request_id="r", transaction=transfer("a", "b", 1)))
    with pytest.raises(DomainError) as error:
        parsing.post(item.request_id, item.transaction, "items[0].", atomic_group=item.atomic_group)

    assert error.value.reason == Reason.NOT_IMPLEMENTED
    assert error.value.metadata == {"field": field}


def test_metadata_is_bounded_in_bytes() -> None:
    """2,048 bytes of UTF-8 pass, keys included, and one more is refused."""
    for size, passes in ((METADATA_BYTES_MAX, True), (METADATA_BYTES_MAX + 1, False)):
        asked = transfer("a", "b", 1)
        asked.metadata["ü"] = "v" * (size - 2)
        assert (refusal(request(asked)) is None) is passes


def test_the_digest_covers_every_field() -> None:
    """Two requests that differ in any field have different digests, so that a reuse is seen."""
    base = transfer("a", "b", 1)
    others = [transfer("a", "b", 2), transfer("b", "a", 1), transfer("a", "b", 1, kind="other")]
    others.append(transfer("a", "b", 1, "USD"))
    for field, value in (("description", "d"), ("external_id", "e")):
        other = NewTransaction()
        other.CopyFrom(base)
        setattr(other, field, value)
        others.append(other)
    with_metadata, with_time, with_zero_time = NewTransaction(), NewTransaction(), NewTransaction()
    for other in (with_metadata, with_time, with_zero_time):
        other.CopyFrom(base)
        others.append(other)
    with_metadata.metadata["k"] = "v"
    with_time.effective_time.seconds = 5
    with_zero_time.effective_time.SetInParent()

    digests = {parsing.post("r", one, "").request_hash for one in (base, *others)}
    assert len(digests) == len(others) + 1


def test_the_order_of_metadata_does_not_matter() -> None:
    """A map has no order on the wire, so a retry may send it in another."""
    one, two = transfer("a", "b", 1), transfer("a", "b", 1)
    for key in ("x", "y", "z"):
        one.metadata[key] = key
    for key in ("z", "x", "y"):
        two.metadata[key] = key

    assert parsing.post("r", one, "").request_hash == parsing.post("r", two, "").request_hash


def test_equal_seconds_and_finer_digits_are_one_request() -> None:
    """Digits below the microsecond are cut off, so they do not make another body."""
    one, two = transfer("a", "b", 1), transfer("a", "b", 1)
    one.effective_time.nanos, two.effective_time.nanos = 1_000, 1_999

    assert parsing.post("r", one, "") == parsing.post("r", two, "")
