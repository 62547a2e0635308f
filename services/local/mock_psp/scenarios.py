"""What can be made to go wrong, by a word.

A word stands in the reference of a payment intent, refund or transfer (`d-17.webhook_never`), or is
chosen by an admin call for a reference or for the next object of a kind. Several words combine; of
two that say the same thing differently, the last holds. Nothing is random: the same words and the
same steps give the same story.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Answer(StrEnum):
    """What becomes of the HTTP answer to the call that creates the object, once."""

    PROMPT = "prompt"
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    CONFLICT = "conflict"
    RATE_LIMITED = "rate_limited"
    TRUNCATED = "truncated"
    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    AFTER_WEBHOOKS = "after_webhooks"


class IntentStory(StrEnum):
    """How a payment intent goes."""

    PAID = "paid"
    DECLINED = "declined"
    CHALLENGE_PASSED = "challenge_passed"
    CHALLENGE_FAILED = "challenge_failed"
    CHALLENGE_ABANDONED = "challenge_abandoned"
    PENDING_PAID = "pending_paid"
    PENDING_DECLINED = "pending_declined"
    DECLINED_THEN_PAID = "declined_then_paid"
    PAID_THEN_FAILED = "paid_then_failed"
    PAID_THEN_REFUNDED = "paid_then_refunded"


class DisputeStory(StrEnum):
    """Whether the player's bank disputes it, and how that ends."""

    NONE = "none"
    INQUIRY_ONLY = "inquiry_only"
    LOST = "lost"
    WON = "won"
    WON_IN_PART = "won_in_part"
    WON_THEN_LOST = "won_then_lost"


class TransferStory(StrEnum):
    """How a transfer goes."""

    PAID = "paid"
    FAILED = "failed"
    NEVER_FINAL = "never_final"
    RETURNED = "returned"
    RETURNED_IN_PARTS = "returned_in_parts"
    PAID_AFTER_FAILED = "paid_after_failed"
    BALANCE_TOO_LOW = "balance_too_low"


