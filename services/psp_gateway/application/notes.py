"""Exceptions as they are written down: what raised them, and what they are about."""

from uuid import UUID

from services.kernel.errors import DomainError
from services.kernel.money import Money
from services.psp_gateway.application.records import (
    MESSAGE_LENGTH_MAX,
    ExceptionNote,
    FactSource,
    Intent,
    Origin,
)
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.exceptions import DECISION_OF, ExceptionKind, RaisedException
from services.psp_gateway.domain.facts import Fact


def note_of(
    raised: RaisedException, fact: Fact | None, at: ProviderAccount | None, origin: Origin
) -> ExceptionNote:
    """Return the note of an exception that a decision raised; the fact is its cause."""
    by_webhook = origin.source is FactSource.WEBHOOK
    by_report = origin.source is FactSource.REPORT
    amount = getattr(fact, "amount", None)
    return ExceptionNote(
        kind=raised.kind,
        decision_kind=raised.decision_kind,
        cause=fact.key if fact else "",
        message=raised.detail[:MESSAGE_LENGTH_MAX],
        object_type=fact.object_type if fact else None,
        object_id=fact.object_id if fact else "",
        at=at,
        inbox_event_id=UUID(origin.source_id) if by_webhook else None,
        report_id=UUID(origin.source_id) if by_report else None,
        amount=amount if isinstance(amount, Money) else None,
    )


def unfit_note(intent: Intent, error: DomainError) -> ExceptionNote:
    """Return the note of a posting that the ledger refuses without remembering it."""
    kind = ExceptionKind.POSTING_REFUSED
    return ExceptionNote(
        kind=kind,
        decision_kind=DECISION_OF[kind],
        cause=intent.posting.request_id,
        message=error.message[:MESSAGE_LENGTH_MAX],
        object_type=intent.object_type,
        object_id=intent.posting.object_id,
        at=intent.posting.at,
        evidence=error.metadata,
    )
