"""What happens between players, us and a provider that keeps books of its own: rules without laws.

The provider's news comes permuted, duplicated, delayed or never, and the process dies between any
two commits.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from services.kernel.errors import DomainError
from services.kernel.money import Money
from services.local.mock_psp.books import Books, Done, FeeRate, Fees, Origin
from services.psp_gateway.domain import facts, refund
from services.psp_gateway.domain.accounts import PlayerChart
from services.psp_gateway.domain.machine import Verdict
from services.psp_gateway.domain.objects import (
    Deposit,
    DepositState,
    Dispute,
    Refund,
    RefundState,
    Withdrawal,
    WithdrawalState,
)
from tests.fakes.gateway_model import Crash, GatewayModel
from tests.fakes.ledger_model import LedgerModel
from tests.fakes.provider_news import AT, News, news_of

START = datetime(2026, 3, 1, tzinfo=UTC)
PLAYERS = ("anna", "bert")
FEES = Fees(
    capture=FeeRate(140, 25),
    refund=FeeRate(0, 10),
    dispute=FeeRate(0, 700),
    transfer=FeeRate(0, 50),
    transfer_failure=FeeRate(0, 20),
    transfer_return=FeeRate(0, 30),
)

pick = st.integers(min_value=0, max_value=10**6)
amounts = st.integers(min_value=1, max_value=5_000)
crashes = st.sampled_from([Crash.NOWHERE, *Crash])
players = st.sampled_from(PLAYERS)


class GatewayStories(RuleBasedStateMachine):
    """One provider account, two players, and everything that can happen between them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.steps = 0
        self.books = Books("main", fees=FEES, available_after=timedelta(minutes=30))
        self.ledger = LedgerModel()
        self.gateway = GatewayModel(ledger=self.ledger, now=self.now, at=AT)
        self.mail: list[News] = []
        self.told: list[News] = []
        self.ours: dict[str, str] = {}
        self.attempts: dict[str, int] = {}
        self.applied: list[facts.Fact] = []

    # --- what the machine does with the news ---------------------------------------------------

    def _step(self) -> int:
        self.steps += 1
        self.now += timedelta(minutes=1)
        self.gateway.now = self.now
        return self.steps

    def _hear(self, done: Done[Any]) -> None:
        """Put what the provider tells into the mail, for whenever it arrives."""
        for event in done.events:
            if event.object_id not in self.ours and event.parent_id:
                self._meet(event.object_id, event.parent_id)
            ours = self.ours.get(event.object_id, "")
            news = news_of(event, ours, self.attempts.get(event.object_id, 0))
            self.mail += news
            self.told += news

    def _meet(self, theirs: str, parent: str) -> None:
        """Make a row for a refund or dispute that the provider began."""
        ours = self.ours[theirs] = f"ours-{theirs}"
        deposit_id = self.ours[parent]
        if theirs.startswith("re_"):
            self.gateway.rows[ours] = Refund(refund_id=ours, deposit_id=deposit_id)
        else:
            self.gateway.rows[ours] = Dispute(dispute_id=ours, deposit_id=deposit_id)

    def _bring(self, fact: facts.Fact, crash: Crash = Crash.NOWHERE) -> Verdict | None:
        decision = self.gateway.bring(fact, crash)
        if decision is None:
            return None
        if decision.verdict is Verdict.APPLIED:
            self.applied.append(fact)
        return decision.verdict

    def _do(self, fact: facts.Fact, crash: Crash = Crash.NOWHERE) -> Verdict | None:
        """Bring a fact of our own; what a crash left is finished before anything follows."""
        self.gateway.finish()
        verdict = self._bring(fact, crash)
        if verdict is None:
            verdict = self._bring(fact)
        self.gateway.finish()
        return verdict

    def _one(self, things: Any, number: int) -> Any:
        things = list(things)
        return things[number % len(things)] if things else None

    @rule(number=pick, crash=crashes, again=st.booleans(), stale=st.sampled_from([0, 0, 50, 9_000]))
    @precondition(lambda self: self.mail)
    def deliver(self, number: int, crash: Crash, again: bool, stale: int) -> None:
        """Some mail arrives, in any order, and perhaps stays to arrive again."""
        self._step()
        at = number % len(self.mail)
        news = self.mail[at]
        self.gateway.stale_cash_minor = stale
        verdict = self._bring(news.fact, crash)
        self.gateway.stale_cash_minor = 0
        if not again and verdict in (Verdict.APPLIED, Verdict.IGNORED):
            self.mail.pop(at)

    @rule(number=pick)
    @precondition(lambda self: self.mail)
    def lose(self, number: int) -> None:
        """Some mail never arrives."""
        self.mail.pop(number % len(self.mail))

    @rule(number=pick)
    @precondition(lambda self: self.told)
    def replay(self, number: int) -> None:
        """Something is told that was told long ago."""
        self._bring(self.told[number % len(self.told)].fact)

    @rule()
    def janitor(self) -> None:
        """What a crash left is finished."""
        self.gateway.finish()

    # --- deposits ------------------------------------------------------------------------------

    @initialize(paid_in=st.tuples(amounts, amounts, st.sampled_from([0, 7])))
    def begin(self, paid_in: tuple[int, int, int]) -> None:
        """The story begins with some money at the provider, and with players who have paid in."""
        self._hear(self.books.funds.top_up("first", "EUR", 10_000, self.now))
        first, second, more = paid_in
        self.deposit("anna", first, 0)
        self.deposit("bert", second, more)
        self.deposit("anna", 2_000, 0)
        for intent in self.books.payment_intents.all():
            self._hear(self.books.payment_intents.confirm(intent.intent_id, self.now))
        for news in self.mail:
            self._bring(news.fact)
        self.mail.clear()

    @rule(player=players, amount=amounts, more=st.sampled_from([0, 0, 0, 7]))
    def deposit(self, player: str, amount: int, more: int) -> None:
        """A player wants to pay in; now and then the provider asks him for another amount."""
        number = self._step()
        deposit_id = f"deposit-{number}"
        self.gateway.rows[deposit_id] = Deposit(
            deposit_id=deposit_id,
            at=AT,
            player_id=player,
            asked=Money("EUR", amount),
            reference=deposit_id,
        )
        self._do(facts.DepositSubmitStarted(object_id=deposit_id, occurred_at=self.now, attempt=1))
        done = self.books.payment_intents.create(
            deposit_id,
            reference=deposit_id,
            amount_minor=amount + more,
            currency="EUR",
            now=self.now,
        )
        self.ours[done.value.intent_id] = deposit_id

    @rule(number=pick, what=st.sampled_from(["confirm", "confirm", "confirm", "expire", "cancel"]))
    def intent_goes_on(self, number: int, what: str) -> None:
        """A deposit ends at the provider, well or not."""
        self._step()
        intent = self._one(self.books.payment_intents.all(), number)
        with suppress(DomainError):
            if intent:
                step = getattr(self.books.payment_intents, what)
                self._hear(step(intent.intent_id, self.now))

    @rule(number=pick, what=st.sampled_from(["decline", "fail_capture"]))
    def intent_fails(self, number: int, what: str) -> None:
        """A deposit is declined, or fails after it was captured."""
        self._step()
        intent = self._one(self.books.payment_intents.all(), number)
        with suppress(DomainError):
            if intent:
                step = getattr(self.books.payment_intents, what)
                self._hear(step(intent.intent_id, "no_funds", self.now))

    @rule(number=pick, fee=st.integers(min_value=-20, max_value=20).filter(bool))
    def fee_later(self, number: int, fee: int) -> None:
        """A fee comes later, or is given back."""
        self._step()
        intent = self._one(self.books.payment_intents.all(), number)
        with suppress(DomainError):
            if intent:
                self._hear(self.books.payment_intents.charge_fee(intent.intent_id, fee, self.now))

    @rule()
    def time_passes(self) -> None:
        """What is pending becomes available."""
        self.now += timedelta(hours=1)
        pending = [i.intent_id for i in self.books.payment_intents.all() if i.pending_rows]
        done = self.books.funds.make_available(self.now)
        self._hear(done)
        told = {event.object_id for event in done.events}
        for intent_id in pending:
            left = self.books.payment_intents.get(intent_id).pending_rows
            if intent_id not in told and not left:
                # The provider sends nothing about an amount of zero; its report lists the rows.
                object_id = self.ours[intent_id]
                news = News(facts.DepositAvailable(object_id=object_id, occurred_at=self.now))
                self.mail.append(news)
                self.told.append(news)

    @rule(number=pick, approve=st.booleans(), crash=crashes)
    def review(self, number: int, approve: bool, crash: Crash) -> None:
        """A person decides about a deposit in review."""
        step = self._step()
        in_review = [d for d in self.gateway.of(Deposit) if d.state is DepositState.REVIEW]
        found = self._one(in_review, number)
        if found:
            fact_type = facts.DepositReviewApproved if approve else facts.DepositReviewRejected
            fact = fact_type(
                object_id=found.deposit_id,
                occurred_at=self.now,
                decision_id=f"decision-{step}",
                decided_by="carla",
            )
            self._do(fact, crash)

    # --- refunds and disputes ------------------------------------------------------------------

    @rule(number=pick, amount=amounts, crash=crashes)
    def refund(self, number: int, amount: int, crash: Crash) -> None:
        """We are asked to refund, in full or in part."""
        step = self._step()
        self.gateway.finish()
        intent = self._one(
            [i for i in self.books.payment_intents.all() if i.captured_minor], number
        )
        if not intent:
            return
        deposit = self.gateway.rows[self.ours[intent.intent_id]]
        money = Money("EUR", min(amount, intent.captured_minor))
        with suppress(DomainError):
            refund.check_request(deposit, money, self._refunded(deposit.deposit_id))
            refund_id = f"refund-{step}"
            common = {"object_id": refund_id, "occurred_at": self.now}
            self.gateway.rows[refund_id] = Refund(
                refund_id=refund_id, deposit_id=deposit.deposit_id
            )
            self._do(facts.RefundAskedFor(**common, amount=money), crash)
            if self.gateway.rows[refund_id].state is not RefundState.REQUESTED:
                return
            self._do(facts.RefundSubmitStarted(**common, attempt=1))
            try:
                done = self.books.refunds.create(
                    refund_id,
                    intent_id=intent.intent_id,
                    amount_minor=money.minor_units,
                    reference=refund_id,
                    now=self.now,
                )
            except DomainError:
                self._do(facts.RefundFailed(**common))
            else:
                self.ours[done.value.refund_id] = refund_id
                self._hear(done)

    def _refunded(self, deposit_id: str) -> int:
        gone = (RefundState.FAILED, RefundState.FAILED_AFTER_SUCCESS, RefundState.REJECTED, None)
        return sum(
            one.amount.minor_units
            for one in self.gateway.of(Refund)
            if one.deposit_id == deposit_id and one.state not in gone
        )

    @rule(number=pick, amount=amounts)
    def refund_at_provider(self, number: int, amount: int) -> None:
        """Somebody refunds in the provider's dashboard."""
        step = self._step()
        intent = self._one(self.books.payment_intents.all(), number)
        with suppress(DomainError):
            if intent:
                done = self.books.refunds.create(
                    f"dashboard-{step}",
                    intent_id=intent.intent_id,
                    amount_minor=min(amount, intent.captured_minor),
                    reference="",
                    now=self.now,
                    origin=Origin.PROVIDER,
                )
                self._hear(done)

    @rule(number=pick, fails=st.booleans())
    @precondition(lambda self: self.books.refunds.all())
    def refund_goes_on(self, number: int, fails: bool) -> None:
        """A refund succeeds, fails, or fails after it had succeeded."""
        self._step()
        found = self._one(self.books.refunds.all(), number)
        with suppress(DomainError):
            if found and fails:
                self._hear(self.books.refunds.fail(found.refund_id, "closed", self.now))
            elif found:
                self._hear(self.books.refunds.succeed(found.refund_id, self.now))

    @rule(number=pick, amount=st.none() | amounts, asks_first=st.booleans())
    def dispute(self, number: int, amount: int | None, asks_first: bool) -> None:
        """A player's bank asks, or takes the money at once."""
        self._step()
        intent = self._one(self.books.payment_intents.all(), number)
        with suppress(DomainError):
            if intent:
                begin = self.books.disputes.inquire if asks_first else self.books.disputes.open
                self._hear(begin(intent.intent_id, "fraud", self.now, amount))

    @rule(number=pick, what=st.sampled_from(["lose", "win", "withdraw_funds", "close_inquiry"]))
    @precondition(lambda self: self.books.disputes.all())
    def dispute_goes_on(self, number: int, what: str) -> None:
        """A dispute is won, lost, found again or taken up again."""
        self._step()
        found = self._one(self.books.disputes.all(), number)
        with suppress(DomainError):
            if found:
                step = getattr(self.books.disputes, what)
                self._hear(step(found.dispute_id, self.now))

    @rule(number=pick, amount=amounts, fee=st.integers(min_value=0, max_value=700))
    @precondition(lambda self: self.books.disputes.all())
    def dispute_won_in_part(self, number: int, amount: int, fee: int) -> None:
        """A dispute gives back a part, and some of its fee."""
        self._step()
        found = self._one(self.books.disputes.all(), number)
        with suppress(DomainError):
            if found:
                self._hear(self.books.disputes.win(found.dispute_id, self.now, amount, fee))

    # --- withdrawals ---------------------------------------------------------------------------

    @rule(player=players, amount=amounts, fee=st.sampled_from([0, 30]), crash=crashes)
    def withdraw(self, player: str, amount: int, fee: int, crash: Crash) -> None:
        """A player asks for his money."""
        withdrawal_id = f"withdrawal-{self._step()}"
        cash = self.ledger.spendable(PlayerChart(player, "EUR").cash.path)
        amount = min(amount, max(1, cash))
        self.gateway.rows[withdrawal_id] = Withdrawal(
            withdrawal_id=withdrawal_id,
            player_id=player,
            amount=Money("EUR", amount),
            requested_by=player,
            fee_minor=fee,
        )
        common = {"object_id": withdrawal_id, "occurred_at": self.now}
        self._do(facts.WithdrawalReserved(**common), crash)
        self._do(facts.WithdrawalAutoApproved(**common))
        self._submit(self.gateway.rows[withdrawal_id], crash)

    @rule(number=pick, what=st.sampled_from(["again", "again", "give_up", "cancel"]), crash=crashes)
    @precondition(lambda self: self.gateway.of(Withdrawal))
    def withdrawal_goes_on(self, number: int, what: str, crash: Crash) -> None:
        """After an attempt that came to nothing there is another, or none."""
        self._step()
        waiting = [w for w in self.gateway.of(Withdrawal) if w.state is WithdrawalState.APPROVED]
        found = self._one(waiting, number)
        if not found:
            return
        common = {"object_id": found.withdrawal_id, "occurred_at": self.now}
        if what == "again":
            self._submit(found, crash)
        elif what == "give_up":
            self._do(facts.WithdrawalGivenUp(**common), crash)
        else:
            self._do(facts.WithdrawalCancelled(**common), crash)

    def _submit(self, withdrawal: Withdrawal, crash: Crash) -> None:
        if withdrawal.state is not WithdrawalState.APPROVED:
            return
        attempt = withdrawal.attempt + 1
        common = {"object_id": withdrawal.withdrawal_id, "occurred_at": self.now}
        self._do(facts.WithdrawalSubmitStarted(**common, attempt=attempt, at=AT), crash)
        reference = f"{withdrawal.withdrawal_id}-{attempt}"
        try:
            done = self.books.transfers.create(
                reference,
                reference=reference,
                amount_minor=withdrawal.amount.minor_units,
                currency="EUR",
                destination="token",
                now=self.now,
            )
        except DomainError:
            self._do(facts.WithdrawalNotSent(**common, attempt=attempt), crash)
        else:
            self.ours[done.value.transfer_id] = withdrawal.withdrawal_id
            self.attempts[done.value.transfer_id] = attempt
            self._hear(done)

    @rule(number=pick)
    @precondition(lambda self: self.books.transfers.all())
    def answer_never_comes(self, number: int) -> None:
        """The provider's answer to an attempt is lost."""
        found = self._one(self.gateway.of(Withdrawal), number)
        if found and found.attempt:
            fact = facts.WithdrawalOutcomeUnknown(
                object_id=found.withdrawal_id, occurred_at=self.now, attempt=found.attempt
            )
            self._bring(fact)

    @rule(number=pick, what=st.sampled_from(["fail", "pay", "pay"]))
    @precondition(lambda self: self.books.transfers.all())
    def transfer_goes_on(self, number: int, what: str) -> None:
        """An attempt is paid, fails, or is paid after it had failed."""
        self._step()
        found = self._one(self.books.transfers.all(), number)
        with suppress(DomainError):
            if found and what == "pay":
                self._hear(self.books.transfers.pay(found.transfer_id, self.now))
            elif found:
                self._hear(self.books.transfers.fail(found.transfer_id, "closed", self.now))

    @rule(number=pick, amount=st.none() | amounts)
    @precondition(lambda self: self.books.transfers.all())
    def transfer_returns(self, number: int, amount: int | None) -> None:
        """A paid withdrawal comes back, in full or in part."""
        self._step()
        found = self._one(self.books.transfers.all(), number)
        with suppress(DomainError):
            if found:
                back = self.books.transfers.give_back(found.transfer_id, "closed", self.now, amount)
                self._hear(back)
