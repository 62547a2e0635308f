"""Breaks: the open groups of a run, each with an identity that outlives its class."""

import hashlib
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.kernel.movements import Pot
from services.reconciliation.domain.classes import BreakClass, Severity
from services.reconciliation.domain.inputs import RunScope
from services.reconciliation.domain.rows import Comparison

_SEPARATOR = "\x1f"
_ID_LENGTH = 32


class Lifecycle(StrEnum):
    """What became of a break since the run before."""

    NEW = "NEW"
    PERSISTING = "PERSISTING"
    RESOLVED = "RESOLVED"
    """It was open in the run before and is not any more; it keeps what it last was."""


@dataclass(frozen=True, slots=True)
class BreakKey:
    """What a group of rows is compared by: one comparison, pot, key, kind and currency."""

    comparison: Comparison
    pot: Pot
    key: str
    """The gateway's object in I, the movement key in II; of an unkeyed row, the row itself."""
    kind: str
    """The fact in I, the movement kind in II; empty for an unkeyed row."""
    currency_code: str


@dataclass(frozen=True, slots=True)
class Break:
    """One open group, pending or broken. Amounts are signed minor units; + is more of our money."""

    break_id: str
    key: BreakKey
    occurrence: int
    """Counts the openings of this key, from 1: how often it had been closed, and one more."""
    break_class: BreakClass
    previous_class: BreakClass | None
    """Its class in the run before; None if it is new."""
    severity: Severity
    lifecycle: Lifecycle
    outside_minor: int
    """What is open on the outside side (X)."""
    ledger_minor: int
    """What is open on the ledger's side (L)."""
    row_count: int
    first_date: date
    """The business date of the run that saw the oldest of its rows first."""
    break_date: date
    """The date from which it is a break, if it is still open."""
    row_ids: tuple[str, ...]
    """Evidence: the ids of its first rows, each with its side (`S 7:12:fee`)."""

    @property
    def difference_minor(self) -> int:
        """What X has more than L."""
        return self.outside_minor - self.ledger_minor


def break_id(scope: RunScope, key: BreakKey, occurrence: int) -> str:
    """Return the id of the `occurrence`-th opening of a key: the same whatever its class or rules.

    The first 128 bits, in hex, of the SHA-256 of tenant, provider, provider account, comparison,
    pot, key, kind, currency and occurrence, separated by U+001F (which none of them contains).
    """
    parts = (
        scope.tenant_id,
        scope.provider,
        scope.provider_account,
        key.comparison,
        key.pot,
        key.key,
        key.kind,
        key.currency_code,
        str(occurrence),
    )
    return hashlib.sha256(_SEPARATOR.join(parts).encode()).hexdigest()[:_ID_LENGTH]
