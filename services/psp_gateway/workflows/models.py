"""What goes between workflows, their callers and activities, and so into histories: ids only.

A field may be added with a default; none may go, or get another name, while a workflow has it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

TASK_QUEUE = "psp-gateway"

_ID = re.compile(r"[!-~]{1,128}")
_COMMENT_LENGTH_MAX = 256

NextStep = Literal["RESERVE", "ASK_RULES", "EXPIRE", "SUBMIT", "GIVE_UP", "ASK_PROVIDER", "NOTHING"]
"""What is to be done about a withdrawal next, as the rules in `domain` name it."""

DecisionKind = Literal["APPROVED", "REJECTED", "CANCELLED"]
"""What a person can decide about a withdrawal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRef:
    """Which withdrawal; all else is in its row."""

    tenant_id: str
    withdrawal_id: str

    @property
    def workflow_id(self) -> str:
        """The id of its workflow: there is one at a time."""
        return f"withdrawal/{self.tenant_id}/{self.withdrawal_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a provider, for people to see."""

    number: int
    provider_account: str
    outcome: str
    provider_state: str
    failure_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a withdrawal stands, and what is to be done about it next."""

    state: str
    event_sequence: int
    """Of its last event: a standing with a lower one is older."""
    step: NextStep
    pause_s: float
    """What may pass before the step, if no news comes."""
    why: str
    """Why that is next, in a sentence for people."""
    waiting_for: str = ""
    amount: str = ""
    """For people, such as `25.00 EUR`."""
    provider_account: str = ""
    in_review: bool = False
    """Whether people may approve or reject it now."""
    cancellable: bool = False
    """Whether it may be called off now."""
    may_not_approve: Mapping[str, str] = field(default_factory=dict)
    """Who may not approve it, and for which reason of the contract."""
    decision_ids: Sequence[str] = ()
    """The decisions that were made: one that is made again changes nothing."""
    attempts: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonsDecision:
    """What one person decides about a withdrawal."""

    decision_id: str
    """The caller's id of the decision; the same one twice is one decision."""
    decided_by: str
    """The person's id; never a name or an address."""
    comment: str = ""

    @property
    def wrong(self) -> str:
        """What is wrong with its shape, as a sentence; empty if nothing is."""
        for name, value in (("decision_id", self.decision_id), ("decided_by", self.decided_by)):
            if not _ID.fullmatch(value):
                return f"{name} must be 1 to 128 visible characters without a space"
        if len(self.comment) > _COMMENT_LENGTH_MAX or "\0" in self.comment:
            return f"comment must be at most {_COMMENT_LENGTH_MAX} characters, without NUL"
        return ""