class RefundStory(StrEnum):
    """How a refund goes."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    FAILED_AFTER_SUCCESS = "failed_after_success"


class Delivery(StrEnum):
    """How the webhooks about an object are delivered."""

    ONCE = "once"
    DUPLICATED = "duplicated"
    TWO_IDS = "two_ids"
    REORDERED = "reordered"
    DELAYED = "delayed"
    NEVER = "never"
    BAD_SIGNATURE = "bad_signature"
    OLD_KEY = "old_key"
    FUTURE_TIMESTAMP = "future_timestamp"
    WITH_UNKNOWN_TYPE = "with_unknown_type"
    WITH_UNKNOWN_REFERENCE = "with_unknown_reference"


class ReportFault(StrEnum):
    """What is wrong with a payment's line in the settlement report."""

    NONE = "none"
    MISSING_LINE = "missing_line"
    EXTRA_LINE = "extra_line"
    DUPLICATED_LINE = "duplicated_line"
    ALTERED_LINE = "altered_line"
    WRONG_TOTAL = "wrong_total"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that will happen to an object and to what is told of it."""

    answer: Answer = Answer.PROMPT
    intent: IntentStory = IntentStory.PAID
    decline_code: str = "do_not_honour"
    dispute: DisputeStory = DisputeStory.NONE
    transfer: TransferStory = TransferStory.PAID
    refund: RefundStory = RefundStory.SUCCEEDED
    delivery: Delivery = Delivery.ONCE
    report: ReportFault = ReportFault.NONE


@dataclass(frozen=True, slots=True)
class Scenario:
    """A word, what it applies to, what it does to the plan, and that in a sentence."""

    word: str
    applies_to: str
    about: str
    effects: Mapping[str, Any]


_ANY, _INTENT, _REFUND, _TRANSFER = "any", "payment intent", "refund", "transfer"

_SCENARIOS = (
    Scenario("approve", _ANY, "All goes well: what happens without a word.", {}),
    *(
        Scenario(
            f"decline_{code}",
            _INTENT,
            f"Declined with the code `{code}`.",
            {"intent": IntentStory.DECLINED, "decline_code": code},
        )
        for code in ("do_not_honour", "insufficient_funds", "expired_card", "suspected_fraud")
    ),
    Scenario(
        "challenge_ok",
        _INTENT,
        "Needs a 3-D Secure challenge; the player passes it on the hosted page.",
        {"intent": IntentStory.CHALLENGE_PASSED},
    ),
    Scenario(
        "challenge_fail",
        _INTENT,
        "Needs a challenge, and is declined with `authentication_failed`.",
        {"intent": IntentStory.CHALLENGE_FAILED},
    ),
    Scenario(
        "challenge_abandon",
        _INTENT,
        "Needs a challenge that the player never ends; it expires after an hour.",
        {"intent": IntentStory.CHALLENGE_ABANDONED},
    ),
    Scenario(
        "pending_ok",
        _INTENT,
        "Is processed for a step of time, then succeeds.",
        {"intent": IntentStory.PENDING_PAID},
    ),
    Scenario(
        "pending_fail",
        _INTENT,
        "Is processed for a step of time, then is declined.",
        {"intent": IntentStory.PENDING_DECLINED},
    ),
    Scenario(
        "decline_then_paid",
        _INTENT,
        "Is declined, and a step later paid all the same.",
        {"intent": IntentStory.DECLINED_THEN_PAID},
    ),
    Scenario(
        "fails_later",
        _INTENT,
        "Succeeds, and a step later the money is taken back.",
        {"intent": IntentStory.PAID_THEN_FAILED},
    ),
    Scenario(
        "refunded_by_provider",
        _INTENT,
        "Succeeds, and a step later the provider refunds it unasked.",
        {"intent": IntentStory.PAID_THEN_REFUNDED},
    ),
    Scenario(
        "inquiry_only",
        _INTENT,
        "Is asked about a step later, and the question is closed; no money moves.",
        {"dispute": DisputeStory.INQUIRY_ONLY},
    ),
    Scenario(
        "chargeback_lost",
        _INTENT,
        "Is disputed a step later, and lost a step after that.",
        {"dispute": DisputeStory.LOST},
    ),
    Scenario(
        "chargeback_won",
        _INTENT,
        "Is disputed a step later, and won a step after that.",
        {"dispute": DisputeStory.WON},
    ),
    Scenario(
        "chargeback_won_in_part",
        _INTENT,
        "Is disputed, and half of the money comes back.",
        {"dispute": DisputeStory.WON_IN_PART},
    ),
    Scenario(
        "chargeback_won_then_lost",
        _INTENT,
        "Is disputed and won; a second round takes the money again and is lost.",
        {"dispute": DisputeStory.WON_THEN_LOST},
    ),
    Scenario(
        "transfer_fails",
        _TRANSFER,
        "Is accepted, and fails a step later.",
        {"transfer": TransferStory.FAILED},
    ),
    Scenario(
        "transfer_never_final",
        _TRANSFER,
        "Is accepted, and nothing more is ever heard of it.",
        {"transfer": TransferStory.NEVER_FINAL},
    ),
    Scenario(
        "transfer_returned",
        _TRANSFER,
        "Is paid, and returned whole a step later.",
        {"transfer": TransferStory.RETURNED},
    ),
    Scenario(
        "transfer_returned_in_parts",
        _TRANSFER,
        "Is paid, and returned in two parts, a step apart.",
        {"transfer": TransferStory.RETURNED_IN_PARTS},
    ),
    Scenario(
        "transfer_paid_after_failed",
        _TRANSFER,
        "Fails, and is paid all the same a step later.",
        {"transfer": TransferStory.PAID_AFTER_FAILED},
    ),
    Scenario(
        "balance_too_low",
        _TRANSFER,
        "Is refused with `balance_insufficient`, whatever the balance.",
        {"transfer": TransferStory.BALANCE_TOO_LOW},
    ),
    Scenario(
        "refund_fails",
        _REFUND,
        "Stays pending for a step, then fails; no money moves.",
        {"refund": RefundStory.FAILED},
    ),
    Scenario(
        "refund_fails_later",
        _REFUND,
        "Succeeds, and a step later fails: the money comes back.",
        {"refund": RefundStory.FAILED_AFTER_SUCCESS},
    ),
    Scenario(
        "timeout_before",
        _ANY,
        "The first call is never answered and nothing was done; with its key it may be repeated.",
        {"answer": Answer.TIMEOUT_BEFORE},
    ),
    Scenario(
        "timeout_after",
        _ANY,
        "The call is done and never answered; repeated with its key it is answered.",
        {"answer": Answer.TIMEOUT_AFTER},
    ),
    Scenario(
        "error_before",
        _ANY,
        "The first call is answered 500 and nothing was done; repeated it is done.",
        {"answer": Answer.ERROR_BEFORE},
    ),
    Scenario(
        "error_after",
        _ANY,
        "The call is done and answered 500; with its key the same 500 is replayed for ever.",
        {"answer": Answer.ERROR_AFTER},
    ),
    Scenario(
        "conflict",
        _ANY,
        "The first call is answered 409 as if its key were in use.",
        {"answer": Answer.CONFLICT},
    ),
    Scenario(
        "rate_limited",
        _ANY,
        "The first call is answered 429 with `Retry-After: 1`.",
        {"answer": Answer.RATE_LIMITED},
    ),
    Scenario(
        "truncated",
        _ANY,
        "The call is done and its JSON is cut in half; repeated with its key it is whole.",
        {"answer": Answer.TRUNCATED},
    ),
    Scenario(
        "amount_differs",
        _ANY,
        "The answer names one minor unit more than was asked and done.",
        {"answer": Answer.AMOUNT_DIFFERS},
    ),
    Scenario(
        "currency_differs",
        _ANY,
        "The answer names another currency than was asked and done.",
        {"answer": Answer.CURRENCY_DIFFERS},
    ),
    Scenario(
        "webhook_before_answer",
        _ANY,
        "The webhooks are delivered before the call is answered.",
        {"answer": Answer.AFTER_WEBHOOKS},
    ),
    Scenario(
        "webhook_duplicated",
        _ANY,
        "Each webhook is delivered three times under its id.",
        {"delivery": Delivery.DUPLICATED},
    ),
    Scenario(
        "webhook_two_ids",
        _ANY,
        "Each occurrence is told by two webhooks with ids of their own.",
        {"delivery": Delivery.TWO_IDS},
    ),
    Scenario(
        "webhook_reordered",
        _ANY,
        "Of each two webhooks the later is delivered first.",
        {"delivery": Delivery.REORDERED},
    ),
    Scenario(
        "webhook_delayed",
        _ANY,
        "Each webhook is delivered 30 days late.",
        {"delivery": Delivery.DELAYED},
    ),
    Scenario(
        "webhook_never",
        _ANY,
        "No webhook is delivered, unless an admin call resends it.",
        {"delivery": Delivery.NEVER},
    ),
    Scenario(
        "webhook_bad_signature",
        _ANY,
        "Webhooks are signed with a key that nobody has.",
        {"delivery": Delivery.BAD_SIGNATURE},
    ),
    Scenario(
        "webhook_old_key",
        _ANY,
        "Webhooks are signed with the account's old key only.",
        {"delivery": Delivery.OLD_KEY},
    ),
    Scenario(
        "webhook_future_timestamp",
        _ANY,
        "Webhooks are signed well, with a timestamp a day ahead.",
        {"delivery": Delivery.FUTURE_TIMESTAMP},
    ),
    Scenario(
        "webhook_unknown_type",
        _ANY,
        "Before each webhook goes one of a type that is not documented.",
        {"delivery": Delivery.WITH_UNKNOWN_TYPE},
    ),
    Scenario(
        "webhook_unknown_reference",
        _INTENT,
        "With the payment comes one of the same amount that nobody asked for, webhook and all.",
        {"delivery": Delivery.WITH_UNKNOWN_REFERENCE},
    ),
    Scenario(
        "report_missing_line",
        _INTENT,
        "The payment stays pending: no report lists it.",
        {"report": ReportFault.MISSING_LINE},
    ),
    Scenario(
        "report_extra_line",
        _INTENT,
        "A payment that nobody made or told is booked beside it, and listed.",
        {"report": ReportFault.EXTRA_LINE},
    ),
    Scenario(
        "report_duplicated_line",
        _INTENT,
        "The payment is booked, and listed, twice under two row ids.",
        {"report": ReportFault.DUPLICATED_LINE},
    ),
    Scenario(
        "report_altered_line",
        _INTENT,
        "The payment is booked, and listed, with one minor unit less than was told.",
        {"report": ReportFault.ALTERED_LINE},
    ),
    Scenario(
        "report_wrong_total",
        _INTENT,
        "The report that lists it has a wrong total, and so is to be refused whole.",
        {"report": ReportFault.WRONG_TOTAL},
    ),
)

SCENARIOS: Mapping[str, Scenario] = {scenario.word: scenario for scenario in _SCENARIOS}
"""Every scenario, by its word."""

_SEPARATORS = re.compile(r"[^a-z0-9_]+")


def words_in(reference: str) -> tuple[str, ...]:
    """Return the words of scenarios that stand in a reference, between other characters."""
    return tuple(word for word in _SEPARATORS.split(reference.lower()) if word in SCENARIOS)


def plan_for(words: Iterable[str]) -> Plan:
    """Return what these words, each of a scenario, mean together."""
    plan = Plan()
    for word in words:
        plan = replace(plan, **SCENARIOS[word].effects)
    return plan
