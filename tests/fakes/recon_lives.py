"""Lives of a provider account over several runs: correct ones, with all that may be late."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from services.formats.report import ReportBalance, ReportLine
from services.kernel.movements import MovementKind, Pot
from services.reconciliation.domain.inputs import GatewayMovement
from services.reconciliation.domain.rules import Rules
from tests.fakes.recon_days import MONDAY, Days, Done, line, movement

K = MovementKind
RULES = Rules(settlement_grace_days=5)
_QUIET_RUNS = 2


@dataclass
class Fact:
    """Something that happened to an object, with its effects on the pots."""

    object_id: str
    name: str
    movements: tuple[GatewayMovement, ...]


@dataclass
class Run:
    """What arrives between one cut and the next."""

    learned: list[Fact] = field(default_factory=list)
    """By the gateway."""
    booked: list[Fact] = field(default_factory=list)
    """By the ledger."""
    lines: list[list[ReportLine]] = field(default_factory=list)
    """By reports, one or two of them."""


class Life:
    """A life of `runs` runs, and some quiet ones in which all that was late arrives.

    A webhook or a posting may be one run late (never both), a report line one or two; a sweep comes
    two runs after its lines; a run may find two reports.
    """

    def __init__(self, seed: int, runs: int = 3) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret.
        self.runs = [Run() for _ in range(runs + _QUIET_RUNS)]
        self._number = 0
        for index in range(runs):
            self._one(index)
        for index, run in enumerate(self.runs):
            self._book_report(run)
            self._split_report(run, twice=index == 1)

    def _one(self, index: int) -> None:
        chance = self._random.random
        sweep = f"po{index}" if index % 2 == 0 else ""
        swept = 0
        for _ in range(self._random.randint(2, 5)):
            self._number += 1
            key, deposit = f"ch{self._number}", f"dep/{self._number}"
            gross = self._random.choice([2000, 5000, 5000, 10000])
            foreign = chance() < 0.2
            self._learn(index, deposit, "captured", movement(gross, key, currency=_code(foreign)))
            captured = line(1, K.CAPTURE, key, gross, fee=90, sweep=sweep)
            if foreign:
                net = gross * 9 // 10 - 90
                captured = replace(captured, gross_currency="USD", net_minor=net)
            late = 0 if sweep else self._random.choice([0, 0, 1, 2])
            self._settle(min(index + late, len(self.runs) - 1), captured)
            swept += captured.net_minor if sweep else 0
            if chance() < 0.3 and not foreign:
                self._learn(index, f"ref/{self._number}", "succeeded",
                            movement(-700, f"re{self._number}", K.REFUND))  # fmt: skip
                self._settle(index, line(1, K.REFUND, f"re{self._number}", -700))
            if chance() < 0.2 and not foreign:
                self._dispute(index, gross)
        reserve = line(1, K.ROLLING_RESERVE, f"rr{index}", -300, sweep=sweep)
        self._settle(index, reserve)
        self._settle(index + 2, line(1, K.ROLLING_RESERVE_RELEASE, f"rr{index}", 300))
        if sweep:
            self._settle(index + 2, line(1, K.SWEEP, sweep, -(swept - 300)))

    def _dispute(self, index: int, gross: int) -> None:
        key, name = f"du{self._number}", f"dis/{self._number}"
        taken = (
            movement(-gross, key, K.DISPUTE),
            movement(gross, key, K.DISPUTE, pot=Pot.CLEARING),
        )
        self._learn(index, name, "funds_withdrawn", *taken)
        self._settle(index, line(1, K.DISPUTE, key, -gross, fee=1500))
        given = (
            movement(gross, key, K.DISPUTE_REVERSAL),
            movement(-gross, key, K.DISPUTE_REVERSAL, pot=Pot.CLEARING),
        )
        self._learn(index + 1, name, "reinstated", *given)
        self._settle(index + 1, line(1, K.DISPUTE_REVERSAL, key, gross))

    def _learn(self, index: int, object_id: str, name: str, *movements: GatewayMovement) -> None:
        fact = Fact(object_id, name, movements)
        webhook_late, posting_late = self._random.choice([(0, 0), (0, 0), (1, 1), (0, 1)])
        self.runs[index + webhook_late].learned.append(fact)
        self.runs[index + posting_late].booked.append(fact)

    def _settle(self, index: int, settled: ReportLine) -> None:
        self.runs[index].lines = [[*(self.runs[index].lines or [[]])[0], settled]]

    def _book_report(self, run: Run) -> None:
        """The gateway books what only the report knows before the cut is taken."""
        for settled in (run.lines or [[]])[0]:
            for fact in report_facts(settled):
                run.learned.append(fact)
                run.booked.append(fact)

    def _split_report(self, run: Run, *, twice: bool) -> None:
        lines = (run.lines or [[]])[0]
        self._random.shuffle(lines)
        run.lines = [lines[:2], lines[2:]] if twice else [lines]


def _code(foreign: bool) -> str:
    return "USD" if foreign else "EUR"


def report_facts(settled: ReportLine) -> list[Fact]:
    """What the gateway learns from a line and from nothing else."""
    key, facts = settled.movement_key, []
    if settled.fee_minor:
        kind = K.DISPUTE_FEE if settled.kind is K.DISPUTE else K.CAPTURE_FEE
        facts.append(Fact(key, "fee", (movement(-settled.fee_minor, key, kind),)))
    if settled.gross_currency != settled.net_currency:
        sold = movement(-settled.gross_minor, key, K.EXCHANGE, currency="USD")
        bought = movement(settled.net_minor + settled.fee_minor, key, K.EXCHANGE)
        facts.append(Fact(key, "exchanged", (sold, bought)))
    other = {
        K.SWEEP: Pot.TRANSIT,
        K.ROLLING_RESERVE: Pot.ROLLING_RESERVE,
        K.ROLLING_RESERVE_RELEASE: Pot.ROLLING_RESERVE,
    }.get(settled.kind)
    if other:
        gross = settled.gross_minor
        moved = (movement(gross, key, settled.kind), movement(-gross, key, settled.kind, pot=other))
        facts.append(Fact(key, settled.kind.value, moved))
    return facts


def play(days: Days, runs: Sequence[Run]) -> list[Done]:
    """Run a life, day after day; the provider gives its own balances with every report."""
    batch, day = 0, MONDAY
    balances = {(pot, "EUR"): 0 for pot in (Pot.PROVIDER, Pot.ROLLING_RESERVE)}
    done = []
    for run in runs:
        for fact in run.learned:
            days.books.happen(fact.object_id, fact.name, *fact.movements)
        for fact in run.booked:
            days.books.book(fact.object_id, fact.name, *fact.movements)
        reports = []
        for lines in run.lines:
            batch += 1
            opening = dict(balances)
            for settled in lines:
                balances[Pot.PROVIDER, settled.net_currency] += settled.net_minor
                if settled.kind in {K.ROLLING_RESERVE, K.ROLLING_RESERVE_RELEASE}:
                    balances[Pot.ROLLING_RESERVE, settled.net_currency] -= settled.gross_minor
            numbered = [replace(each, line_number=n) for n, each in enumerate(lines, start=1)]
            own = [
                ReportBalance(pot, code, opening[pot, code], closing)
                for (pot, code), closing in balances.items()
            ]
            reports.append(days.report(batch, *numbered, balances=own))
        day += timedelta(days=len(reports) - 1)
        done.append(days.run(*reports, day=day))
        day += timedelta(days=1)
    return done
