"""What is kept beside the domain's rows: who brought a fact, attempts, posting intents, details."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.kernel.money import Money
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.exceptions import DecisionKind, ExceptionKind
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.outcomes import Outcome
from services.psp_gateway.domain.postings import Posting

FAILURE_MESSAGE_LENGTH_MAX = 512
MESSAGE_LENGTH_MAX = 512


class FactSource(StrEnum):
    """Who brought the news. What is booked never depends on it."""

    REQUEST = "REQUEST"
    ANSWER = "ANSWER"
    WEBHOOK = "WEBHOOK"
    POLL = "POLL"
    REPORT = "REPORT"
    WORKFLOW = "WORKFLOW"
    LEDGER = "LEDGER"
    PERSON = "PERSON"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who brought a fact, and the id of what brought it; empty if that has none."""

    source: FactSource
    source_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What a provider says of an object, for people; what is empty changes nothing."""

    provider_object_id: str = ""
    provider_state: str = ""
    failure_code: str = ""
    failure_message: str = ""
    next_action_url: str = ""
    """Whoever has it can act for the player: never in a log."""
    reason_code: str = ""
    in_question: Money | None = None
    """Of a dispute: what the player's bank asks about."""
    evidence_due_at: datetime | None = None


NO_DETAILS = Details()


class IntentState(StrEnum):
    """What became of a posting intent."""

    OPEN = "OPEN"
    """The ledger's answer is not known."""
    POSTED = "POSTED"
    """It stands in the ledger."""
    REFUSED = "REFUSED"
    """The ledger refused it for ever, and the machine has answered."""
    BLOCKED = "BLOCKED"
    """The ledger refused it for ever, and only a person has an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A posting that was decided, and the bytes that ask the ledger for it."""

    object_type: ObjectType
    posting: Posting
    row_id: str
    """Which row of the object it belongs to, such as a sweep of a provider account; else empty."""
    event_sequence: int
    request: bytes
    attempt_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttempt:
    """One try of one operation at a provider, stored before the provider is called."""

    object_type: ObjectType
    object_id: str
    number: int
    """From 1."""
    attempt_id: UUID
    """The key at the provider is derived from it."""
    at: ProviderAccount
    reference: str
    """Our reference that the provider sees and repeats."""
    request: bytes
    """The bytes that are sent."""
    replay_until: datetime
    next_check_at: datetime
    """When the janitor may take it up: not while the call is going on."""

    @property
    def key(self) -> str:
        """The idempotency key of this attempt at the provider."""
        return f"vezne-{self.attempt_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(NewAttempt):
    """An attempt as it stands."""

    outcome: Outcome | None
    """What the provider's answer to the call was; None while there is none."""
    provider_object_id: str
    provider_state: str
    failure_code: str
    failure_message: str
    check_count: int
    created_at: datetime
    ended_at: datetime | None
    """When its outcome was known for certain."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which object of ours an object of a provider's is."""

    object_type: ObjectType
    object_id: str
    attempt_number: int = 0
    """0 for an object that is no attempt of ours."""
    deposit_id: str = ""
    """Of a refund or dispute, the deposit that it belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionNote:
    """An exception as it is raised; the same kind, object and cause raise one only."""

    kind: ExceptionKind
    decision_kind: DecisionKind
    cause: str
    """What raised it, such as the key of a fact."""
    message: str
    object_type: ObjectType | None = None
    object_id: str = ""
    at: ProviderAccount | None = None
    inbox_event_id: UUID | None = None
    report_id: UUID | None = None
    report_line_number: int = 0
    amount: Money | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)
