"""The invariants of `docs/understand/postings.md`, after every step of random life stories.

The same body runs on the store in memory and on PostgreSQL.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from services.kernel.errors import DomainError
from services.kernel.movements import Pot
from services.local.mock_psp.books import Bucket
from services.psp_gateway.application.records import Identity, IntentState
from services.psp_gateway.domain import facts, withdrawal
from services.psp_gateway.domain.accounts import Account, HouseChart, PlayerChart, ProviderChart
from services.psp_gateway.domain.machine import RECOMPUTED_MAX
from services.psp_gateway.domain.objects import (
    Deposit,
    DepositState,
    Dispute,
    DisputeState,
    Refund,
    RefundState,
    Sweep,
    SweepState,
    Withdrawal,
    WithdrawalState,
)
from services.psp_gateway.domain.postings import Direction
from tests.fakes.gateway_checks import check_bookkeeping, fact_of
from tests.fakes.gateway_stories import PLAYERS, GatewayStories, amounts, pick, players, troubles
from tests.fakes.gateway_world import World, eur
from tests.fakes.ledger_model import change_of
from tests.fakes.provider_news import AT, BANK, Letter
from tests.fakes.troubles import Trouble

PROVIDER, HOUSE = ProviderChart(AT, "EUR"), HouseChart("EUR")
R, W = RefundState, WithdrawalState
REFUND_OPEN = (R.REQUESTED, R.SUBMITTING, R.SUBMIT_UNKNOWN, R.PENDING)
RESERVED = (W.RESERVED, W.IN_REVIEW, W.APPROVED)
SENT = (W.SUBMITTING, W.SUBMIT_UNKNOWN, W.SUBMITTED)
_TAKES = {
    facts.DepositCaptureFailed.name,
    facts.RefundMadeAtProvider.name,
    withdrawal.PAID_AFTER_FAILED,
}
_BRING_NEW_MONEY = {facts.DepositCaptured.name, facts.DepositReviewApproved.name}


class GatewayLaws(GatewayStories):
    """The stories, the rest of what can happen in them, and what must hold."""

    def __init__(self, new_world: Callable[[datetime], World]) -> None:
        super().__init__(new_world)
        self.settled: set[str] = set()
        self.head_before = 0

    # --- the provider account, and the players -------------------------------------------------

    @rule(number=pick, amount=amounts, what=st.sampled_from(["keep", "release", "fee", "top_up"]))
    def account_changes(self, number: int, amount: int, what: str) -> None:
        """The provider keeps money back, gives it free or charges for nothing in particular."""
        step = self._step()
        funds = self.books.funds
        with suppress(DomainError):
            if what == "keep":
                self._hear(funds.keep_reserve("EUR", amount, self.now))
            elif what == "fee":
                self._hear(funds.charge_account_fee("EUR", amount - 1_000, self.now))
            elif what == "top_up":
                self._hear(funds.top_up(f"top-up-{step}", "EUR", amount, self.now))
            elif kept := self._one(funds.reserves(), number):
                part = min(amount, kept.left_minor)
                self._hear(funds.release_reserve(kept.reserve_id, self.now, part))

    @rule(number=pick, fee=st.sampled_from([0, 5]), what=st.sampled_from(["new", "land", "fail"]))
    def sweep(self, number: int, fee: int, what: str) -> None:
        """A sweep leaves, arrives at the bank, or comes back from its way or from the bank."""
        self._step()
        funds = self.books.funds
        with suppress(DomainError):
            if what == "new":
                self._hear(funds.sweep("EUR", self.now))
            elif found := self._one(funds.sweeps(), number):
                if what == "land":
                    # What the bank keeps stands on its statement; the provider does not know it.
                    self._hear(funds.land_sweep(found.sweep_id, self.now, fee), fee)
                else:
                    self._hear(funds.fail_sweep(found.sweep_id, self.now))

    @rule(player=players, amount=amounts)
    def spend(self, player: str, amount: int) -> None:
        """A player loses some of his cash at the tables."""
        self._loses(player, amount)

    @rule(
        player=players,
        sides=st.sampled_from(
            [set(), set(), {Direction.DEBIT}, {Direction.CREDIT}, set(Direction)]
        ),
        closes=st.booleans(),
    )
    def account_state(self, player: str, sides: set[Direction], closes: bool) -> None:
        """People freeze a player's cash account on some sides, or close it at zero."""
        path = PlayerChart(player, "EUR").cash.path
        self.ledger.frozen = {one for one in self.ledger.frozen if one[0] != path}
        self.ledger.frozen |= {(path, side) for side in sides}
        self.ledger.closed.discard(path)
        if closes and not self.ledger.balances[path]:
            self.ledger.closed.add(path)

    @rule(player=players, amount=amounts, trouble=troubles)
    def write_off(self, player: str, amount: int, trouble: Trouble | None) -> None:
        """A person gives up what a player owes."""
        before = self.ledger.balances[HOUSE.chargeback_loss.path]
        fact = facts.ReceivableWrittenOff(
            object_id=player,
            occurred_at=self.now,
            decision_id=f"decision-{self._step()}",
            decided_by="carla",
            amount=eur(amount),
        )
        self._do(fact, trouble)
        # For the player it is as if he had found the money.
        self.spent[player] -= self.ledger.balances[HOUSE.chargeback_loss.path] - before

    # --- what must hold ------------------------------------------------------------------------

    @invariant()
    def check_laws(self) -> None:
        """Check every law; a rule that takes several steps does it after each."""
        check_bookkeeping(self.world.stored(), self.ledger)
        self._recorded_letters_are_in()
        self._credits_pay_what_is_owed()
        self._what_is_taken_is_what_was_there()
        self._provider_pots_are_the_providers()
        self._clearing_is_what_is_open()
        self._players_have_what_is_theirs()

    def _decided(self) -> Counter[str]:
        """Return the balances as they will be when what is decided is in the ledger."""
        balances = Counter(self.ledger.balances)
        for row in self.world.stored().intents:
            posting = row.intent.posting
            if row.state is IntentState.OPEN and posting.request_id not in self.ledger.booked:
                for entry in posting.entries:
                    balances[entry.account.path] += change_of(entry)
        return balances

    def _facts_of(self, letter: Letter) -> list[facts.Fact]:
        """Return what a letter tells; under no id of ours while it is not known about what."""
        notice = letter.notice
        if letter.told:
            return list(letter.told)
        identity = self.world.stored().identities.get(
            (notice.object_type, notice.provider_object_id)
        )
        if notice.object_type is facts.ObjectType.PROVIDER_ACCOUNT:
            identity = Identity(notice.object_type, str(AT))
        if identity is None:
            return list(notice.facts_for(Identity(notice.object_type, "", 1)))
        return list(letter.facts_for(identity))

    def _moves(self) -> list[tuple[facts.Fact, Counter[Pot]]]:
        """Return the facts that were told and what each did to the provider's pots."""
        moves = {
            (fact.object_id, fact.key, letter.letter_id): (fact, letter.pots_of(fact))
            for letter in self.told
            for fact in self._facts_of(letter)
        }
        return list(moves.values())

    def _in_ledger(self) -> set[tuple[str, str]]:
        return {(one.object_id, one.fact) for one in self.ledger.booked.values()}

    def _applied(self) -> list[facts.Fact]:
        """Return the provider's facts that were applied, in the order in which they were."""
        told = {
            (fact.object_id, fact.key): fact
            for letter in self.told
            for fact in self._facts_of(letter)
        }
        events = [event for _, event in self.world.stored().events if not event.refusal]
        applied = [told.get((event.object_id, event.fact)) for event in events]
        return [fact for fact in applied if fact]

    def _balance(self, *accounts: Account) -> int:
        return sum(self.ledger.balances[account.path] for account in accounts)

    def _players(self, name: str, balances: Counter[str]) -> int:
        return sum(balances[getattr(PlayerChart(player, "EUR"), name).path] for player in PLAYERS)

    def _recorded_letters_are_in(self) -> None:
        """A letter that is recorded as done has left every fact of its that moves money."""
        stored = self.world.stored()
        known = {fact_of(event) for _, event in stored.events}
        for letter in self.told:
            if letter.letter_id in stored.requests:
                moving = [f for f in self._facts_of(letter) if any(letter.pots_of(f).values())]
                assert known >= {(fact.object_id, fact.key) for fact in moving}

    def _credits_pay_what_is_owed(self) -> None:
        """Whoever is credited while he owes pays of it, before the credit is done with."""
        stored = self.world.stored()
        recovered = {event.fact for _, event in stored.events}
        for row in stored.intents:
            posting = row.intent.posting
            if row.state is not IntentState.POSTED or posting.request_id in self.settled:
                continue
            self.settled.add(posting.request_id)
            booked = self.ledger.booked[posting.request_id]
            for player in PLAYERS if posting.name in _BRING_NEW_MONEY else ():
                chart = PlayerChart(player, "EUR")
                credited = any(entry.account == chart.cash for entry in posting.entries)
                owed = booked.owed.get(chart.receivable.path)
                owes = self.ledger.balances[chart.receivable.path]
                if credited and owed and owes and self.ledger.spendable(chart.cash.path):
                    assert f"recovered.tx-{row.ledger_sequence}" in recovered

    def _what_is_taken_is_what_was_there(self) -> None:
        """A player owes no more than what was not in his cash when somebody last looked."""
        stored, looks = self.world.stored(), self.ledger.looks
        in_review = {
            row.intent.posting.object_id
            for row in stored.intents
            if any(entry.account == PROVIDER.review for entry in row.intent.posting.entries)
        }
        deposit_of = {one.refund_id: one.deposit_id for one in stored.of(Refund)}
        for row in stored.intents:
            posting = row.intent.posting
            deposit_id = deposit_of.get(posting.object_id, posting.object_id)
            fresh = row.intent.event_sequence > self.head_before
            if not fresh or deposit_id in in_review or posting.name not in _TAKES:
                continue
            legs = {entry.account.path: entry.amount_minor for entry in posting.entries}
            for chart in (PlayerChart(player, "EUR") for player in PLAYERS):
                owes = legs.get(chart.receivable.path, 0)
                seen = looks.get(chart.cash.path, [])
                if owes and len(seen) < RECOMPUTED_MAX:
                    taken = legs.get(chart.cash.path, 0)
                    assert taken in {min(taken + owes, max(0, cash)) for cash in seen}
        self.head_before = stored.head
        looks.clear()

    def _provider_pots_are_the_providers(self) -> None:
        """Invariant 2: the pots are the provider's own, less the rows that are not applied yet."""
        buckets = self.books.buckets("EUR")
        pots: Counter[Pot] = Counter()
        total, booked = 0, self._in_ledger()
        for fact, moved in self._moves():
            total += moved[Pot.PROVIDER]
            if (fact.object_id, fact.key) in booked:
                pots.update(moved)
        assert total == buckets[Bucket.PENDING] + buckets[Bucket.AVAILABLE]
        assert self._balance(PROVIDER.pending, PROVIDER.available) == pots[Pot.PROVIDER]
        assert self._balance(PROVIDER.rolling_reserve) == pots[Pot.ROLLING_RESERVE]

    def _clearing_is_what_is_open(self) -> None:
        """Invariant 3: each clearing account is the sum of what is open in it."""
        stored, balances = self.world.stored(), self._decided()
        withdrawals = stored.of(Withdrawal)

        def held(states: Any) -> int:
            open_ones = [w for w in withdrawals if w.state in states]
            return sum(w.amount.minor_units + w.fee_minor for w in open_ones)

        def total(rows: Any) -> int:
            return sum(one.amount.minor_units for one in rows)

        assert self._players("withdrawal_reserved", balances) == held(RESERVED)
        assert balances[PROVIDER.withdrawal_clearing.path] == held(SENT)
        asked_for = [r for r in stored.of(Refund) if r.state in REFUND_OPEN]
        assert balances[PROVIDER.refund_clearing.path] == total(asked_for)
        in_review = [d for d in stored.of(Deposit) if d.state is DepositState.REVIEW]
        reviewed = sum(d.review_minor for d in in_review)
        assert balances[PROVIDER.review.path] == reviewed
        assert all(d.review_minor == 0 for d in stored.of(Deposit) if d not in in_review)
        open_disputes = [d for d in stored.of(Dispute) if d.state is DisputeState.OPEN]
        assert balances[PROVIDER.disputes.path] == total(open_disputes)
        swept = [s for s in stored.of(Sweep) if s.state is SweepState.IN_TRANSIT]
        assert balances[PROVIDER.in_transit.path] == total(swept)

    def _players_have_what_is_theirs(self) -> None:
        """Invariant 5: no fact credits twice, and nothing a player is owed is in no account."""
        balances = self._decided()
        for player in PLAYERS:
            chart = PlayerChart(player, "EUR")
            mine = (chart.cash, chart.withdrawal_reserved, chart.dispute_freeze, chart.returned)
            has = sum(balances[account.path] for account in mine) - balances[chart.receivable.path]
            assert has + self._elsewhere(player) == self._owed_to(player) - self.spent[player]

    def _elsewhere(self, player: str) -> int:
        """Return what of a player's money is in accounts that he shares with others."""
        stored = self.world.stored()
        deposits = {d.deposit_id: d for d in stored.of(Deposit) if d.player_id == player}
        refunds = [r for r in stored.of(Refund) if r.deposit_id in deposits]
        withdrawals = [w for w in stored.of(Withdrawal) if w.player_id == player]
        return (
            sum(d.review_minor for d in deposits.values())
            + sum(r.amount.minor_units for r in refunds if r.state in REFUND_OPEN)
            + sum(w.amount.minor_units + w.fee_minor for w in withdrawals if w.state in SENT)
        )

    def _owed_to(self, player: str) -> int:  # noqa: C901 - one case a fact.
        """Return what the facts that were applied leave a player, worked out from them alone."""
        owed, lost, paid = 0, {}, set()
        rounds: dict[tuple[str, int], int] = {}
        stored = self.world.stored()
        deposits = {one.deposit_id: one for one in stored.of(Deposit)}
        withdrawals = {one.withdrawal_id: one for one in stored.of(Withdrawal)}
        owners = {
            object_id: one.player_id for object_id, one in {**deposits, **withdrawals}.items()
        }
        owners |= {one.refund_id: owners[one.deposit_id] for one in stored.of(Refund)}
        owners |= {one.dispute_id: owners[one.deposit_id] for one in stored.of(Dispute)}
        for fact in self._applied():
            if owners.get(fact.object_id) != player:
                continue
            match fact:
                case facts.DepositCaptured() | facts.RefundFailedAfterSuccess():
                    owed += fact.amount.minor_units
                case facts.DepositCaptureFailed():
                    owed -= fact.amount.minor_units
                case facts.RefundSucceeded() | facts.RefundMadeAtProvider():
                    owed -= fact.amount.minor_units
                case facts.DisputeFundsWithdrawn():
                    rounds[fact.object_id, fact.round_number] = fact.amount.minor_units
                case facts.DisputeLost():
                    lost[fact.object_id, fact.round_number] = True
                    owed -= rounds[fact.object_id, fact.round_number]
                case facts.DisputeReinstated():
                    round_id = (fact.object_id, fact.round_number)
                    owed += fact.amount.minor_units
                    owed -= 0 if round_id in lost else rounds[round_id]
                case facts.WithdrawalPaid():
                    owed -= fact.amount.minor_units
                    first = fact.object_id not in paid
                    owed -= withdrawals[fact.object_id].fee_minor if first else 0
                    paid.add(fact.object_id)
                case facts.WithdrawalReturned():
                    owed += fact.amount.minor_units
        return owed

    def teardown(self) -> None:
        """Invariant 4: once a report has brought every fact, they alone decide what is there."""
        self._bring_everything()
        self._assert_nothing_waits()
        self._assert_provider_agrees()
        self._assert_result_follows_from_facts()
        self._assert_booking_comparison_closes()

    def _bring_everything(self) -> None:
        head = -1
        while head != self.world.stored().head:
            self.world.finish()
            head = self.world.stored().head
            for letter in reversed(self.told):
                self._take(letter)
                self.world.finish()
        self.check_laws()

    def _assert_nothing_waits(self) -> None:
        assert {letter.letter_id for letter in self.told} <= set(self.world.stored().requests)
        booked = self._in_ledger()
        waiting = [
            fact
            for fact, moved in self._moves()
            if any(moved.values()) and (fact.object_id, fact.key) not in booked
        ]
        assert not waiting

    def _assert_provider_agrees(self) -> None:
        buckets = self.books.buckets("EUR")
        assert self._balance(PROVIDER.pending) == buckets[Bucket.PENDING]
        assert self._balance(PROVIDER.available) == buckets[Bucket.AVAILABLE]
        assert self._balance(PROVIDER.in_transit) == buckets[Bucket.IN_TRANSIT]
        assert self._balance(PROVIDER.rolling_reserve) == buckets[Bucket.ROLLING_RESERVE]
        assert self._balance(HOUSE.bank(BANK)) == buckets[Bucket.BANK]

    def _assert_result_follows_from_facts(self) -> None:
        fees: Counter[type[facts.Fact]] = Counter()
        for fact, _ in self._moves():
            if isinstance(fact, facts.FeeFact):
                fees[type(fact)] += fact.fee.minor_units
        psp_fees = fees[facts.DepositFee] + fees[facts.RefundFee] + fees[facts.AccountFee]
        assert self._balance(HOUSE.psp_fees) == psp_fees
        assert self._balance(HOUSE.dispute_fees) == fees[facts.DisputeFee]
        assert self._balance(HOUSE.withdrawal_costs) == fees[facts.WithdrawalCost]
        paid = {f.object_id for f in self._applied() if isinstance(f, facts.WithdrawalPaid)}
        withdrawals = self.world.stored().of(Withdrawal)
        income = sum(one.fee_minor for one in withdrawals if one.withdrawal_id in paid)
        assert self._balance(HOUSE.withdrawal_fees) == income

    def _assert_booking_comparison_closes(self) -> None:
        """What reconciliation's first comparison sees: events and postings, by object and fact."""
        difference: Counter[tuple[str, str, Pot]] = Counter()
        for _, event in self.world.stored().events:
            for effect in event.effects:
                difference[event.object_id, event.fact, effect.pot] += effect.amount_minor
        for booked in self.ledger.booked.values():
            for entry in booked.entries:
                if entry.account.pot:
                    key = (booked.object_id, booked.fact, entry.account.pot)
                    difference[key] -= entry.signed_minor
        assert not any(difference.values())
