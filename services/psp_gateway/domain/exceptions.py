"""Exceptions: what only a person can decide, with an owner, an age and a decision that ends it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class ExceptionKind(StrEnum):
    """What is the matter."""

    AMOUNT_DIFFERS = "AMOUNT_DIFFERS"
    """The provider speaks of another amount, currency or reference than we asked for."""
    CAPTURE_CONTRADICTED = "CAPTURE_CONTRADICTED"
    """A deposit was captured before, with another amount or under another id."""
    CAPTURED_AFTER_END = "CAPTURED_AFTER_END"
    """A deposit that had ended was captured after all; the player is credited."""
    AUTHORISED_AFTER_END = "AUTHORISED_AFTER_END"
    """A deposit that had ended keeps the player's money back at his bank."""
    CREDIT_REFUSED = "CREDIT_REFUSED"
    """The player's cash account does not take money that is due to it."""
    CAPTURE_FAILED = "CAPTURE_FAILED"
    """The provider took a captured deposit back, perhaps after the player had spent it."""
    REFUND_FAILED = "REFUND_FAILED"
    """A refund did not reach the player."""
    REFUND_UNEXPECTED = "REFUND_UNEXPECTED"
    """A refund went out that we had not asked for, or had called failed."""
    DISPUTE_UNCOVERED = "DISPUTE_UNCOVERED"
    """A dispute is larger than what could be frozen: the player owes us the rest."""
    PAID_AFTER_FAILED = "PAID_AFTER_FAILED"
    """A withdrawal was paid that had been called failed or not sent."""
    PAID_WITHOUT_ATTEMPT = "PAID_WITHOUT_ATTEMPT"
    """The provider speaks of an attempt that we never made."""
    RETURN_EXCEEDS_PAID = "RETURN_EXCEEDS_PAID"
    """More came back of a withdrawal than was paid."""
    POSTING_REFUSED = "POSTING_REFUSED"
    """The ledger refused a posting to which there is no answer."""
    UNKNOWN_OUTCOME = "UNKNOWN_OUTCOME"
    """Nobody can say whether an operation at a provider happened."""
    FUNDING_NEEDED = "FUNDING_NEEDED"
    """Our balance at a provider is too low for a withdrawal."""
    UNIDENTIFIED_MONEY = "UNIDENTIFIED_MONEY"
    """Money is there and nobody knows for whom."""
    INBOX_EVENT_DEAD = "INBOX_EVENT_DEAD"
    """An inbox event could not be applied, after its last attempt."""
    INBOX_CONFLICT = "INBOX_CONFLICT"
    """A delivery came with a known key and other signed content."""
    REPORT_REFUSED = "REPORT_REFUSED"
    """A settlement report was refused whole."""
    REPORT_UNKNOWN_OBJECT = "REPORT_UNKNOWN_OBJECT"
    """A settlement report has a capture, refund, dispute or withdrawal that we do not know."""
    REPORT_UNCLASSIFIED_LINE = "REPORT_UNCLASSIFIED_LINE"
    """A settlement report has a line of a type that we do not know."""
    FEE_EXCEEDS_AMOUNT = "FEE_EXCEEDS_AMOUNT"
    """A provider charged, or gave back, more for a movement than the movement itself."""


class DecisionKind(StrEnum):
    """What decision an exception asks for."""

    ACKNOWLEDGE = "ACKNOWLEDGE"
    """To have seen it: what had to be booked is booked."""
    REVIEW = "REVIEW"
    """Credit the player, or give the money back."""
    OUTCOME = "OUTCOME"
    """What happened at the provider, with evidence."""
    DISPUTE = "DISPUTE"
    """Contest the dispute, call it lost, or write it off."""
    RECEIVABLE = "RECEIVABLE"
    """Collect what the player owes, or write it off."""
    ASSIGN = "ASSIGN"
    """For whom the money is."""
    FUND = "FUND"
    """Pay money in at the provider, or take another provider."""
    REDRIVE = "REDRIVE"
    """Try it again once its cause is gone, or leave it for good."""


DECISION_OF: Mapping[ExceptionKind, DecisionKind] = MappingProxyType(
    {
        ExceptionKind.AMOUNT_DIFFERS: DecisionKind.OUTCOME,
        ExceptionKind.CAPTURE_CONTRADICTED: DecisionKind.OUTCOME,
        ExceptionKind.CAPTURED_AFTER_END: DecisionKind.ACKNOWLEDGE,
        ExceptionKind.AUTHORISED_AFTER_END: DecisionKind.OUTCOME,
        ExceptionKind.CREDIT_REFUSED: DecisionKind.REVIEW,
        ExceptionKind.CAPTURE_FAILED: DecisionKind.RECEIVABLE,
        ExceptionKind.REFUND_FAILED: DecisionKind.ACKNOWLEDGE,
        ExceptionKind.REFUND_UNEXPECTED: DecisionKind.ACKNOWLEDGE,
        ExceptionKind.DISPUTE_UNCOVERED: DecisionKind.RECEIVABLE,
        ExceptionKind.PAID_AFTER_FAILED: DecisionKind.ACKNOWLEDGE,
        ExceptionKind.PAID_WITHOUT_ATTEMPT: DecisionKind.OUTCOME,
        ExceptionKind.RETURN_EXCEEDS_PAID: DecisionKind.ASSIGN,
        ExceptionKind.POSTING_REFUSED: DecisionKind.REDRIVE,
        ExceptionKind.UNKNOWN_OUTCOME: DecisionKind.OUTCOME,
        ExceptionKind.FUNDING_NEEDED: DecisionKind.FUND,
        ExceptionKind.UNIDENTIFIED_MONEY: DecisionKind.ASSIGN,
        ExceptionKind.INBOX_EVENT_DEAD: DecisionKind.REDRIVE,
        ExceptionKind.INBOX_CONFLICT: DecisionKind.ACKNOWLEDGE,
        ExceptionKind.REPORT_REFUSED: DecisionKind.REDRIVE,
        ExceptionKind.REPORT_UNKNOWN_OBJECT: DecisionKind.ASSIGN,
        ExceptionKind.REPORT_UNCLASSIFIED_LINE: DecisionKind.ASSIGN,
        ExceptionKind.FEE_EXCEEDS_AMOUNT: DecisionKind.ACKNOWLEDGE,
    }
)
"""What is asked of the owner of an exception, unless the exception itself says otherwise."""


CONTRADICTIONS = frozenset(
    {
        ExceptionKind.AMOUNT_DIFFERS,
        ExceptionKind.CAPTURED_AFTER_END,
        ExceptionKind.CAPTURE_FAILED,
        ExceptionKind.PAID_AFTER_FAILED,
        ExceptionKind.REFUND_UNEXPECTED,
    }
)
"""What takes back an end, or is not what was asked for: no webhook is believed that says so before
the provider has been asked, where it can be asked."""


@dataclass(frozen=True, slots=True)
class RaisedException:
    """An exception that a decision raises: its kind, and a sentence for people."""

    kind: ExceptionKind
    detail: str
    other_decision: DecisionKind | None = None

    @property
    def decision_kind(self) -> DecisionKind:
        """What is asked of its owner."""
        return self.other_decision or DECISION_OF[self.kind]
