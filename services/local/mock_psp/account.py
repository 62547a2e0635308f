"""A provider account: its books, the stories of its objects, its days and its reports.

It is as pure as its books: time is passed in, and what it would send lies in `courier`.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from services.kernel.errors import DomainError
from services.local.mock_psp.agenda import Agenda
from services.local.mock_psp.books import (
    Books,
    Done,
    IntentState,
    Origin,
    PaymentIntent,
    Reason,
    Refund,
    Transfer,
)
from services.local.mock_psp.books.model import refusal
from services.local.mock_psp.courier import Courier
from services.local.mock_psp.days import Days, Terms
from services.local.mock_psp.scenarios import (
    Delivery,
    IntentStory,
    Plan,
    ReportFault,
    TransferStory,
    plan_for,
    words_in,
)
from services.local.mock_psp.stories import dispute_steps, refund_steps, transfer_steps

Value = TypeVar("Value")

_INTENT_LIFETIME = timedelta(hours=1)
_AUTHORISATION_LIFETIME = timedelta(days=7)


class Account:
    """One provider account, from its first day on.

    Call `run_until(now)` before any other operation, so that what was due happens first.
    Operations raise the DomainErrors of the books.
    """

    def __init__(self, name: str, terms: Terms, *, seed: int, started_at: datetime) -> None:
        self.name = name
        self.terms = terms
        self.books = Books(
            name,
            seed=seed,
            fees=terms.fees,
            available_after=timedelta(days=terms.available_after_days),
        )
        self.return_urls: dict[str, str] = {}
        """Where the hosted page sends the player afterwards, by payment intent."""
        self._agenda = Agenda()
        self.courier = Courier(name, terms.mode, self._agenda, self.plan_of)
        self._chosen: dict[str, tuple[str, ...]] = {}
        self._next: dict[str, deque[tuple[str, ...]]] = {}
        self._strays = 0
        self.days = Days(self.books, terms, self.tell, self.plan_of, started_at)

    # Time

    @property
    def next_due(self) -> datetime:
        """When something will happen by itself next."""
        end_of_day = self.days.period.end
        return min(self._agenda.next_due or end_of_day, end_of_day)

    def run_until(self, now: datetime) -> None:
        """Let everything happen that is due by now: steps of stories and closes of days."""
        while self.next_due <= now:
            if self.next_due < self.days.period.end:
                self._agenda.run_next()
            else:
                self.days.close()

    def _later(self, now: datetime, *steps: Callable[[datetime], object]) -> None:
        """Let steps happen one after another; one that the state then forbids is left out."""
        for number, step in enumerate(steps, 1):
            due = now + timedelta(seconds=number * self.terms.step_s)

            def happen(at: datetime, step: Callable[[datetime], object] = step) -> None:
                with suppress(DomainError):
                    step(at)

            self._agenda.add(due, happen)

    # Scenarios

    def choose(self, words: tuple[str, ...], reference: str) -> None:
        """Let these words hold for the object with a reference, beside those in it."""
        self._chosen[reference] = words

    def choose_next(self, words: tuple[str, ...], kind: str) -> None:
        """Let these words hold for the next `payment_intent`, `refund` or `transfer`."""
        self._next.setdefault(kind, deque()).append(words)

    def expect(self, kind: str, reference: str) -> Plan:
        """Return the plan of an object that is about to be made, taking the words kept for it."""
        waiting = self._next.get(kind)
        if waiting and reference not in self._chosen:
            self._chosen[reference] = waiting.popleft()
        return self.plan_of(reference)

    def plan_of(self, reference: str) -> Plan:
        """Return the plan of the object with a reference."""
        return plan_for((*words_in(reference), *self._chosen.get(reference, ())))

    def tell(self, done: Done[Value], now: datetime) -> Value:
        """Send the webhooks of an operation of the books, and return what it made."""
        self.courier.send(done.events, now)
        return done.value

    # Payment intents

    def create_intent(
        self,
        key: str,
        *,
        reference: str,
        amount_minor: int,
        currency: str,
        now: datetime,
        manual_capture: bool = False,
        at_once: bool = False,
    ) -> PaymentIntent:
        """Make a payment intent; `at_once` charges a stored card without the hosted page."""
        done = self.books.payment_intents.create(
            key,
            reference=reference,
            amount_minor=amount_minor,
            currency=currency,
            now=now,
            manual_capture=manual_capture,
        )
        intent = self.tell(done, now)
        if done.replayed:
            return intent
        self._agenda.add(
            now + _INTENT_LIFETIME, lambda at: self._expire_unless_ended(intent.intent_id, at)
        )
        return self._pay(intent, now) if at_once else intent

    def player_pays(self, intent_id: str, now: datetime) -> PaymentIntent:
        """Let the player go on at the hosted page: pay, or end the challenge."""
        intent = self.books.payment_intents.get(intent_id)
        if intent.state is not IntentState.REQUIRES_ACTION:
            return self._pay(intent, now)
        match self.plan_of(intent.reference).intent:
            case IntentStory.CHALLENGE_FAILED:
                return self.decline(intent_id, "authentication_failed", now)
            case IntentStory.CHALLENGE_ABANDONED:
                return intent
            case _:
                return self._confirm(intent_id, now)

    def decline(self, intent_id: str, code: str, now: datetime) -> PaymentIntent:
        """Decline a payment intent."""
        return self.tell(self.books.payment_intents.decline(intent_id, code, now), now)

    def capture(self, intent_id: str, amount_minor: int | None, now: datetime) -> PaymentIntent:
        """Capture an authorised payment intent, and begin what follows a capture."""
        done = self.books.payment_intents.capture(intent_id, now, amount_minor)
        return self._captured(self.tell(done, now), now)

    def _pay(self, intent: PaymentIntent, now: datetime) -> PaymentIntent:
        intents, intent_id = self.books.payment_intents, intent.intent_id
        plan = self.plan_of(intent.reference)
        match plan.intent:
            case IntentStory.DECLINED:
                return self.decline(intent_id, plan.decline_code, now)
            case IntentStory.DECLINED_THEN_PAID:
                declined = self.decline(intent_id, plan.decline_code, now)
                self._later(now, lambda at: self._confirm(intent_id, at))
                return declined
            case (
                IntentStory.CHALLENGE_PASSED
                | IntentStory.CHALLENGE_FAILED
                | IntentStory.CHALLENGE_ABANDONED
            ):
                return self.tell(intents.require_action(intent_id, now), now)
            case IntentStory.PENDING_PAID:
                self._later(now, lambda at: self._confirm(intent_id, at))
                return self.tell(intents.begin_processing(intent_id, now), now)
            case IntentStory.PENDING_DECLINED:
                self._later(now, lambda at: self.decline(intent_id, plan.decline_code, at))
                return self.tell(intents.begin_processing(intent_id, now), now)
            case _:
                return self._confirm(intent_id, now)

    def _confirm(self, intent_id: str, now: datetime) -> PaymentIntent:
        intents = self.books.payment_intents
        intent = intents.get(intent_id)
        altered = self.plan_of(intent.reference).report is ReportFault.ALTERED_LINE
        if altered and not intent.manual_capture:
            done = self.books.faults.misbook(intent_id, -1, now)
        else:
            done = intents.confirm(intent_id, now)
        intent = self.tell(done, now)
        if intent.state is IntentState.SUCCEEDED:
            return self._captured(intent, now)
        self._agenda.add(
            now + _AUTHORISATION_LIFETIME, lambda at: self._expire_unless_ended(intent_id, at)
        )
        return intent

    def _captured(self, intent: PaymentIntent, now: datetime) -> PaymentIntent:
        plan, intent_id = self.plan_of(intent.reference), intent.intent_id
        if plan.delivery is Delivery.WITH_UNKNOWN_REFERENCE:
            self._pay_unasked(intent, now)
        match plan.report:
            case ReportFault.MISSING_LINE:
                self.books.faults.hold_back(intent_id)
            case ReportFault.DUPLICATED_LINE:
                self.books.faults.book_again(intent_id, now)
            case ReportFault.EXTRA_LINE:
                self.books.faults.book_stray(
                    reference=f"stray-{intent_id}",
                    amount_minor=intent.captured_minor,
                    currency=intent.currency,
                    now=now,
                )
        if plan.intent is IntentStory.PAID_THEN_FAILED:
            self._later(
                now,
                lambda at: self.tell(
                    self.books.payment_intents.fail_capture(intent_id, "no_funds", at), at
                ),
            )
        elif plan.intent is IntentStory.PAID_THEN_REFUNDED:
            self._later(now, lambda at: self.refund_unasked(intent_id, None, at))
        self._later(now, *dispute_steps(self.books, self.tell, intent_id, plan.dispute))
        return self.books.payment_intents.get(intent_id)

    def _pay_unasked(self, intent: PaymentIntent, now: datetime) -> None:
        """Take a payment that no operator asked for, such as one by an old link."""
        self._strays += 1
        intents = self.books.payment_intents
        stray = intents.create(
            f"unasked/{self._strays}",
            reference=f"unknown-{self._strays}",
            amount_minor=intent.captured_minor,
            currency=intent.currency,
            now=now,
        ).value
        self.tell(intents.confirm(stray.intent_id, now), now)

    def _expire_unless_ended(self, intent_id: str, now: datetime) -> None:
        # An authorisation has a longer life than the page on which it was given.
        intent = self.books.payment_intents.get(intent_id)
        if intent.state is IntentState.AUTHORISED and now < (
            intent.created_at + _AUTHORISATION_LIFETIME
        ):
            return
        with suppress(DomainError):
            self.tell(self.books.payment_intents.expire(intent_id, now), now)

    # Refunds and disputes

    def create_refund(
        self, key: str, *, intent_id: str, amount_minor: int, reference: str, now: datetime
    ) -> Refund:
        """Take a refund and begin its story."""
        done = self.books.refunds.create(
            key, intent_id=intent_id, amount_minor=amount_minor, reference=reference, now=now
        )
        refund = self.tell(done, now)
        if not done.replayed:
            story = self.plan_of(reference).refund
            self._later(now, *refund_steps(self.books, self.tell, refund.refund_id, story))
        return refund

    def refund_unasked(self, intent_id: str, amount_minor: int | None, now: datetime) -> Refund:
        """Refund what the operator did not ask for, wholly unless an amount is given."""
        self._strays += 1
        left_minor = self.books.refunds.refundable_minor(intent_id)
        done = self.books.refunds.create(
            f"unasked/{self._strays}",
            intent_id=intent_id,
            amount_minor=left_minor if amount_minor is None else amount_minor,
            reference="",
            now=now,
            origin=Origin.PROVIDER,
        )
        refund_id = self.tell(done, now).refund_id
        return self.tell(self.books.refunds.succeed(refund_id, now), now)

    # Transfers

    def create_transfer(
        self,
        key: str,
        *,
        reference: str,
        amount_minor: int,
        currency: str,
        destination: str,
        now: datetime,
    ) -> Transfer:
        """Accept a transfer and begin its story."""
        story = self.plan_of(reference).transfer
        if story is TransferStory.BALANCE_TOO_LOW:
            raise refusal(Reason.BALANCE_INSUFFICIENT, f"There are not enough {currency}")
        done = self.books.transfers.create(
            key,
            reference=reference,
            amount_minor=amount_minor,
            currency=currency,
            destination=destination,
            now=now,
        )
        transfer = self.tell(done, now)
        if not done.replayed:
            self._later(now, *transfer_steps(self.books, self.tell, transfer, story))
        return transfer
