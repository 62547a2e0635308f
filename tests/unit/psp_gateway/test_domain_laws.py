"""The invariants of `docs/understand/postings.md`, after every step of random life stories."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from services.kernel.errors import DomainError
from services.kernel.money import Money
from services.kernel.movements import Pot
from services.local.mock_psp.books import Bucket
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.accounts import Account, HouseChart, PlayerChart, ProviderChart
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
from tests.fakes.gateway_stories import PLAYERS, GatewayStories, amounts, pick, players
from tests.fakes.ledger_model import NORMAL_DEBIT
from tests.fakes.provider_news import AT, BANK

PROVIDER, HOUSE = ProviderChart(AT, "EUR"), HouseChart("EUR")
R, W = RefundState, WithdrawalState
REFUND_OPEN = (R.REQUESTED, R.SUBMITTING, R.SUBMIT_UNKNOWN, R.PENDING)
RESERVED = (W.RESERVED, W.IN_REVIEW, W.APPROVED)
SENT = (W.SUBMITTING, W.SUBMIT_UNKNOWN, W.SUBMITTED)


class Laws(GatewayStories):
    """The stories, the rest of what can happen in them, and what must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.spent: Counter[str] = Counter()

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
                    landed = funds.land_sweep(found.sweep_id, self.now, fee)
                    # What the bank keeps stands on its statement; the provider does not know it.
                    on_statement = tuple(replace(one, fee_minor=fee) for one in landed.events)
                    self._hear(replace(landed, events=on_statement))
                else:
                    self._hear(funds.fail_sweep(found.sweep_id, self.now))

    @rule(player=players, amount=amounts)
    def spend(self, player: str, amount: int) -> None:
        """A player loses some of his cash at the tables."""
        cash = PlayerChart(player, "EUR").cash
        lost = min(amount, self.ledger.spendable(cash.path))
        self.ledger.balances[cash.path] -= lost
        self.spent[player] += lost

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

    @rule(player=players, amount=amounts)
    def recover(self, player: str, amount: int) -> None:
        """A credit pays what a player owes."""
        fact = facts.ReceivableRecovered(
            object_id=player,
            occurred_at=self.now,
            row_id=f"credit-{self._step()}",
            currency_code="EUR",
            credited_minor=amount,
        )
        self._do(fact)

    @rule(player=players, amount=amounts)
    def write_off(self, player: str, amount: int) -> None:
        """A person gives up what a player owes."""
        before = self.ledger.balances[HOUSE.chargeback_loss.path]
        fact = facts.ReceivableWrittenOff(
            object_id=player,
            occurred_at=self.now,
            decision_id=f"decision-{self._step()}",
            decided_by="carla",
            amount=Money("EUR", amount),
        )
        self._do(fact)
        # For the player it is as if he had found the money.
        self.spent[player] -= self.ledger.balances[HOUSE.chargeback_loss.path] - before

    # --- what must hold ------------------------------------------------------------------------

    def _decided(self) -> Counter[str]:
        """Return the balances as they will be when what is decided is in the ledger."""
        balances = Counter(self.ledger.balances)
        posted = {posting.request_id for posting in self.ledger.posted()}
        for posting in self.gateway.open_postings():
            if posting.request_id not in posted:
                for entry in posting.entries:
                    normal = 1 if entry.account.kind in NORMAL_DEBIT else -1
                    balances[entry.account.path] += entry.signed_minor * normal
        return balances

    def _in_ledger(self, fact: facts.Fact) -> bool:
        return any(
            (posting.object_id, posting.fact) == (fact.object_id, fact.key)
            for posting in self.ledger.posted()
        )

    def _balance(self, *accounts: Account) -> int:
        return sum(self.ledger.balances[account.path] for account in accounts)

    def _players(self, name: str, balances: Counter[str]) -> int:
        return sum(balances[getattr(PlayerChart(player, "EUR"), name).path] for player in PLAYERS)

    @invariant()
    def provider_pots_are_the_providers(self) -> None:
        """Invariant 2: the pots are the provider's own, less the rows that are not applied yet."""
        buckets = self.books.buckets("EUR")
        pots: Counter[Pot] = Counter()
        for news in self.told:
            if any(news.pots.values()) and self._in_ledger(news.fact):
                pots.update(news.pots)
        provider = buckets[Bucket.PENDING] + buckets[Bucket.AVAILABLE]
        assert sum(news.provider for news in self.told) == provider
        assert self._balance(PROVIDER.pending, PROVIDER.available) == pots[Pot.PROVIDER]
        assert self._balance(PROVIDER.rolling_reserve) == pots[Pot.ROLLING_RESERVE]

    @invariant()
    def clearing_is_what_is_open(self) -> None:
        """Invariant 3: each clearing account is the sum of what is open in it."""
        gateway, balances = self.gateway, self._decided()
        withdrawals = gateway.of(Withdrawal)

        def held(states: Any) -> int:
            open_ones = [w for w in withdrawals if w.state in states]
            return sum(w.amount.minor_units + w.fee_minor for w in open_ones)

        def total(rows: Any) -> int:
            return sum(one.amount.minor_units for one in rows)

        assert self._players("withdrawal_reserved", balances) == held(RESERVED)
        assert balances[PROVIDER.withdrawal_clearing.path] == held(SENT)
        asked_for = [r for r in gateway.of(Refund) if r.state in REFUND_OPEN]
        assert balances[PROVIDER.refund_clearing.path] == total(asked_for)
        in_review = [d for d in gateway.of(Deposit) if d.state is DepositState.REVIEW]
        reviewed = sum(d.review_minor for d in in_review)
        assert balances[PROVIDER.review.path] == reviewed
        assert all(d.review_minor == 0 for d in gateway.of(Deposit) if d not in in_review)
        open_disputes = [d for d in gateway.of(Dispute) if d.state is DisputeState.OPEN]
        assert balances[PROVIDER.disputes.path] == total(open_disputes)
        swept = [s for s in gateway.of(Sweep) if s.state is SweepState.IN_TRANSIT]
        assert balances[PROVIDER.in_transit.path] == total(swept)

    @invariant()
    def players_have_what_is_theirs(self) -> None:
        """Invariant 5: no fact credits twice, and nothing a player is owed is in no account."""
        balances = self._decided()
        for player in PLAYERS:
            chart = PlayerChart(player, "EUR")
            mine = (chart.cash, chart.withdrawal_reserved, chart.dispute_freeze, chart.returned)
            has = sum(balances[account.path] for account in mine) - balances[chart.receivable.path]
            assert has + self._elsewhere(player) == self._owed_to(player) - self.spent[player]

    def _elsewhere(self, player: str) -> int:
        """Return what of a player's money is in accounts that he shares with others."""
        deposits = {d.deposit_id: d for d in self.gateway.of(Deposit) if d.player_id == player}
        refunds = [r for r in self.gateway.of(Refund) if r.deposit_id in deposits]
        withdrawals = [w for w in self.gateway.of(Withdrawal) if w.player_id == player]
        return (
            sum(d.review_minor for d in deposits.values())
            + sum(r.amount.minor_units for r in refunds if r.state in REFUND_OPEN)
            + sum(w.amount.minor_units + w.fee_minor for w in withdrawals if w.state in SENT)
        )

    def _owed_to(self, player: str) -> int:  # noqa: C901 - one case a fact.
        """Return what the facts that were applied leave a player, worked out from them alone."""
        owed, lost, paid = 0, {}, set()
        rounds: dict[tuple[str, int], int] = {}
        for fact in self.applied:
            row = self.gateway.rows.get(fact.object_id)
            deposit = self.gateway.rows.get(getattr(row, "deposit_id", ""), row)
            if getattr(deposit, "player_id", "") != player:
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
                    owed -= row.fee_minor if fact.object_id not in paid else 0
                    paid.add(fact.object_id)
                case facts.WithdrawalReturned():
                    owed += fact.amount.minor_units
        return owed

    def teardown(self) -> None:
        """Invariant 4: once a report has brought every fact, they alone decide what is there."""
        self.gateway.finish()
        applied_before = -1
        while applied_before != len(self.applied):
            applied_before = len(self.applied)
            for news in reversed(self.told):
                self._bring(news.fact)
                self.gateway.finish()
        self._assert_nothing_waits()
        self._assert_provider_agrees()
        self._assert_result_follows_from_facts()
        self._assert_booking_comparison_closes()
        self.provider_pots_are_the_providers()
        self.clearing_is_what_is_open()
        self.players_have_what_is_theirs()

    def _assert_nothing_waits(self) -> None:
        assert not self.gateway.open_postings()
        waiting = [n.fact for n in self.told if n.provider and not self._in_ledger(n.fact)]
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
        for news in self.told:
            if isinstance(news.fact, facts.FeeFact):
                fees[type(news.fact)] += news.fact.fee.minor_units
        psp_fees = fees[facts.DepositFee] + fees[facts.RefundFee] + fees[facts.AccountFee]
        assert self._balance(HOUSE.psp_fees) == psp_fees
        assert self._balance(HOUSE.dispute_fees) == fees[facts.DisputeFee]
        assert self._balance(HOUSE.withdrawal_costs) == fees[facts.WithdrawalCost]
        paid = {f.object_id for f in self.applied if isinstance(f, facts.WithdrawalPaid)}
        income = sum(self.gateway.rows[one].fee_minor for one in paid)
        assert self._balance(HOUSE.withdrawal_fees) == income

    def _assert_booking_comparison_closes(self) -> None:
        """What reconciliation's first comparison sees: events and postings, by object and fact."""
        difference: Counter[tuple[str, str, Pot]] = Counter()
        for event in self.gateway.events:
            for effect in event.effects:
                difference[event.object_id, event.fact, effect.pot] += effect.amount_minor
        for posting in self.ledger.posted():
            for effect in posting.effects:
                difference[posting.object_id, posting.fact, effect.pot] -= effect.amount_minor
        assert not any(difference.values())


TestLaws = Laws.TestCase
TestLaws.settings = settings(
    max_examples=100,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
