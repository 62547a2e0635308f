"""The hash chain over a tenant's book; the bytes are specified in docs/understand/chain.md.

Every record that changes the book hashes the hash before it, so that no record can be changed, left
out or moved without every later hash being wrong.
"""

import hashlib
from collections.abc import Iterable, Sequence

from services.ledger.domain.accounts import AccountKind, Policy

EMPTY = b""
"""The hash before a tenant's first record."""


def transaction_hash(
    before: bytes,
    request_hash: bytes,
    tenant_id: str,
    sequence: int,
    transaction_id: str,
    request_id: str,
    create_micros: int,
    balances: Iterable[int],
) -> bytes:
    """Return the hash of a recorded transaction.

    Args:
        before: the hash before it.
        request_hash: the digest of what was asked (commands.content).
        tenant_id: whose book it is.
        sequence: its number.
        transaction_id: its id, as text.
        request_id: the request that it answers.
        create_micros: when it was recorded, in microseconds since 1970.
        balances: for each entry in order: posted, pending in, pending out, account version.
    """
    fields = ["T", tenant_id, str(sequence), transaction_id, request_id, str(create_micros)]
    fields += map(str, balances)
    fields.append("")
    return hashlib.sha256(before + request_hash + "\0".join(fields).encode()).digest()


def account_event_hash(
    before: bytes,
    tenant_id: str,
    event_number: int,
    follows_sequence: int,
    create_micros: int,
    request_id: str,
    account: Sequence[str | int],
    policy: Policy,
) -> bytes:
    """Return the hash of an account's opening or change.

    Args:
        before: the hash before it.
        tenant_id: whose book it is.
        event_number: the number of the event in the tenant.
        follows_sequence: the sequence of the transaction before it.
        create_micros: when it was recorded, in microseconds since 1970.
        request_id: the request that it answers.
        account: key, path, currency and number of the kind.
        policy: the policy as the event left it.
    """
    fields = ["A", tenant_id, str(event_number), str(follows_sequence), str(create_micros)]
    fields += [request_id, *map(str, account), *_policy_fields(policy), ""]
    return hashlib.sha256(before + "\0".join(fields).encode()).digest()


def _policy_fields(policy: Policy) -> list[str]:
    fields = [
        "" if policy.min_available is None else str(policy.min_available),
        str(int(policy.state)),
        str(int(policy.frozen_side)),
        str(len(policy.labels)),
        *policy.labels,
        str(len(policy.metadata)),
    ]
    for key in sorted(policy.metadata):
        fields += (key, policy.metadata[key])
    return fields


def identity(key: int, account_id: str, currency_code: str, kind: AccountKind) -> list[str | int]:
    """Return what an account event hashes of the account itself."""
    return [key, account_id, currency_code, int(kind)]
