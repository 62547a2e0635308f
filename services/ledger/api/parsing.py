"""Protobuf to commands. The posting requests are checked here by hand, for speed.

The general check (protovalidate's rules in the contract) costs 6 us a transaction; this costs a
third, and refuses at least what the rules refuse (a property test holds that).
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.kernel.errors import Category, DomainError, Violation
from services.kernel.ids import REQUEST_ID, TENANT_ID
from services.kernel.money import INT64_MAX, currencies
from services.ledger.domain.commands import (
    ENTRIES_MAX,
    ENTRIES_MIN,
    METADATA_BYTES_MAX,
    NewEntry,
    Post,
    balances_to_zero,
    content,
    digest,
)
from services.ledger.domain.reasons import LedgerError, Reason
from vezne.ledger.v1.entry_pb2 import DIRECTION_CREDIT, DIRECTION_DEBIT
from vezne.ledger.v1.transaction_pb2 import NewTransaction

_ACCOUNT_ID = re.compile(r"[a-z0-9_.-]+(?:/[a-z0-9_.-]+)*").fullmatch
_KIND = re.compile(r"[a-z0-9_]+(?:[.][a-z0-9_]+)*").fullmatch
_EXTERNAL_ID = re.compile(r"[!-~]{0,128}").fullmatch
_REQUEST_ID = REQUEST_ID.fullmatch
_TENANT_ID = TENANT_ID.fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
ACCOUNT_ID_LENGTH_MAX, KIND_LENGTH_MAX, DESCRIPTION_LENGTH_MAX = 128, 64, 256
METADATA_KEYS_MAX, METADATA_KEY_LENGTH_MAX = 50, 64

# What PostgreSQL and datetime can hold both: the years 1 to 9999.
_SECONDS_MIN, _SECONDS_MAX = -62_135_596_800, 253_402_300_799
_NANOS_A_SECOND = 1_000_000_000

_SIGNS = {DIRECTION_DEBIT: 1, DIRECTION_CREDIT: -1}


def wrong(field: str, description: str) -> DomainError:
    """Return the error for a field of a wrong shape."""
    return DomainError(
        Reason.INVALID_REQUEST,
        Category.SHAPE,
        f"{field}: {description}",
        violations=[Violation(field, description)],
    )


def check_tenant_id(tenant_id: str) -> None:
    """Check a tenant's id.

    Raises:
        DomainError: INVALID_REQUEST.
    """
    if not _TENANT_ID(tenant_id):
        raise wrong("tenant_id", "must be 1 to 63 of a-z 0-9 -, not starting with -")


def check_kind(field: str, kind: str) -> None:
    """Check a kind of posting.

    Raises:
        DomainError: INVALID_REQUEST.
    """
    if len(kind) > KIND_LENGTH_MAX or not _KIND(kind):
        raise wrong(field, "must be segments of a-z 0-9 _ joined by ., at most 64")


def not_implemented(field: str) -> LedgerError:
    """Return the error for a field that this release does not act upon."""
    return LedgerError(
        Reason.NOT_IMPLEMENTED,
        f"{field} is not acted upon by this release; nothing was done",
        field=field,
    )


def micros(field: str, moment: Timestamp) -> int:
    """Return a timestamp as microseconds since 1970; finer digits are cut off.

    Raises:
        DomainError: INVALID_REQUEST, if it is no moment of the years 1 to 9999.
    """
    if not (_SECONDS_MIN <= moment.seconds <= _SECONDS_MAX and 0 <= moment.nanos < _NANOS_A_SECOND):
        raise wrong(field, "must be a moment of the years 1 to 9999")
    return moment.seconds * 1_000_000 + moment.nanos // 1_000


def timestamp(micros_since_1970: int) -> Timestamp:
    """Return microseconds since 1970 as a timestamp."""
    seconds, rest = divmod(micros_since_1970, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def post(
    request_id: str, transaction: NewTransaction, path: str, *, atomic_group: str = ""
) -> Post:
    """Read a transaction that is asked for.

    Args:
        request_id: the caller's id of it.
        transaction: what is asked.
        path: where it stands in the request, with a dot at its end, for the violations' fields.
        atomic_group: what an item of a batch asks for beside it.

    Raises:
        DomainError: INVALID_REQUEST, NOT_IMPLEMENTED, UNBALANCED, UNKNOWN_CURRENCY; of several
            that apply, the first.
    """
    if not _REQUEST_ID(request_id):
        raise wrong(f"{path}request_id", "must be 1 to 128 visible ASCII characters")
    kind, description = transaction.kind, transaction.description
    external_id = transaction.external_id
    inside = f"{path}transaction."
    check_kind(f"{inside}kind", kind)
    if description and (len(description) > DESCRIPTION_LENGTH_MAX or _CONTROL(description)):
        raise wrong(f"{inside}description", "must be at most 256 characters, none a control")
    if external_id and not _EXTERNAL_ID(external_id):
        raise wrong(f"{inside}external_id", "must be at most 128 visible ASCII characters")
    if not ENTRIES_MIN <= len(transaction.entries) <= ENTRIES_MAX:
        raise wrong(f"{inside}entries", f"must be {ENTRIES_MIN} to {ENTRIES_MAX}")
    metadata = _metadata(transaction.metadata, f"{inside}metadata")
    effective = (
        micros(f"{inside}effective_time", transaction.effective_time)
        if transaction.HasField("effective_time")
        else None
    )
    entries = _entries(transaction, inside)
    if atomic_group:
        raise not_implemented(f"{path}atomic_group")
    for unsupported in _unsupported(transaction):
        raise not_implemented(f"{inside}{unsupported}")
    _check_sums(entries, inside)
    asked = content(kind, entries, effective, description, external_id, metadata)
    return Post(
        request_id, kind, entries, effective, description, external_id, metadata, digest(asked)
    )


def _entries(transaction: NewTransaction, inside: str) -> Sequence[NewEntry]:
    """Read the legs, whose shape is checked; whether the currencies are known is not."""
    entries: list[NewEntry] = []
    for entry in transaction.entries:
        account_id, amount = entry.account_id, entry.amount
        minor_units = amount.minor_units
        sign = _SIGNS.get(entry.direction)
        if len(account_id) > ACCOUNT_ID_LENGTH_MAX or not _ACCOUNT_ID(account_id):
            raise wrong(
                f"{inside}entries[{len(entries)}].account_id",
                "must be segments of a-z 0-9 _ . - joined by /, at most 128",
            )
        if sign is None:
            raise wrong(f"{inside}entries[{len(entries)}].direction", "must be DEBIT or CREDIT")
        if minor_units <= 0:
            raise wrong(
                f"{inside}entries[{len(entries)}].amount.minor_units", f"must be 1 to {INT64_MAX}"
            )
        entries.append(NewEntry(account_id, amount.currency_code, sign * minor_units))
    return entries


def _check_sums(entries: Sequence[NewEntry], inside: str) -> None:
    """Check that the legs balance, in currencies that there are."""
    if not balances_to_zero(entries):
        raise LedgerError(
            Reason.UNBALANCED,
            "The debits and credits of a currency are not equal",
            field=f"{inside}entries",
        )
    known = currencies()
    for index, (_, code, _) in enumerate(entries):
        if code not in known:
            raise LedgerError(
                Reason.UNKNOWN_CURRENCY,
                f"{code[:12]!a} is not a currency of the registry",
                field=f"{inside}entries[{index}].amount.currency_code",
            )


def _unsupported(transaction: NewTransaction) -> Iterator[str]:
    """Yield the fields that are set and that this release does not act upon."""
    if transaction.HasField("hold"):
        yield "hold"
    for index, entry in enumerate(transaction.entries):
        if entry.HasField("expected_account_version"):
            yield f"entries[{index}].expected_account_version"
        if entry.HasField("expected_min_available_minor"):
            yield f"entries[{index}].expected_min_available_minor"
        if entry.up_to_available:
            yield f"entries[{index}].up_to_available"


def _metadata(asked: Mapping[str, str], field: str) -> Mapping[str, str]:
    if not asked:
        return {}
    metadata = dict(asked)
    size = 0
    for key, value in metadata.items():
        if not 0 < len(key) <= METADATA_KEY_LENGTH_MAX:
            raise wrong(field, "keys must be 1 to 64 characters")
        if "\0" in key or "\0" in value:
            raise wrong(field, "must not hold NUL")
        size += len(key.encode()) + len(value.encode())
    if len(metadata) > METADATA_KEYS_MAX or size > METADATA_BYTES_MAX:
        raise wrong(field, "must be at most 50 keys and 2,048 bytes in all")
    return metadata


def digest_of(request: Message) -> bytes:
    """Return the digest of a request about accounts, by which a reused request id is told."""
    return digest(request.SerializeToString(deterministic=True))
