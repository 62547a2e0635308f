"""What the mock provider tells, as facts.

Beside each fact stands what the provider's own row did to its pots, worked out from the event
alone, so that the books on both sides can be compared at any moment.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from services.kernel.money import Money
from services.kernel.movements import Pot
from services.local.mock_psp.books import Event, EventType, Origin
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.accounts import ProviderAccount

AT = ProviderAccount("mock", "main")
BANK = "house-bank"


@dataclass(frozen=True)
class News:
    """A fact, and what it did to the provider's pots, in minor units."""

    fact: facts.Fact
    provider: int = 0
    rolling_reserve: int = 0

    @property
    def pots(self) -> Counter[Pot]:
        """The same, by pot; what is in transit depends on which of a sweep's ends comes first."""
        return Counter(
            {
                Pot.PROVIDER: self.provider,
                Pot.ROLLING_RESERVE: self.rolling_reserve,
            }
        )


def news_of(event: Event, ours: str, attempt: int = 0) -> list[News]:
    """Return what an event tells of our object `ours`; `attempt` is that of a transfer."""
    tell = _TELLERS[event.event_type.partition(".")[0]]
    return list(tell(event, ours, attempt))


def _of_payment_intent(event: Event, ours: str, _attempt: int) -> Iterator[News]:
    common = {"object_id": ours, "occurred_at": event.created_at}
    amount = Money(event.currency, event.amount_minor)
    match event.event_type:
        case EventType.PAYMENT_INTENT_REQUIRES_ACTION:
            yield News(facts.DepositActionRequired(**common))
        case EventType.PAYMENT_INTENT_PROCESSING:
            yield News(facts.DepositProcessing(**common))
        case EventType.PAYMENT_INTENT_AUTHORISED:
            yield News(facts.DepositAuthorised(**common, amount=amount))
        case EventType.PAYMENT_INTENT_SUCCEEDED:
            fact = facts.DepositCaptured(**common, amount=amount, capture_key=event.movement_key)
            yield News(fact, provider=event.amount_minor)
        case EventType.PAYMENT_INTENT_DECLINED:
            yield News(facts.DepositDeclined(**common))
        case EventType.PAYMENT_INTENT_CANCELLED:
            yield News(facts.DepositCancelled(**common))
        case EventType.PAYMENT_INTENT_EXPIRED:
            yield News(facts.DepositExpired(**common))
        case EventType.PAYMENT_INTENT_FAILED:
            fact = facts.DepositCaptureFailed(
                **common, amount=amount, failure_key=event.movement_key
            )
            yield News(fact, provider=-event.amount_minor)
        case EventType.PAYMENT_INTENT_AVAILABLE:
            yield News(facts.DepositAvailable(**common))
    yield from _fee(facts.DepositFee, event, common)


def _of_refund(event: Event, ours: str, _attempt: int) -> Iterator[News]:
    common = {"object_id": ours, "occurred_at": event.created_at}
    amount = Money(event.currency, event.amount_minor)
    match event.event_type, event.state:
        case EventType.REFUND_PENDING, _:
            yield News(facts.RefundAccepted(**common))
        case EventType.REFUND_SUCCEEDED, _:
            made = event.origin is Origin.PROVIDER
            fact_type = facts.RefundMadeAtProvider if made else facts.RefundSucceeded
            fact = fact_type(**common, amount=amount, refund_key=event.movement_key)
            yield News(fact, provider=-event.amount_minor)
        case EventType.REFUND_FAILED, "failed":
            yield News(facts.RefundFailed(**common))
        case EventType.REFUND_FAILED, "failed_after_success":
            fact = facts.RefundFailedAfterSuccess(
                **common, amount=amount, failure_key=event.movement_key
            )
            yield News(fact, provider=event.amount_minor)
    yield from _fee(facts.RefundFee, event, common)


