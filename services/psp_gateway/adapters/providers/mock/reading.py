"""What the mock PSP says, as notices."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from services.kernel.money import Money
from services.kernel.movements import MovementKind
from services.psp_gateway.adapters.providers.mock.shapes import (
    Event,
    EventData,
    Intent,
    Refund,
    Transfer,
)
from services.psp_gateway.application.providers import Notice, UnreadableError
from services.psp_gateway.application.records import Details, Identity
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.facts import Fact, FeeFact, ObjectType

FeeType = TypeVar("FeeType", bound=FeeFact)


# States and happenings of a payment intent that tell nothing but themselves.
_PLAIN: Mapping[str, type[facts.DepositFact]] = {
    "created": facts.DepositActionRequired,
    "requires_action": facts.DepositActionRequired,
    "processing": facts.DepositProcessing,
    "declined": facts.DepositDeclined,
    "cancelled": facts.DepositCancelled,
    "expired": facts.DepositExpired,
    "available": facts.DepositAvailable,
}


# --- answers and lookups -------------------------------------------------------------------------
def of_intent(intent: Intent, now: datetime) -> Notice:
    """Return what a payment intent's JSON tells; it was heard at `now`."""

    def told(ours: Identity) -> Iterator[Fact]:
        common: dict[str, Any] = {"object_id": ours.object_id, "occurred_at": now}
        amount = Money(intent.currency, intent.amount_minor)
        captured = Money(intent.currency, intent.captured_minor)
        if intent.state in _PLAIN:
            yield _PLAIN[intent.state](**common)
        if intent.state == "authorised":
            yield facts.DepositAuthorised(**common, amount=amount, reference=intent.reference)
        if intent.state in ("succeeded", "failed"):
            yield facts.DepositCaptured(
                **common, amount=captured, capture_key=intent.id, reference=intent.reference
            )
            if intent.fee_minor:
                yield facts.DepositFee(
                    **common,
                    movement_kind=MovementKind.CAPTURE,
                    fee=Money(intent.currency, intent.fee_minor),
                    movement_key=intent.id,
                )
        if intent.state == "failed":
            yield facts.DepositCaptureFailed(**common, amount=captured, failure_key=intent.id)

    return Notice(
        object_type=ObjectType.DEPOSIT,
        provider_object_id=intent.id,
        facts_for=lambda ours: list(told(ours)),
        reference=intent.reference,
        echo=Money(intent.currency, intent.amount_minor),
        details=Details(
            provider_object_id=intent.id,
            provider_state=intent.state,
            failure_code=intent.code,
            next_action_url=intent.next_action.url if intent.next_action else "",
        ),
    )


def of_refund(refund: Refund, now: datetime) -> Notice:
    """Return what a refund's JSON tells; it was heard at `now`."""

    def told(ours: Identity) -> Iterator[Fact]:
        common: dict[str, Any] = {"object_id": ours.object_id, "occurred_at": now}
        amount = Money(refund.currency, refund.amount_minor)
        if refund.state == "pending":
            yield facts.RefundAccepted(**common)
        if refund.state == "failed":
            yield facts.RefundFailed(**common)
        if refund.state in ("succeeded", "failed_after_success"):
            yield _went_out(refund.origin)(**common, amount=amount, refund_key=refund.id)
            if refund.fee_minor:
                yield facts.RefundFee(
                    **common,
                    movement_kind=MovementKind.REFUND,
                    fee=Money(refund.currency, refund.fee_minor),
                    movement_key=refund.id,
                )
        if refund.state == "failed_after_success":
            yield facts.RefundFailedAfterSuccess(**common, amount=amount, failure_key=refund.id)

    return Notice(
        object_type=ObjectType.REFUND,
        provider_object_id=refund.id,
        facts_for=lambda ours: list(told(ours)),
        parent_object_id=refund.payment_intent_id,
        reference=refund.reference,
        made_at_provider=refund.origin == "provider",
        details=Details(
            provider_object_id=refund.id, provider_state=refund.state, failure_code=refund.code
        ),
    )


