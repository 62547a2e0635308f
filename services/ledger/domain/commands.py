"""What callers ask of the book, checked for shape and digested before it waits in a queue."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.ledger.domain.accounts import AccountKind, Policy

ENTRIES_MIN, ENTRIES_MAX = 2, 100
BATCH_TRANSACTIONS_MAX, BATCH_ENTRIES_MAX = 2_000, 10_000
METADATA_BYTES_MAX = 2048


class NewEntry(NamedTuple):
    """One leg: `amount` is in minor units, positive for a debit and negative for a credit."""

    account_id: str
    currency_code: str
    amount: int


class Post(NamedTuple):
    """A transaction that is asked for.

    `effective_micros` is None where the caller leaves it to the moment of recording.
    `request_hash` is `digest` of the rest.
    """

    request_id: str
    kind: str
    entries: Sequence[NewEntry]
    effective_micros: int | None
    description: str
    external_id: str
    metadata: Mapping[str, str]
    request_hash: bytes

    @property
    def account_ids(self) -> Collection[str]:
        """The accounts that it names."""
        return [entry.account_id for entry in self.entries]

    @property
    def weight(self) -> int:
        """How much of a commit it is."""
        return 1


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account that is asked for."""

    account_id: str
    currency_code: str
    kind: AccountKind
    policy: Policy


@dataclass(frozen=True, slots=True)
class OpenAccounts:
    """Accounts to open, all or none; those that exist with the same identity stay as they are."""

    request_id: str
    request_hash: bytes
    accounts: Sequence[NewAccount]

    @property
    def account_ids(self) -> Collection[str]:
        """The accounts that it names."""
        return [account.account_id for account in self.accounts]

    @property
    def weight(self) -> int:
        """How much of a commit it is: as much as the accounts that it may open."""
        return len(self.accounts)


@dataclass(frozen=True, slots=True)
class ChangeAccount:
    """A change of an account's policy: of `policy`, only what `fields` names is read."""

    request_id: str
    request_hash: bytes
    account_id: str
    policy: Policy
    fields: Collection[str]

    @property
    def account_ids(self) -> Collection[str]:
        """The accounts that it names."""
        return [self.account_id]

    @property
    def weight(self) -> int:
        """How much of a commit it is."""
        return 1


Command = Post | OpenAccounts | ChangeAccount
"""Each has a request id, the digest of the rest, the accounts that it names, and a weight."""


def balances_to_zero(entries: Sequence[NewEntry]) -> bool:
    """Whether debits equal credits in every currency."""
    if len(entries) == ENTRIES_MIN:
        # Most transactions: one debit, one credit.
        (_, first, debit), (_, second, credit) = entries
        return first == second and debit == -credit
    sums: dict[str, int] = {}
    for _, currency_code, amount in entries:
        sums[currency_code] = sums.get(currency_code, 0) + amount
    return not any(sums.values())


def content(
    kind: str,
    entries: Sequence[NewEntry],
    effective_micros: int | None,
    description: str,
    external_id: str,
    metadata: Mapping[str, str],
) -> bytes:
    """Return the bytes of a requested transaction that are digested (docs/understand/chain.md).

    Every field is UTF-8 text, ended by one NUL, which no field may hold; lists are preceded by
    their length.
    """
    fields = [
        kind,
        "" if effective_micros is None else str(effective_micros),
        description,
        external_id,
        str(len(metadata)),
    ]
    for key in sorted(metadata):
        fields += (key, metadata[key])
    fields.append(str(len(entries)))
    for account_id, currency_code, amount in entries:
        fields += (account_id, currency_code, str(amount))
    fields.append("")
    return "\0".join(fields).encode()


def digest(data: bytes) -> bytes:
    """Return the SHA-256 of `data`, 32 bytes."""
    return hashlib.sha256(data).digest()