def _of_dispute(event: Event, ours: str, _attempt: int) -> Iterator[News]:
    common = {"object_id": ours, "occurred_at": event.created_at}
    in_round = {**common, "round_number": event.number, "movement_key": event.movement_key}
    amount = Money(event.currency, event.amount_minor)
    match event.event_type:
        case EventType.DISPUTE_INQUIRY_OPENED:
            yield News(facts.DisputeInquiryOpened(**common))
        case EventType.DISPUTE_INQUIRY_CLOSED:
            yield News(facts.DisputeInquiryClosed(**common))
        case EventType.DISPUTE_FUNDS_WITHDRAWN:
            fact = facts.DisputeFundsWithdrawn(**in_round, amount=amount)
            yield News(fact, provider=-event.amount_minor)
        case EventType.DISPUTE_FUNDS_REINSTATED:
            fact = facts.DisputeReinstated(**in_round, amount=amount)
            yield News(fact, provider=event.amount_minor)
        case EventType.DISPUTE_LOST:
            yield News(facts.DisputeLost(**common, round_number=event.number))
    yield from _fee(facts.DisputeFee, event, common)


def _of_transfer(event: Event, ours: str, attempt: int) -> Iterator[News]:
    common = {"object_id": ours, "occurred_at": event.created_at, "attempt": attempt}
    amount = Money(event.currency, event.amount_minor)
    match event.event_type:
        case EventType.TRANSFER_ACCEPTED:
            yield News(facts.WithdrawalAccepted(**common))
        case EventType.TRANSFER_PAID:
            fact = facts.WithdrawalPaid(**common, amount=amount, withdrawal_key=event.movement_key)
            yield News(fact, provider=-event.amount_minor)
        case EventType.TRANSFER_FAILED:
            yield News(facts.WithdrawalFailed(**common))
        case EventType.TRANSFER_RETURNED:
            fact = facts.WithdrawalReturned(**common, amount=amount, row_id=event.movement_key)
            yield News(fact, provider=event.amount_minor)
    yield from _fee(facts.WithdrawalCost, event, common)


def _of_account(event: Event, _ours: str, _attempt: int) -> Iterator[News]:
    common = {
        "object_id": str(AT),
        "occurred_at": event.created_at,
        "row_id": event.movement_key,
    }
    minor = event.amount_minor
    money = {**common, "amount": Money(event.currency, minor), "movement_key": event.movement_key}
    match event.event_type:
        case EventType.RESERVE_KEPT:
            yield News(facts.RollingReserveKept(**money), provider=-minor, rolling_reserve=minor)
        case EventType.RESERVE_RELEASED:
            fact = facts.RollingReserveReleased(**money)
            yield News(fact, provider=minor, rolling_reserve=-minor)
        case EventType.SWEEP_CREATED:
            fact = facts.SweepSent(**common, amount=Money(event.currency, minor))
            yield News(fact, provider=-minor)
        case EventType.SWEEP_PAID:
            fact = facts.SweepBanked(**common, bank_fee_minor=event.fee_minor, bank_account=BANK)
            yield News(fact)
        case EventType.SWEEP_FAILED:
            fact = facts.SweepFailed(**common, movement_key=event.movement_key)
            yield News(fact, provider=minor)
        case EventType.TOP_UP_SUCCEEDED:
            yield News(facts.ToppedUp(**money, bank_account=BANK), provider=minor)
        case EventType.ACCOUNT_FEE_CHARGED:
            yield from _fee(facts.AccountFee, event, common)


def _fee(fact_type: type[facts.FeeFact], event: Event, common: dict[str, Any]) -> Iterator[News]:
    """Yield the fee that an event tells; its row's id is the same whoever brings it."""
    if event.fee_minor:
        fee = fact_type(
            **{**common, "row_id": f"{event.event_type.partition('.')[2]}:{event.movement_key}"},
            fee=Money(event.currency, event.fee_minor),
            movement_key=event.movement_key,
        )
        yield News(fee, provider=-event.fee_minor)


_TELLERS: dict[str, Callable[[Event, str, int], Iterator[News]]] = {
    "payment_intent": _of_payment_intent,
    "refund": _of_refund,
    "dispute": _of_dispute,
    "transfer": _of_transfer,
    "reserve": _of_account,
    "sweep": _of_account,
    "top_up": _of_account,
    "account": _of_account,
}