def of_transfer(transfer: Transfer, now: datetime) -> Notice:
    """Return what a transfer's JSON tells, but for its fees, which it only sums; heard at `now`."""

    def told(ours: Identity) -> Iterator[Fact]:
        common: dict[str, Any] = {
            "object_id": ours.object_id,
            "occurred_at": now,
            "attempt": ours.attempt_number,
        }
        amount = Money(transfer.currency, transfer.amount_minor)
        if transfer.state == "accepted":
            yield facts.WithdrawalAccepted(**common)
        if transfer.state == "failed":
            yield facts.WithdrawalFailed(**common)
        if transfer.state in ("paid", "returned"):
            yield facts.WithdrawalPaid(**common, amount=amount, withdrawal_key=transfer.id)
        for part in transfer.returns:
            yield facts.WithdrawalReturned(
                **common, row_id=part.id, amount=Money(transfer.currency, part.amount_minor)
            )

    return Notice(
        object_type=ObjectType.WITHDRAWAL,
        provider_object_id=transfer.id,
        facts_for=lambda ours: list(told(ours)),
        reference=transfer.reference,
        details=Details(
            provider_object_id=transfer.id,
            provider_state=transfer.state,
            failure_code=transfer.code,
        ),
    )


# --- webhooks ------------------------------------------------------------------------------------
def of_event(event: Event, bank_account: str) -> Notice | None:
    """Return what a webhook tells; None for a type that does not concern us."""
    kind, _, happened = event.type.partition(".")
    teller = _TELLERS.get(kind)
    if teller is None:
        return None
    object_type, tell = teller
    data = event.data
    is_ours = object_type is not ObjectType.PROVIDER_ACCOUNT
    echoes = object_type is ObjectType.DEPOSIT and happened in ("authorised", "succeeded")
    return Notice(
        object_type=object_type,
        provider_object_id=data.object_id if is_ours else "",
        facts_for=lambda ours: list(tell(event, ours, happened, bank_account)),
        parent_object_id=data.payment_intent_id,
        reference=data.reference,
        made_at_provider=data.origin == "provider",
        echo=Money(data.currency, data.amount_minor) if echoes else None,
        details=_details(event, object_type),
    )


def _details(event: Event, object_type: ObjectType) -> Details:
    data = event.data
    is_dispute = object_type is ObjectType.DISPUTE
    return Details(
        provider_object_id=data.object_id,
        provider_state=data.state,
        failure_code="" if is_dispute else data.code,
        reason_code=data.code if is_dispute else "",
        in_question=Money(data.currency, data.amount_minor) if is_dispute else None,
    )


def _of_intent(event: Event, ours: Identity, happened: str, _bank: str) -> Iterator[Fact]:
    data, common = event.data, _common(event, ours)
    if happened in _PLAIN:
        yield _PLAIN[happened](**common)
    match happened:
        case "authorised":
            yield facts.DepositAuthorised(**common, amount=_moved(data), reference=data.reference)
        case "succeeded":
            yield facts.DepositCaptured(
                **common,
                amount=_moved(data),
                capture_key=data.movement_id,
                reference=data.reference,
            )
            yield from _fee(facts.DepositFee, MovementKind.CAPTURE, event, common)
        case "failed":
            yield facts.DepositCaptureFailed(
                **common, amount=_moved(data), failure_key=data.movement_id
            )
        case "fee_charged":
            yield from _fee(facts.DepositFee, MovementKind.CAPTURE_FEE, event, common)


def _of_refund(event: Event, ours: Identity, happened: str, _bank: str) -> Iterator[Fact]:
    data, common = event.data, _common(event, ours)
    match happened, data.state:
        case "pending", _ if data.origin != "provider":
            yield facts.RefundAccepted(**common)
        case "succeeded", _:
            yield _went_out(data.origin)(**common, amount=_moved(data), refund_key=data.movement_id)
            yield from _fee(facts.RefundFee, MovementKind.REFUND, event, common)
        case "failed", "failed":
            yield facts.RefundFailed(**common)
        case "failed", "failed_after_success":
            yield facts.RefundFailedAfterSuccess(
                **common, amount=_moved(data), failure_key=data.movement_id
            )


