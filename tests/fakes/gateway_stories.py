"""What happens between players, us and a provider that keeps books of its own: rules without laws.

The provider's news comes permuted, duplicated, delayed or never, two pieces of it at once, and the
process that takes it in dies, or loses its store or ledger, between any two awaits.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from services.kernel.errors import DomainError
from services.local.mock_psp.books import Books, Done, FeeRate, Fees, Origin
from services.psp_gateway.application.deciding import Rows
from services.psp_gateway.application.facts import Brought
from services.psp_gateway.application.notices import Taken
from services.psp_gateway.application.ports import GatewayUnit
from services.psp_gateway.domain import facts, refund
from services.psp_gateway.domain.accounts import PlayerChart
from services.psp_gateway.domain.objects import (
    Deposit,
    DepositState,
    Refund,
    RefundState,
    Withdrawal,
    WithdrawalState,
)
from tests.fakes.gateway_world import World, eur, reference_of
from tests.fakes.provider_news import AT, Letter, available_letter, letter_of
from tests.fakes.troubles import Kind, Trouble

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
players = st.sampled_from(PLAYERS)
stale = st.sampled_from([0, 0, 50, 9_000])
troubles = st.none() | st.builds(
    Trouble, st.integers(min_value=1, max_value=12), st.sampled_from(Kind)
)


class GatewayStories(RuleBasedStateMachine):
    """One provider account, two players, and everything that can happen between them.

    No rule waits for a state: what two racers come to need not be the same in every run.
    """

    def __init__(self, new_world: Callable[[datetime], World]) -> None:
        super().__init__()
        self.now = START
        self.steps = 0
        self.books = Books("main", fees=FEES, available_after=timedelta(minutes=30))
        self.world = new_world(START)
        self.ledger = self.world.ledger
        self.mail: list[Letter] = []
        self.told: list[Letter] = []
        self.spent: Counter[str] = Counter()

    # --- what the machine does with the news ---------------------------------------------------

    def _step(self) -> int:
        self.steps += 1
        self._wait(minutes=1)
        return self.steps

    def _wait(self, **span: float) -> None:
        self.now += timedelta(**span)
        self.world.now = max(self.world.now, self.now)

    def _new_id(self) -> str:
        return str(self.world.new_id())

    def _of(self, kind: type[Any]) -> list[Any]:
        # The store's own order is nobody's business.
        return sorted(self.world.stored().of(kind), key=repr)

    def _row(self, kind: type[Any], object_id: str) -> Any:
        [name] = [one for one in kind.__dataclass_fields__ if one == f"{kind.__name__.lower()}_id"]
        return next(row for row in self._of(kind) if getattr(row, name) == object_id)

    def _hear(self, done: Done[Any], bank_fee_minor: int = 0) -> None:
        """Put what the provider tells into the mail, for whenever it arrives."""
        for event in done.events:
            letter = letter_of(event, bank_fee_minor)
            if letter:
                self._post(letter)

    def _post(self, letter: Letter) -> None:
        self.mail.append(letter)
        self.told.append(letter)

    def _take(self, *letters: Letter, trouble: Trouble | None = None, turns: int = 0) -> list[Any]:
        work = [self.world.take(letter.notice, letter.letter_id) for letter in letters]
        done: list[Taken | BaseException] = self.world.attempted(
            *work, trouble=trouble, turns=turns
        )
        return done

    def _do(
        self, fact: facts.Fact, trouble: Trouble | None = None, deposit_id: str = ""
    ) -> Brought | None:
        """Bring a fact of our own; what a trouble left is finished before anything follows."""
        self.world.finish()
        [done] = self.world.attempted(
            self.world.bring(fact, deposit_id=deposit_id), trouble=trouble
        )
        if isinstance(done, BaseException):
            # Whoever began it does not know what became of it, and does it again.
            self.world.finish()
            [done] = self.world.attempted(self.world.bring(fact, deposit_id=deposit_id))
        self.world.finish()
        return done if isinstance(done, Brought) else None

    def _somewhere(
        self, things: Sequence[Any], number: int, step: Callable[[Any], Done[Any]]
    ) -> None:
        """Let a step happen to the first of these, from a number on, where the provider can."""
        self._step()
        for turn in range(len(things)):
            with suppress(DomainError):
                self._hear(step(things[(number + turn) % len(things)]))
                return

    def _one(self, things: Any, number: int) -> Any:
        things = list(things)
        return things[number % len(things)] if things else None

    @rule(postmen=st.lists(st.tuples(pick, troubles, st.booleans(), stale), min_size=1, max_size=6))
    def deliver(self, postmen: list[tuple[int, Trouble | None, bool, int]]) -> None:
        """Some mail arrives, in any order, and perhaps stays to arrive again."""
        for number, trouble, again, loses in postmen:
            if self.mail:
                self._deliver(self.mail[number % len(self.mail)], trouble, again, loses)
                self.check_laws()

    def _deliver(self, letter: Letter, trouble: Trouble | None, again: bool, loses: int) -> None:
        self._step()
        # The player plays on while we look at what he has.
        self.ledger.after_look = lambda player: self._loses(player, loses)
        self._take(letter, trouble=trouble)
        self.ledger.after_look = None
        if not again and letter.letter_id in self.world.stored().requests:
            self.mail.remove(letter)

    def check_laws(self) -> None:
        """Check what must hold: whoever inherits these stories says what that is."""

    @rule(one=pick, distance=st.integers(min_value=0, max_value=2), turns=pick, trouble=troubles)
    def race(self, one: int, distance: int, turns: int, trouble: Trouble | None) -> None:
        """Two letters arrive at once, or one of them twice."""
        self._step()
        if not self.mail:
            return
        letters = [self.mail[number % len(self.mail)] for number in (one, one + distance)]
        self._take(*letters, trouble=trouble, turns=turns)

    @rule(number=pick)
    def lose(self, number: int) -> None:
        """Some mail never arrives."""
        if self.mail:
            self.mail.pop(number % len(self.mail))

    @rule(number=pick)
    def replay(self, number: int) -> None:
        """Something is told that was told long ago."""
        if self.told:
            self._take(self.told[number % len(self.told)])

    @rule(trouble=troubles)
    def janitor(self, trouble: Trouble | None) -> None:
        """The janitor goes a round, and may be lost on it as well."""
        self._step()
        self.world.attempted(
            self.world.janitor.finish_intents(self.world.tenant_id, 200), trouble=trouble
        )

    def _loses(self, player: str, amount: int) -> None:
        """A player loses some of his cash at the tables."""
        cash = PlayerChart(player, "EUR").cash.path
        lost = min(amount, self.ledger.spendable(cash))
        self.ledger.balances[cash] -= lost
        self.spent[player] += lost

    # --- deposits ------------------------------------------------------------------------------

    @initialize(paid_in=st.tuples(amounts, amounts, st.sampled_from([0, 7])))
    def begin(self, paid_in: tuple[int, int, int]) -> None:
        """The story begins with some money at the provider, and with players who have paid in."""
        self._hear(self.books.funds.top_up("first", "EUR", 10_000, self.now))
        first, second, more = paid_in
        self.deposit("anna", first, 0, pays=True)
        self.deposit("bert", second, more, pays=True)
        self.deposit("anna", 2_000, 0, pays=True)
        for letter in self.mail:
            self._take(letter)
        self.mail.clear()

    @rule(player=players, amount=amounts, more=st.sampled_from([0, 0, 0, 7]), pays=st.booleans())
    def deposit(self, player: str, amount: int, more: int, pays: bool) -> None:
        """A player wants to pay in; now and then the provider asks him for another amount."""
        self._step()
        deposit_id = self._new_id()
        reference = reference_of(deposit_id, 1)
        deposit = Deposit(
            deposit_id=deposit_id,
            at=AT,
            player_id=player,
            asked=eur(amount),
            reference=reference,
        )
        self.world.run(self.world.create(deposit))
        self._do(facts.DepositSubmitStarted(object_id=deposit_id, occurred_at=self.now, attempt=1))
        done = self.books.payment_intents.create(
            deposit_id,
            reference=reference,
            amount_minor=amount + more,
            currency="EUR",
            now=self.now,
        )
        self._hear(done)
        if pays:
            self._hear(self.books.payment_intents.confirm(done.value.intent_id, self.now))

    @rule(number=pick, what=st.sampled_from(["confirm", "confirm", "confirm", "expire", "cancel"]))
    def intent_goes_on(self, number: int, what: str) -> None:
        """A deposit ends at the provider, well or not."""
        intents = self.books.payment_intents
        step = getattr(intents, what)
        self._somewhere(intents.all(), number, lambda one: step(one.intent_id, self.now))

    @rule(number=pick, what=st.sampled_from(["decline", "fail_capture"]))
    def intent_fails(self, number: int, what: str) -> None:
        """A deposit is declined, or fails after it was captured."""
        intents = self.books.payment_intents
        step = getattr(intents, what)
        self._somewhere(
            intents.all(), number, lambda one: step(one.intent_id, "no_funds", self.now)
        )

    @rule(number=pick, fee=st.integers(min_value=-20, max_value=20).filter(bool))
    def fee_later(self, number: int, fee: int) -> None:
        """A fee comes later, or is given back."""
        intents = self.books.payment_intents
        self._somewhere(
            intents.all(), number, lambda one: intents.charge_fee(one.intent_id, fee, self.now)
        )

    @rule()
    def time_passes(self) -> None:
        """What is pending becomes available."""
        self._wait(hours=1)
        pending = [i.intent_id for i in self.books.payment_intents.all() if i.pending_rows]
        done = self.books.funds.make_available(self.now)
        self._hear(done)
        told = {event.object_id for event in done.events}
        for intent_id in pending:
            left = self.books.payment_intents.get(intent_id).pending_rows
            if intent_id not in told and not left:
                # The provider sends nothing about an amount of zero; its report lists the rows.
                object_id = self._deposit_of(intent_id).deposit_id
                told_by_report = facts.DepositAvailable(object_id=object_id, occurred_at=self.now)
                self._post(available_letter(f"line-{intent_id}", intent_id, told_by_report))

    def _deposit_of(self, intent_id: str) -> Deposit:
        """Return our deposit that an intent is for."""
        reference = self.books.payment_intents.get(intent_id).reference
        return next(one for one in self._of(Deposit) if one.reference == reference)

    @rule(number=pick, approve=st.booleans(), trouble=troubles)
    def review(self, number: int, approve: bool, trouble: Trouble | None) -> None:
        """A person decides about a deposit in review."""
        step = self._step()
        in_review = [d for d in self._of(Deposit) if d.state is DepositState.REVIEW]
        found = self._one(in_review, number)
        if found:
            fact_type = facts.DepositReviewApproved if approve else facts.DepositReviewRejected
            fact = fact_type(
                object_id=found.deposit_id,
                occurred_at=self.now,
                decision_id=f"decision-{step}",
                decided_by="carla",
            )
            self._do(fact, trouble)

    # --- refunds and disputes ------------------------------------------------------------------

    @rule(number=pick, amount=amounts, trouble=troubles)
    def refund(self, number: int, amount: int, trouble: Trouble | None) -> None:
        """We are asked to refund, in full or in part."""
        self._step()
        self.world.finish()
        captured = [i for i in self.books.payment_intents.all() if i.captured_minor]
        intent = self._one(captured, number)
        if not intent:
            return
        deposit_id = self._deposit_of(intent.intent_id).deposit_id
        refund_id, amount = self._new_id(), min(amount, intent.captured_minor)
        if not self._ask_for_refund(refund_id, deposit_id, amount, trouble):
            return
        common = {"object_id": refund_id, "occurred_at": self.now}
        self._do(facts.RefundSubmitStarted(**common, attempt=1))
        try:
            done = self.books.refunds.create(
                refund_id,
                intent_id=intent.intent_id,
                amount_minor=amount,
                reference=reference_of(refund_id, 1),
                now=self.now,
            )
        except DomainError:
            self._do(facts.RefundFailed(**common))
        else:
            self._hear(done)

    def _ask_for_refund(
        self, refund_id: str, deposit_id: str, amount: int, trouble: Trouble | None
    ) -> bool:
        """Ask as the use case of refunds does, once; return whether the provider is to be asked."""

        async def guard(unit: GatewayUnit, rows: Rows) -> None:
            assert rows.deposit is not None
            refunded = await unit.objects.refunded_minor(deposit_id)
            refund.check_request(rows.deposit, eur(amount), refunded)

        fact = facts.RefundAskedFor(object_id=refund_id, occurred_at=self.now, amount=eur(amount))
        work = self.world.bring(fact, deposit_id=deposit_id, guard=guard)
        self.world.attempted(work, trouble=trouble)
        self.world.finish()
        made = [one for one in self._of(Refund) if one.refund_id == refund_id]
        return bool(made) and made[0].state is RefundState.REQUESTED

    @rule(number=pick, amount=amounts)
    def refund_at_provider(self, number: int, amount: int) -> None:
        """Somebody refunds in the provider's dashboard."""

        def refunded(intent: Any) -> Done[Any]:
            return self.books.refunds.create(
                f"dashboard-{self.steps}",
                intent_id=intent.intent_id,
                amount_minor=min(amount, intent.captured_minor),
                reference="",
                now=self.now,
                origin=Origin.PROVIDER,
            )

        self._somewhere(self.books.payment_intents.all(), number, refunded)

    @rule(number=pick, fails=st.booleans())
    def refund_goes_on(self, number: int, fails: bool) -> None:
        """A refund succeeds, fails, or fails after it had succeeded."""
        refunds = self.books.refunds

        def went_on(found: Any) -> Done[Any]:
            if fails:
                return refunds.fail(found.refund_id, "closed", self.now)
            return refunds.succeed(found.refund_id, self.now)

        self._somewhere(refunds.all(), number, went_on)

    @rule(number=pick, amount=st.none() | amounts, asks_first=st.booleans())
    def dispute(self, number: int, amount: int | None, asks_first: bool) -> None:
        """A player's bank asks, or takes the money at once."""
        begin = self.books.disputes.inquire if asks_first else self.books.disputes.open
        self._somewhere(
            self.books.payment_intents.all(),
            number,
            lambda one: begin(one.intent_id, "fraud", self.now, amount),
        )

    @rule(number=pick, what=st.sampled_from(["lose", "win", "withdraw_funds", "close_inquiry"]))
    def dispute_goes_on(self, number: int, what: str) -> None:
        """A dispute is won, lost, found again or taken up again."""
        disputes = self.books.disputes
        step = getattr(disputes, what)
        self._somewhere(disputes.all(), number, lambda one: step(one.dispute_id, self.now))

    @rule(number=pick, amount=amounts, fee=st.integers(min_value=0, max_value=700))
    def dispute_won_in_part(self, number: int, amount: int, fee: int) -> None:
        """A dispute gives back a part, and some of its fee."""
        disputes = self.books.disputes
        self._somewhere(
            disputes.all(), number, lambda one: disputes.win(one.dispute_id, self.now, amount, fee)
        )

    # --- withdrawals ---------------------------------------------------------------------------

    @rule(
        player=players,
        amount=st.integers(min_value=1, max_value=1_500),
        fee=st.sampled_from([0, 30]),
        trouble=troubles,
    )
    def withdraw(self, player: str, amount: int, fee: int, trouble: Trouble | None) -> None:
        """A player asks for his money."""
        self._step()
        withdrawal_id = self._new_id()
        cash = self.ledger.spendable(PlayerChart(player, "EUR").cash.path)
        withdrawal = Withdrawal(
            withdrawal_id=withdrawal_id,
            player_id=player,
            amount=eur(min(amount, max(1, cash))),
            requested_by=player,
            fee_minor=fee,
        )
        self.world.run(self.world.create(withdrawal))
        common = {"object_id": withdrawal_id, "occurred_at": self.now}
        self._do(facts.WithdrawalReserved(**common), trouble)
        self._do(facts.WithdrawalAutoApproved(**common))
        self._submit(self._row(Withdrawal, withdrawal_id), trouble)

    @rule(
        number=pick,
        what=st.sampled_from(["again", "again", "give_up", "cancel"]),
        trouble=troubles,
    )
    def withdrawal_goes_on(self, number: int, what: str, trouble: Trouble | None) -> None:
        """After an attempt that came to nothing there is another, or none."""
        self._step()
        waiting = [w for w in self._of(Withdrawal) if w.state is WithdrawalState.APPROVED]
        found = self._one(waiting, number)
        if not found:
            return
        common = {"object_id": found.withdrawal_id, "occurred_at": self.now}
        if what == "again":
            self._submit(found, trouble)
        elif what == "give_up":
            self._do(facts.WithdrawalGivenUp(**common), trouble)
        else:
            self._do(facts.WithdrawalCancelled(**common), trouble)

    def _submit(self, withdrawal: Withdrawal, trouble: Trouble | None) -> None:
        if withdrawal.state is not WithdrawalState.APPROVED:
            return
        attempt = withdrawal.attempt + 1
        common = {"object_id": withdrawal.withdrawal_id, "occurred_at": self.now}
        self._do(facts.WithdrawalSubmitStarted(**common, attempt=attempt, at=AT), trouble)
        if self._row(Withdrawal, withdrawal.withdrawal_id).attempt != attempt:
            return
        reference = reference_of(withdrawal.withdrawal_id, attempt)
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
            self._do(facts.WithdrawalNotSent(**common, attempt=attempt), trouble)
        else:
            self._hear(done)

    @rule(number=pick, trouble=troubles)
    def answer_never_comes(self, number: int, trouble: Trouble | None) -> None:
        """The provider's answer to an attempt is lost."""
        found = self._one(self._of(Withdrawal), number)
        if found and found.attempt:
            fact = facts.WithdrawalOutcomeUnknown(
                object_id=found.withdrawal_id, occurred_at=self.now, attempt=found.attempt
            )
            self.world.attempted(self.world.bring(fact), trouble=trouble)

    @rule(number=pick, what=st.sampled_from(["fail", "pay", "pay"]))
    def transfer_goes_on(self, number: int, what: str) -> None:
        """An attempt is paid, fails, or is paid after it had failed."""
        transfers = self.books.transfers

        def went_on(found: Any) -> Done[Any]:
            if what == "pay":
                return transfers.pay(found.transfer_id, self.now)
            return transfers.fail(found.transfer_id, "closed", self.now)

        self._somewhere(transfers.all(), number, went_on)

    @rule(number=pick, amount=st.none() | amounts)
    def transfer_returns(self, number: int, amount: int | None) -> None:
        """A paid withdrawal comes back, in full or in part."""
        transfers = self.books.transfers
        self._somewhere(
            transfers.all(),
            number,
            lambda one: transfers.give_back(one.transfer_id, "closed", self.now, amount),
        )
