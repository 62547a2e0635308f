"""The one way in for a fact, in memory, which can crash between any two commits."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from services.psp_gateway.domain import (
    deposit,
    dispute,
    facts,
    player,
    provider_account,
    refund,
    withdrawal,
)
from services.psp_gateway.domain.accounts import PlayerChart, ProviderAccount
from services.psp_gateway.domain.exceptions import RaisedException
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.machine import Decision, Event, Refusal, Situation, Verdict
from services.psp_gateway.domain.objects import Deposit, Dispute, Refund, Sweep, Withdrawal
from services.psp_gateway.domain.postings import Posting
from tests.fakes.ledger_model import LedgerModel


class Crash(Enum):
    """Where the process dies."""

    NOWHERE = "nowhere"
    BEFORE_COMMIT = "before the fact is committed"
    AFTER_COMMIT = "after the commit, before the ledger is called"
    AFTER_LEDGER = "after the ledger answered, before that is written down"


class IntentState(Enum):
    """What is known of the ledger's answer."""

    OPEN = "open"
    POSTED = "posted"
    REFUSED = "refused"


@dataclass
class Intent:
    """A posting intent's row."""

    posting: Posting
    fact: facts.Fact
    state: IntentState = IntentState.OPEN


@dataclass
class GatewayModel:
    """Rows, events and intents, and the use case that changes them."""

    ledger: LedgerModel
    now: datetime
    at: ProviderAccount
    currency_code: str = "EUR"
    rows: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)
    exceptions: list[RaisedException] = field(default_factory=list)
    stale_cash_minor: int = 0
    """By how much the cash that was read is more than what is there when the ledger is called."""

    def bring(self, fact: facts.Fact, crash: Crash = Crash.NOWHERE) -> Decision[Any] | None:
        """Apply a fact as the use case does; None if the process died before the commit."""
        decision = self._decide(fact)
        if crash is Crash.BEFORE_COMMIT:
            return None
        self._write(fact, decision)
        if crash is not Crash.AFTER_COMMIT:
            self.finish(crash)
        return decision

    def finish(self, crash: Crash = Crash.NOWHERE) -> None:
        """Call the ledger for every open intent, as the use case and the janitor do."""
        for intent in self.intents:  # It grows while an answer adds a posting.
            if intent.state is not IntentState.OPEN:
                continue
            refusal = self.ledger.post(intent.posting)
            if crash is Crash.AFTER_LEDGER:
                return
            if refusal is None:
                intent.state = IntentState.POSTED
                continue
            answer = self._answer(intent, refusal)
            assert answer.verdict is Verdict.APPLIED, answer
            intent.state = IntentState.REFUSED
            self._write(intent.fact, answer)

    def open_postings(self) -> list[Posting]:
        """Return what was decided and is, as far as is known, not in the ledger."""
        return [i.posting for i in self.intents if i.state is IntentState.OPEN]

    def known(self, fact: facts.Fact) -> bool:
        """Return whether the fact was applied."""
        return any((e.object_id, e.fact) == (fact.object_id, fact.key) for e in self.events)

    def of(self, kind: type[Any]) -> list[Any]:
        """Return the rows of one kind."""
        return [row for row in self.rows.values() if isinstance(row, kind)]

    def row_id(self, fact: facts.Fact) -> str:
        """Return under which id the fact's row is kept."""
        if isinstance(fact, facts.SweepSent | facts.SweepBanked | facts.SweepFailed):
            return f"{fact.object_id} {fact.row_id}"
        return fact.object_id

    def _decide(self, fact: facts.Fact) -> Decision[Any]:  # noqa: PLR0911 - one case a kind of row.
        situation = self._situation(fact)
        row = self._row(fact)
        match row:
            case Deposit():
                return deposit.decide(row, fact, situation)
            case Refund():
                return refund.decide(row, self.rows[row.deposit_id], fact, situation)
            case Dispute():
                return dispute.decide(row, self.rows[row.deposit_id], fact, situation)
            case Withdrawal():
                return withdrawal.decide(row, fact, situation)
            case Sweep():
                return provider_account.decide_sweep(row, fact, situation)
            case PlayerChart():
                return player.decide(row, fact, situation)
        return provider_account.decide(row, fact, situation)

    def _answer(self, intent: Intent, refusal: Refusal) -> Decision[Any]:
        situation = self._situation(intent.fact)
        row, posting = self._row(intent.fact), intent.posting
        match row:
            case Deposit():
                return deposit.refused(row, posting, refusal, situation)
            case Refund():
                return refund.refused(row, self.rows[row.deposit_id], posting, refusal, situation)
            case Dispute():
                return dispute.refused(row, self.rows[row.deposit_id], posting, refusal, situation)
            case Withdrawal():
                return withdrawal.refused(row, posting, refusal, situation)
            case PlayerChart():
                return player.refused(row, posting, refusal, situation)
        return provider_account.refused(row, posting, refusal)

    def _row(self, fact: facts.Fact) -> Any:
        if fact.object_type is ObjectType.PLAYER:
            return PlayerChart(fact.object_id, self.currency_code)
        if isinstance(fact, facts.SweepSent | facts.SweepBanked | facts.SweepFailed):
            return self.rows.get(self.row_id(fact), Sweep(sweep_id=fact.row_id, at=self.at))
        return self.rows.get(fact.object_id, self.at)

    def _situation(self, fact: facts.Fact) -> Situation:
        row = self._row(fact)
        family = {fact.object_id, getattr(row, "deposit_id", fact.object_id)}
        player_id = getattr(row, "player_id", "")
        if isinstance(row, Refund | Dispute):
            player_id = self.rows[row.deposit_id].player_id
        chart = PlayerChart(player_id, self.currency_code) if player_id else None
        return Situation(
            now=self.now,
            known=self.known(fact),
            posted=not any(p.object_id in family for p in self.open_postings()),
            cash_minor=self.ledger.spendable(chart.cash.path) + self.stale_cash_minor
            if chart
            else 0,
            receivable_minor=self.ledger.balances[chart.receivable.path] if chart else 0,
        )

    def _write(self, fact: facts.Fact, decision: Decision[Any]) -> None:
        """One unit of work."""
        fresh = [(e.object_id, e.fact) for e in decision.events if not e.refusal]
        told = {(e.object_id, e.fact) for e in self.events}
        assert not told.intersection(fresh), "an event is recorded once"
        self.exceptions += decision.exceptions
        if decision.verdict is not Verdict.APPLIED:
            return
        if not isinstance(decision.row, PlayerChart | ProviderAccount):
            self.rows[self.row_id(fact)] = decision.row
        if decision.deposit:
            self.rows[decision.deposit.deposit_id] = decision.deposit
        self.events += decision.events
        self.intents += [Intent(posting, fact) for posting in decision.postings]
