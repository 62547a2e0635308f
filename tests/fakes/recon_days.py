"""Days of one provider account, run through the real steps: stage, match, prove, seal."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from services.formats.report import ReportBalance, ReportLine, SettlementReport
from services.kernel.movements import MovementKind, Pot
from services.reconciliation.adapters.duckdb.engine import EngineLimits, open_engine
from services.reconciliation.adapters.duckdb.files import RunFolders
from services.reconciliation.adapters.duckdb.match import MatchResult, match
from services.reconciliation.adapters.duckdb.prove import Evidence, prove
from services.reconciliation.adapters.duckdb.seal import seal
from services.reconciliation.adapters.duckdb.stage import (
    stage_gateway,
    stage_ledger,
    stage_settlement,
)
from services.reconciliation.domain.inputs import (
    GatewayEvent,
    GatewayMovement,
    LedgerBalance,
    LedgerEntry,
    LedgerTransaction,
    RunScope,
    ScannedRange,
)
from services.reconciliation.domain.rows import Side
from services.reconciliation.domain.rules import Rules
from services.reconciliation.domain.staging import totals_of
from services.reconciliation.domain.statement import Statement

MONDAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LIMITS = EngineLimits(threads=2, memory_mb=256)

_ACCOUNT_OF = {
    Pot.PROVIDER: "available",
    Pot.TRANSIT: "in_transit",
    Pot.ROLLING_RESERVE: "rolling_reserve",
    Pot.CLEARING: "disputes",
}
POTS = {
    f"asset/psp/mock/main/{name}/{currency}": pot
    for pot, name in [*_ACCOUNT_OF.items(), (Pot.PROVIDER, "pending")]
    for currency in ("eur", "usd")
}


def account(pot: Pot, currency: str = "EUR") -> str:
    """The account that a test's money of this pot stands on."""
    return f"asset/psp/mock/main/{_ACCOUNT_OF[pot]}/{currency.lower()}"


def line(
    number: int,
    kind: MovementKind,
    key: str,
    gross: int,
    *,
    fee: int = 0,
    currency: str = "EUR",
    sweep: str = "",
) -> ReportLine:
    """A report line in one currency."""
    return ReportLine(
        line_number=number,
        row_id=f"txn_{key}_{number}",
        kind=kind,
        raw_type=kind.value,
        movement_key=key,
        object_key="",
        reference="",
        gross_minor=gross,
        gross_currency=currency,
        fee_minor=fee,
        net_minor=gross - fee,
        net_currency=currency,
        occurred_at=NOON,
        available_at=None,
        sweep_key=sweep,
    )


def movement(
    amount: int,
    key: str,
    kind: MovementKind = MovementKind.CAPTURE,
    *,
    pot: Pot = Pot.PROVIDER,
    currency: str = "EUR",
) -> GatewayMovement:
    """A movement of a gateway event."""
    return GatewayMovement(pot, currency, amount, key, kind)


@dataclass
class Books:
    """The gateway's and the ledger's sequences, filled by a test day by day."""

    events: list[GatewayEvent] = field(default_factory=list)
    transactions: list[LedgerTransaction] = field(default_factory=list)

    def happen(self, object_id: str, fact: str, *movements: GatewayMovement) -> None:
        """The gateway learns a fact."""
        sequence = len(self.events) + 1
        self.events.append(
            GatewayEvent(sequence, f"event-{sequence}", object_id, fact, NOON, movements)
        )

    def book(self, object_id: str, fact: str, *movements: GatewayMovement) -> None:
        """The ledger books a fact, with a leg against each movement; keys are the first one's."""
        first = movements[0]
        self.post(
            [
                (account(each.pot, each.currency_code), each.currency_code, each.amount_minor)
                for each in movements
            ],
            object=object_id,
            fact=fact,
            movement_key=first.movement_key,
            movement_kind=first.movement_kind.value,
        )

    def post(self, legs: Iterable[tuple[str, str, int]], **metadata: str) -> None:
        """The ledger posts legs against elsewhere, saying only what `metadata` says."""
        sequence = len(self.transactions) + 1
        entries = [
            entry
            for account_id, currency, amount in legs
            for entry in (
                LedgerEntry(account_id, currency, amount),
                LedgerEntry(f"elsewhere/{currency.lower()}", currency, -amount),
            )
        ]
        self.transactions.append(
            LedgerTransaction(sequence, f"tx-{sequence}", NOON, tuple(entries), metadata)
        )

    def both(self, object_id: str, fact: str, *movements: GatewayMovement) -> None:
        """The gateway learns a fact and the ledger books it."""
        self.happen(object_id, fact, *movements)
        self.book(object_id, fact, *movements)

    def balances(self) -> list[LedgerBalance]:
        """Every account of the pots, summed from all that was ever posted."""
        sums = dict.fromkeys(POTS, 0)
        for transaction in self.transactions:
            for entry in transaction.entries:
                if entry.account_id in sums:
                    sums[entry.account_id] += entry.debit_less_credit_minor
        return [
            LedgerBalance(account_id, account_id.rsplit("/", 1)[1].upper(), balance)
            for account_id, balance in sums.items()
        ]