def _of_dispute(event: Event, ours: Identity, happened: str, _bank: str) -> Iterator[Fact]:
    data, common = event.data, _common(event, ours)
    in_round = {**common, "round_number": data.number, "movement_key": data.movement_id}
    match happened:
        case "inquiry_opened":
            yield facts.DisputeInquiryOpened(**common)
        case "inquiry_closed":
            yield facts.DisputeInquiryClosed(**common)
        case "funds_withdrawn":
            yield facts.DisputeFundsWithdrawn(**in_round, amount=_moved(data))
            yield from _fee(facts.DisputeFee, MovementKind.DISPUTE, event, common)
        case "funds_reinstated":
            yield facts.DisputeReinstated(**in_round, amount=_moved(data))
            yield from _fee(facts.DisputeFee, MovementKind.DISPUTE_REVERSAL, event, common)
        case "lost":
            yield facts.DisputeLost(**common, round_number=data.number)


def _of_transfer(event: Event, ours: Identity, happened: str, _bank: str) -> Iterator[Fact]:
    data = event.data
    common = {**_common(event, ours), "attempt": ours.attempt_number}
    match happened:
        case "accepted":
            yield facts.WithdrawalAccepted(**common)
        case "paid":
            yield facts.WithdrawalPaid(
                **common, amount=_moved(data), withdrawal_key=data.movement_id
            )
            yield from _fee(facts.WithdrawalCost, MovementKind.WITHDRAWAL, event, common)
        case "failed":
            yield facts.WithdrawalFailed(**common)
            yield from _fee(facts.WithdrawalCost, MovementKind.WITHDRAWAL_FEE, event, common)
        case "returned":
            yield facts.WithdrawalReturned(**common, row_id=data.movement_id, amount=_moved(data))
            yield from _fee(facts.WithdrawalCost, MovementKind.WITHDRAWAL_RETURN, event, common)


def _of_account(event: Event, ours: Identity, _happened: str, bank: str) -> Iterator[Fact]:
    data = event.data
    row = {**_common(event, ours), "row_id": data.movement_id}
    keyed = {**row, "movement_key": data.movement_id}
    match event.type:
        case "reserve.kept":
            yield facts.RollingReserveKept(**keyed, amount=_moved(data))
        case "reserve.released":
            yield facts.RollingReserveReleased(**keyed, amount=_moved(data))
        case "sweep.created":
            yield facts.SweepSent(**row, amount=Money(data.currency, data.amount_minor))
        case "sweep.failed":
            yield facts.SweepFailed(**keyed)
        case "top_up.succeeded":
            yield facts.ToppedUp(**keyed, amount=_moved(data), bank_account=bank)
        case "account.fee_charged":
            yield facts.AccountFee(
                **_common(event, ours),
                movement_kind=MovementKind.ACCOUNT_FEE,
                movement_key=data.movement_id,
                fee=Money(data.currency, data.fee_minor),
            )


Tell = Callable[[Event, Identity, str, str], Iterator[Fact]]
_TELLERS: Mapping[str, tuple[ObjectType, Tell]] = {
    "payment_intent": (ObjectType.DEPOSIT, _of_intent),
    "refund": (ObjectType.REFUND, _of_refund),
    "dispute": (ObjectType.DISPUTE, _of_dispute),
    "transfer": (ObjectType.WITHDRAWAL, _of_transfer),
    "reserve": (ObjectType.PROVIDER_ACCOUNT, _of_account),
    "sweep": (ObjectType.PROVIDER_ACCOUNT, _of_account),
    "top_up": (ObjectType.PROVIDER_ACCOUNT, _of_account),
    "account": (ObjectType.PROVIDER_ACCOUNT, _of_account),
}


def _common(event: Event, ours: Identity) -> dict[str, Any]:
    return {"object_id": ours.object_id, "occurred_at": event.created}


def _moved(data: EventData) -> Money:
    """Return what moved; most events tell it without a sign."""
    if data.amount_minor <= 0:
        raise UnreadableError(f"its amount is {data.amount_minor}")
    return Money(data.currency, data.amount_minor)


def _went_out(origin: str) -> type[facts.RefundMadeAtProvider | facts.RefundSucceeded]:
    return facts.RefundMadeAtProvider if origin == "provider" else facts.RefundSucceeded


def _fee(
    fact_type: type[FeeType], kind: MovementKind, event: Event, common: Mapping[str, Any]
) -> Sequence[FeeType]:
    data = event.data
    if not data.fee_minor:
        return ()
    return [
        fact_type(
            **common,
            movement_kind=kind,
            fee=Money(data.currency, data.fee_minor),
            movement_key=data.movement_id,
        )
    ]
