"""The JSON of the API: what is asked, and what is answered. Amounts are minor units."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.kernel.ids import REQUEST_ID
from services.kernel.money import INT64_MAX
from services.local.mock_psp.account import Account
from services.local.mock_psp.books import (
    Bucket,
    Dispute,
    IntentState,
    PaymentIntent,
    Refund,
    Row,
    Transfer,
)
from services.local.mock_psp.days import StoredReport
from services.local.mock_psp.server.deliveries import Delivery

Json = dict[str, Any]
Reference = Annotated[str, Field(pattern=f"^{REQUEST_ID.pattern}$")]
Amount = Annotated[int, Field(ge=1, le=INT64_MAX)]
Code = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]


class Body(BaseModel):
    """A request body: unknown fields are refused, and no value is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Nothing(Body):
    """A body without fields; it may be left out."""


class CreateIntent(Body):
    """A payment intent to make."""

    reference: Reference
    amount_minor: Amount
    currency: str
    capture: Literal["automatic", "manual"] = "automatic"
    stored_card: Reference | None = None
    """Charged at once; without it the player pays on the hosted page."""
    return_url: str | None = Field(default=None, max_length=2048, pattern=r"^https?://")
    """Where the hosted page sends the player afterwards."""


class OptionalAmount(Body):
    """An amount; all that there is if none is given."""

    amount_minor: Amount | None = None


class CreateRefund(Body):
    """A refund to make."""

    payment_intent_id: str
    amount_minor: Amount
    reference: Reference


class CreateTransfer(Body):
    """A transfer to a third party to make."""

    reference: Reference
    amount_minor: Amount
    currency: str
    destination: Reference
    """The provider's token of the player's bank account or card."""


def moment(value: datetime) -> str:
    """Return a time as the API writes it."""
    return value.isoformat().replace("+00:00", "Z")


def intent_json(intent: PaymentIntent, account: Account, base_url: str) -> Json:
    """Return a payment intent; while the player has something to do, with where to do it."""
    waits = intent.state in (IntentState.CREATED, IntentState.REQUIRES_ACTION)
    page = f"{base_url.rstrip('/')}/pay/{intent.intent_id}"
    return {
        "id": intent.intent_id,
        "object": "payment_intent",
        "reference": intent.reference,
        "amount_minor": intent.amount_minor,
        "currency": intent.currency,
        "capture": "manual" if intent.manual_capture else "automatic",
        "state": intent.state,
        "code": intent.code,
        "captured_minor": intent.captured_minor,
        "fee_minor": intent.fee_minor,
        "mode": account.terms.mode,
        "created": moment(intent.created_at),
        "next_action": {"type": "redirect", "url": page} if waits else None,
    }


def refund_json(refund: Refund) -> Json:
    """Return a refund."""
    return {
        "id": refund.refund_id,
        "object": "refund",
        "payment_intent_id": refund.intent_id,
        "reference": refund.reference,
        "amount_minor": refund.amount_minor,
        "currency": refund.currency,
        "state": refund.state,
        "code": refund.code,
        "fee_minor": refund.fee_minor,
        "origin": refund.origin,
        "created": moment(refund.created_at),
    }


def dispute_json(dispute: Dispute) -> Json:
    """Return a dispute and its current round."""
    return {
        "id": dispute.dispute_id,
        "object": "dispute",
        "payment_intent_id": dispute.intent_id,
        "reference": dispute.reference,
        "amount_minor": dispute.amount_minor,
        "currency": dispute.currency,
        "state": dispute.state,
        "code": dispute.code,
        "round_number": dispute.round_number,
        "round_id": dispute.round_id,
        "fee_minor": dispute.fee_minor,
        "reinstated_minor": dispute.reinstated_minor,
        "created": moment(dispute.created_at),
    }


def transfer_json(transfer: Transfer) -> Json:
    """Return a transfer and its returns."""
    return {
        "id": transfer.transfer_id,
        "object": "transfer",
        "reference": transfer.reference,
        "amount_minor": transfer.amount_minor,
        "currency": transfer.currency,
        "destination": transfer.destination,
        "state": transfer.state,
        "code": transfer.code,
        "fee_minor": transfer.fee_minor,
        "returned_minor": transfer.returned_minor,
        "returns": [
            {
                "id": part.return_id,
                "number": part.number,
                "amount_minor": part.amount_minor,
                "code": part.code,
            }
            for part in transfer.returns
        ],
        "created": moment(transfer.created_at),
    }


def balance_json(account: Account) -> Json:
    """Return the balances of an account, a row a currency."""
    return {
        "object": "balance",
        "account": account.name,
        "balances": [_balance_row(account, code) for code in account.books.currencies],
    }


def _balance_row(account: Account, currency_code: str) -> Mapping[str, str | int]:
    buckets = account.books.buckets(currency_code)
    return {
        "currency": currency_code,
        **{f"{bucket}_minor": buckets[bucket] for bucket in Bucket},
        "spendable_minor": account.books.transfers.spendable_minor(currency_code),
    }


def report_json(report: StoredReport) -> Json:
    """Return what a report covers, without its content."""
    return {
        "object": "settlement_report",
        "batch_number": report.period.batch_number,
        "date": report.period.start.date().isoformat(),
        "period_start": moment(report.period.start),
        "period_end": moment(report.period.end),
        "size_bytes": len(report.content),
    }


def row_json(row: Row) -> Json:
    """Return a row of the books."""
    return {
        "id": row.row_id,
        "type": row.row_type,
        "object_id": row.object_id,
        "movement_id": row.movement_key,
        "payment_intent_id": row.parent_id,
        "reference": row.reference,
        "currency": row.currency,
        "gross_minor": row.gross_minor,
        "fee_minor": row.fee_minor,
        "net_minor": row.net_minor,
        "changes": dict(row.changes),
        "created": moment(row.created_at),
        "available": moment(row.available_at) if row.available_at else None,
        "sweep_id": row.sweep_id,
    }


def delivery_json(delivery: Delivery) -> Json:
    """Return a webhook delivery and its attempts."""
    return {
        "webhook_id": delivery.dispatch.webhook_id,
        "type": delivery.dispatch.event_type,
        "object_id": delivery.dispatch.object_id,
        "reference": delivery.dispatch.reference,
        "state": delivery.state,
        "forgery": delivery.dispatch.forgery,
        "attempts": [
            {"at": moment(attempt.at), "answer": attempt.answer} for attempt in delivery.attempts
        ],
        "body": delivery.dispatch.body.decode(),
    }