@dataclass(frozen=True)
class Done:
    """A day that was run."""

    evidence: Evidence
    matched: MatchResult
    statement: Statement

    @property
    def folder(self) -> Path:
        """Its files."""
        return self.evidence.folders.folder

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of one of its files."""
        with duckdb.connect() as connection:
            result = connection.execute(
                "FROM read_parquet($path)", {"path": str(self.folder / name)}
            )
            columns = [column[0] for column in result.description]
            return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]

    def open_classes(self, comparison: str = "provider") -> dict[str, str]:
        """What is open, key to class."""
        return {
            row["key"]: row["class"]
            for row in self.rows(f"{comparison}/breaks.parquet")
            if row["lifecycle"] != "RESOLVED"
        }

    def failed(self) -> dict[int, tuple[str, ...]]:
        """The proofs that do not hold, with their failures."""
        return {proof.number: proof.failures for proof in self.statement.proofs if not proof.holds}


@dataclass
class Days:
    """Runs day after day in `root`, each on the one before."""

    root: Path
    rules: Rules = field(default_factory=Rules)
    limits: EngineLimits = LIMITS
    books: Books = field(default_factory=Books)
    done: list[Done] = field(default_factory=list)
    _seals: list[str] = field(default_factory=list)
    _read: tuple[int, int] = (0, 0)

    def report(
        self, number: int, *lines: ReportLine, balances: Sequence[ReportBalance] = ()
    ) -> SettlementReport:
        """A settlement report."""
        return SettlementReport(
            "mock", "main", number, NOON, NOON + timedelta(days=1), lines, tuple(balances)
        )

    def run(self, *reports: SettlementReport, day: date | None = None) -> Done:
        """Run the next day (or `day`) over what the books hold by now, and seal it."""
        done = self.attempt(*reports, day=day)
        self._seals.append(seal(done.evidence, done.statement))
        self._read = (len(self.books.events), len(self.books.transactions))
        self.done.append(done)
        return done

    def attempt(self, *reports: SettlementReport, day: date | None = None, name: str = "") -> Done:
        """Run a day without going on from it."""
        day = day or MONDAY + timedelta(days=len(self.done))
        evidence = self.stage(*reports, day=day, name=name)
        with open_engine(self.root / "work", self.limits, threading.Event()) as engine:
            matched = match(engine, evidence.scope, evidence.rules, evidence.folders)
        evidence = replace(evidence, results=matched.files)
        return Done(evidence, matched, reprove(evidence, self.root / "work"))

    def stage(self, *reports: SettlementReport, day: date, name: str = "") -> Evidence:
        """Stage a day; its results are not there yet."""
        folder = self.root / (name or day.isoformat())
        seen_events, seen_transactions = self._read
        events = self.books.events[seen_events:]
        transactions = self.books.transactions[seen_transactions:]
        with open_engine(self.root / "work", self.limits) as engine:
            staged = [
                stage_settlement(
                    engine, folder, [(report.batch_number, report.lines) for report in reports]
                ),
                stage_gateway(engine, folder, events),
                stage_ledger(engine, folder, transactions, POTS),
            ]
        history = tuple(each.folder for each in self.done)
        return Evidence(
            scope=RunScope("acme", "mock", "main", day),
            rules=self.rules,
            folders=RunFolders(folder, history[-1] if history else None, history),
            staged={side.side: side for side in staged},
            results={},
            reports=[totals_of(report, f"{report.batch_number:064x}") for report in reports],
            ledger_range=scanned(Side.LEDGER, seen_transactions, len(transactions)),
            gateway_range=scanned(Side.GATEWAY, seen_events, len(events)),
            pots=POTS,
            ledger_balances=self.books.balances(),
            predecessor_sha256=self._seals[-1] if self._seals else "",
        )


def scanned(side: Side, after: int, count: int) -> ScannedRange:
    """An export that came whole."""
    return ScannedRange(side, after, after + count, count, count)


def reprove(evidence: Evidence, work: Path) -> Statement:
    """Prove what lies in the evidence's folder."""
    with open_engine(work, LIMITS) as engine:
        return prove(engine, evidence)
