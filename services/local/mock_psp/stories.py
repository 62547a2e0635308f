"""The stories of objects after they were made: what happens to them, step by step."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, TypeVar

from services.local.mock_psp.agenda import Step
from services.local.mock_psp.books import Books, Done, Transfer
from services.local.mock_psp.scenarios import DisputeStory, RefundStory, TransferStory

Value = TypeVar("Value")
Steps = tuple[Step, ...]

_CODE = "account_closed"


class Tell(Protocol):
    """Sends the webhooks of an operation of the books and returns what it made."""

    def __call__(self, done: Done[Value], now: datetime) -> Value: ...


def refund_steps(books: Books, tell: Tell, refund_id: str, story: RefundStory) -> Steps:
    """Return what happens to a pending refund."""

    def succeed(at: datetime) -> None:
        tell(books.refunds.succeed(refund_id, at), at)

    def fail(at: datetime) -> None:
        tell(books.refunds.fail(refund_id, _CODE, at), at)

    stories: Mapping[RefundStory, Steps] = {
        RefundStory.SUCCEEDED: (succeed,),
        RefundStory.FAILED: (fail,),
        RefundStory.FAILED_AFTER_SUCCESS: (succeed, fail),
    }
    return stories[story]


def dispute_steps(books: Books, tell: Tell, intent_id: str, story: DisputeStory) -> Steps:
    """Return how a captured payment intent is disputed."""
    disputes = books.disputes
    opened: list[str] = []

    def inquire(at: datetime) -> None:
        opened.append(tell(disputes.inquire(intent_id, "fraud", at), at).dispute_id)

    def close(at: datetime) -> None:
        tell(disputes.close_inquiry(opened[0], at), at)

    def begin(at: datetime) -> None:
        opened.append(tell(disputes.open(intent_id, "fraud", at), at).dispute_id)

    def lose(at: datetime) -> None:
        tell(disputes.lose(opened[0], at), at)

    def win(at: datetime) -> None:
        tell(disputes.win(opened[0], at), at)

    def win_half(at: datetime) -> None:
        half_minor = (disputes.get(opened[0]).amount_minor + 1) // 2
        tell(disputes.win(opened[0], at, half_minor), at)

    def begin_again(at: datetime) -> None:
        tell(disputes.withdraw_funds(opened[0], at), at)

    stories: Mapping[DisputeStory, Steps] = {
        DisputeStory.NONE: (),
        DisputeStory.INQUIRY_ONLY: (inquire, close),
        DisputeStory.LOST: (begin, lose),
        DisputeStory.WON: (begin, win),
        DisputeStory.WON_IN_PART: (begin, win_half),
        DisputeStory.WON_THEN_LOST: (begin, win, begin_again, lose),
    }
    return stories[story]


def transfer_steps(books: Books, tell: Tell, transfer: Transfer, story: TransferStory) -> Steps:
    """Return what happens to an accepted transfer."""
    transfers, transfer_id = books.transfers, transfer.transfer_id

    def pay(at: datetime) -> None:
        tell(transfers.pay(transfer_id, at), at)

    def fail(at: datetime) -> None:
        tell(transfers.fail(transfer_id, _CODE, at), at)

    def give_back(at: datetime) -> None:
        tell(transfers.give_back(transfer_id, _CODE, at), at)

    def give_half_back(at: datetime) -> None:
        half_minor = (transfer.amount_minor + 1) // 2
        tell(transfers.give_back(transfer_id, _CODE, at, half_minor), at)

    stories: Mapping[TransferStory, Steps] = {
        TransferStory.PAID: (pay,),
        TransferStory.FAILED: (fail,),
        TransferStory.NEVER_FINAL: (),
        TransferStory.RETURNED: (pay, give_back),
        TransferStory.RETURNED_IN_PARTS: (pay, give_half_back, give_back),
        TransferStory.PAID_AFTER_FAILED: (fail, pay),
    }
    return stories[story]
