"""Expected failures: every one has a reason that clients may rely on, and a category.

A service's `domain/reasons.py` lists its reasons and gives each a category; `platform` alone turns
categories into gRPC codes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Category(Enum):
    """What kind of failure a reason is, and so what a client may do about it."""

    SHAPE = "shape"
    """The request is malformed: fix it; it can never succeed as it is."""
    NOT_FOUND = "not_found"
    """The thing named does not exist; it may be created."""
    CONFLICT = "conflict"
    """The id is taken by something else."""
    STATE = "state"
    """The request is sound, and the state of things forbids it."""
    RANGE = "range"
    """A value lies outside what exists or what can be held."""
    LIMIT = "limit"
    """Too much at once: retry later, as it is."""
    RETRY_WHOLE = "retry_whole"
    """Somebody else was faster: read again and retry the whole operation."""
    UNAVAILABLE = "unavailable"
    """Not there now: retry as it is."""
    DEADLINE = "deadline"
    """Not done in time, outcome unknown: retry as it is."""
    NOT_IMPLEMENTED = "not_implemented"
    """This release cannot do it."""
    INTERNAL = "internal"
    """A bug of ours."""


COMMON_REASONS: Mapping[str, Category] = MappingProxyType(
    {
        "INTERNAL": Category.INTERNAL,
        "UNAVAILABLE": Category.UNAVAILABLE,
        "DEADLINE_EXCEEDED": Category.DEADLINE,
        "QUEUE_FULL": Category.LIMIT,
        "REQUEST_TOO_LARGE": Category.SHAPE,
        "INVALID_REQUEST": Category.SHAPE,
        "UNKNOWN_FIELD": Category.SHAPE,
        "NOT_IMPLEMENTED": Category.NOT_IMPLEMENTED,
        "UNKNOWN_CURRENCY": Category.SHAPE,
        "INVALID_PAGE_TOKEN": Category.SHAPE,
        "TENANT_NOT_FOUND": Category.NOT_FOUND,
        "REQUEST_ID_REUSED": Category.CONFLICT,
    }
)
"""What every service may answer, under these names, with the category of each."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field: its path in the request (`entries[1].amount`) and what is wrong with it."""

    field: str
    description: str


class DomainError(Exception):
    """An expected failure with a stable reason.

    Args:
        reason: UPPER_SNAKE, unique in its service; part of the API.
        category: what kind of failure it is.
        message: a sentence for people; may change at any time.
        metadata: what the sentence speaks of; its keys are part of the API.
        violations: the wrong fields, for Category.SHAPE.
    """

    def __init__(
        self,
        reason: str,
        category: Category,
        message: str,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> None:
        super().__init__(message)
        self.reason = str(reason)
        self.category = category
        self.message = message
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.violations = tuple(violations)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reason}: {self.message})"
