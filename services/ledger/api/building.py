"""The history to protobuf."""

from collections.abc import Iterable, Iterator
from typing import TypeVar, cast

from google.protobuf.message import Message

from services.ledger.api.parsing import timestamp
from services.ledger.domain.accounts import AccountView
from services.ledger.domain.decisions import AccountBalances
from services.ledger.domain.history import Cut, EntryView, TransactionView
from vezne.ledger.v1.account_pb2 import Account, AccountKind, AccountState, Balances, FrozenSide
from vezne.ledger.v1.cut_pb2 import Cut as CutMessage
from vezne.ledger.v1.entry_pb2 import DIRECTION_CREDIT, DIRECTION_DEBIT, Entry
from vezne.ledger.v1.transaction_pb2 import TRANSACTION_STATE_POSTED, Transaction

PARCEL_BYTES = 2 * 1024 * 1024
"""Half of what a gRPC client receives in one message unless it is told otherwise."""

Built = TypeVar("Built", bound=Message)


def parcels(messages: Iterable[Built]) -> Iterator[list[Built]]:
    """Split messages, in order, into lists that each fit a reply; one that is larger is alone."""
    parcel: list[Built] = []
    size = 0
    for message in messages:
        size += message.ByteSize()
        if parcel and size > PARCEL_BYTES:
            yield parcel
            parcel, size = [], message.ByteSize()
        parcel.append(message)
    if parcel:
        yield parcel


def balances(found: AccountBalances) -> Balances:
    """Build an account's balances."""
    return Balances(
        account_id=found.account_id,
        currency_code=found.currency_code,
        posted_minor=found.posted,
        pending_in_minor=found.pending_in,
        pending_out_minor=found.pending_out,
        available_minor=found.posted - found.pending_out,
        version=found.version,
        sequence=found.sequence,
    )


def cut(found: Cut) -> CutMessage:
    """Build a cut."""
    return CutMessage(
        sequence=found.sequence,
        hash=found.hash,
        create_time=None if found.create_micros is None else timestamp(found.create_micros),
    )


def entry(found: EntryView) -> Entry:
    """Build an entry."""
    return Entry(
        entry_number=found.entry_number,
        account_id=found.account_id,
        currency_code=found.currency_code,
        direction=DIRECTION_DEBIT if found.amount > 0 else DIRECTION_CREDIT,
        amount_minor=abs(found.amount),
        posted_minor=found.posted,
        pending_in_minor=found.pending_in,
        pending_out_minor=found.pending_out,
        account_version=found.account_version,
    )


def transaction(found: TransactionView) -> Transaction:
    """Build a transaction."""
    return Transaction(
        transaction_id=found.transaction_id,
        sequence=found.sequence,
        request_id=found.request_id,
        kind=found.kind,
        state=TRANSACTION_STATE_POSTED,
        entries=[entry(one) for one in found.entries],
        effective_time=timestamp(found.effective_micros),
        create_time=timestamp(found.create_micros),
        description=found.description,
        metadata=found.metadata,
        external_id=found.external_id,
        hash=found.hash,
    )


def account(found: AccountView) -> Account:
    """Build an account."""
    policy = found.policy
    return Account(
        account_id=found.account_id,
        currency_code=found.currency_code,
        kind=cast("AccountKind.ValueType", found.kind),
        min_available_minor=policy.min_available,
        state=cast("AccountState.ValueType", policy.state),
        frozen_side=cast("FrozenSide.ValueType", policy.frozen_side),
        metadata=policy.metadata,
        labels=policy.labels,
        create_time=timestamp(found.create_micros),
        update_time=timestamp(found.update_micros),
    )
