"""One run of N settlement lines x gateway x ledger: time and peak memory of each phase.

    python -m tests.bench.reconciliation.run --lines 1000000

Run by `make bench`. Every phase is a process of its own, so that its peak is its own. One line in a
thousand is missing on one of the sides, wrong or doubled, as on a bad day. A tenth of the lines is
run first: what a line takes must not grow with their number.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from services.formats.report import ReportLine
from services.kernel.movements import MovementKind, Pot
from services.reconciliation.adapters.duckdb.engine import EngineLimits, open_engine
from services.reconciliation.adapters.duckdb.files import FileFacts, RunFolders
from services.reconciliation.adapters.duckdb.match import match
from services.reconciliation.adapters.duckdb.prove import Evidence, prove
from services.reconciliation.adapters.duckdb.seal import seal
from services.reconciliation.adapters.duckdb.stage import (
    StagedSide,
    StagedSum,
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
from services.reconciliation.domain.markdown import to_markdown
from services.reconciliation.domain.rows import Side
from services.reconciliation.domain.rules import Rules
from services.reconciliation.domain.staging import Exclusion, ReportTotals

_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_SCOPE = RunScope("acme", "mock", "main", date(2026, 3, 2))
_POTS = {
    "asset/psp/mock/main/pending/eur": Pot.PROVIDER,
    "asset/psp/mock/main/available/eur": Pot.PROVIDER,
}
_PENDING, _AVAILABLE = _POTS
_FAULT_EVERY = 1000
_FEWER = 10
_PHASES = ("settlement", "gateway", "ledger", "match", "prove")


def key_of(item: int) -> str:
    """A provider's id: it sorts like nothing that we know."""
    return f"ch_{item * 0x9E3779B97F4A7C15 % 2**64:016x}"


def lines(count: int) -> Iterator[ReportLine]:
    """The report: one capture with its fee a line, in another order than the ledger's."""
    for number in range(1, count + 1):
        item = number * 7919 % count
        if item % _FAULT_EVERY == 1:
            continue
        gross = 1000 + item % 9000 + (item % _FAULT_EVERY == 2)
        fee = 10 + gross // 50
        yield ReportLine(
            number, f"txn_{item:020d}", MovementKind.CAPTURE, "charge", key_of(item),
            f"pi_{item:022d}", f"ref{item:020d}", gross, "EUR", fee, gross - fee, "EUR",
            _NOON, None, "",
        )  # fmt: skip


def events(count: int) -> Iterator[GatewayEvent]:
    """The gateway: a capture and a fee a deposit."""
    for item in range(count):
        amount, fee = _amounts(item)
        deposit = f"deposit/{item:032x}"
        if item % _FAULT_EVERY != 3:
            capture = GatewayMovement(
                Pot.PROVIDER, "EUR", amount, key_of(item), MovementKind.CAPTURE
            )
            yield GatewayEvent(2 * item + 1, f"ev{item}c", deposit, "captured", _NOON, (capture,))
        charged = GatewayMovement(Pot.PROVIDER, "EUR", -fee, key_of(item), MovementKind.CAPTURE_FEE)
        yield GatewayEvent(2 * item + 2, f"ev{item}f", deposit, "fee", _NOON, (charged,))


def transactions(count: int) -> Iterator[LedgerTransaction]:
    """The ledger: captured, fee and available; the last moves money inside the pot."""
    for item in range(count):
        amount, fee = _amounts(item)
        net = amount - fee
        metadata = {"object": f"deposit/{item:032x}", "movement_key": key_of(item)}
        postings = [
            ("captured", "capture", ((_PENDING, amount), ("liability/player/1/cash/eur", -amount))),
            ("fee", "capture_fee", ((_PENDING, -fee), ("expense/psp_fees/eur", fee))),
            ("available", "", ((_AVAILABLE, net), (_PENDING, -net))),
        ]
        for step, (fact, kind, legs) in enumerate(postings, start=1):
            if item % _FAULT_EVERY == 4:
                continue
            sequence = 3 * item + step
            yield LedgerTransaction(
                sequence,
                f"tx{sequence}",
                _NOON,
                tuple(LedgerEntry(account, "EUR", leg) for account, leg in legs),
                metadata | {"fact": fact, "movement_kind": kind},
            )


def _amounts(item: int) -> tuple[int, int]:
    amount = 1000 + item % 9000
    return amount, 10 + amount // 50


_SOURCES: dict[str, Callable[[int], Iterator[object]]] = {
    "settlement": lines,
    "gateway": events,
    "ledger": transactions,
}


def run_phase(phase: str, count: int, root: Path, limits: EngineLimits) -> None:
    """Run one phase in this process and print what it took, as JSON.

    What it takes to make the sources up is measured by a pass of its own: exports and parsers cost
    their own time, which this benchmark does not know.
    """
    folder = root / "run"
    started = time.perf_counter()
    if phase in _SOURCES:
        deque(_SOURCES[phase](count), maxlen=0)
    sources_s, sources_cpu_s = time.perf_counter() - started, time.process_time()
    with open_engine(root / phase, limits) as engine:
        if phase == "settlement":
            save(root, phase, stage_settlement(engine, folder, [(1, lines(count))]))
        elif phase == "gateway":
            save(root, phase, stage_gateway(engine, folder, events(count)))
        elif phase == "ledger":
            save(root, phase, stage_ledger(engine, folder, transactions(count), _POTS))
        elif phase == "match":
            result = match(engine, _SCOPE, Rules(), RunFolders(folder, None, ()))
            (root / "match.json").write_text(
                json.dumps({name: facts_of(facts) for name, facts in result.files.items()})
            )
        else:
            evidence = load_evidence(root, count)
            statement = prove(engine, evidence)
            seal(evidence, statement)
            (root / "statement.md").write_text(to_markdown(statement))
    seconds = time.perf_counter() - started - 2 * sources_s
    usage = resource.getrusage(resource.RUSAGE_SELF)
    took = {
        "seconds": seconds,
        "cpu_s": usage.ru_utime + usage.ru_stime - 2 * sources_cpu_s,
        "sources_s": sources_s,
        "peak_mib": usage.ru_maxrss / 1024,
    }
    print(json.dumps(took))


def facts_of(facts: FileFacts) -> list[object]:
    """The facts of a file, for JSON."""
    return [facts.sha256, facts.size_bytes, facts.row_count, facts.rows_sha256]


def save(root: Path, phase: str, staged: StagedSide) -> None:
    """Hand a staged side on to the phase that proves it."""
    content = {
        "file": facts_of(staged.file),
        "source_count": staged.source_count,
        "excluded": staged.excluded,
        "sums": [[each.pot, each.currency_code, each.net_minor] for each in staged.sums],
    }
    (root / f"{phase}.json").write_text(json.dumps(content))


def load(root: Path, phase: str, side: Side) -> StagedSide:
    """Read what `save` wrote."""
    content = json.loads((root / f"{phase}.json").read_text())
    return StagedSide(
        side,
        FileFacts(*content["file"]),
        content["source_count"],
        {Exclusion(rule): number for rule, number in content["excluded"].items()},
        tuple(StagedSum(Pot(pot), currency, net) for pot, currency, net in content["sums"]),
    )


def load_evidence(root: Path, count: int) -> Evidence:
    """What the prover is given."""
    staged = {
        side: load(root, phase, side)
        for phase, side in zip(_PHASES, (Side.SETTLEMENT, Side.GATEWAY, Side.LEDGER), strict=False)
    }
    results = json.loads((root / "match.json").read_text())
    net = sum(each.net_minor for each in staged[Side.SETTLEMENT].sums)
    balances = {_PENDING: 0, _AVAILABLE: sum(each.net_minor for each in staged[Side.LEDGER].sums)}
    return Evidence(
        scope=_SCOPE,
        rules=Rules(),
        folders=RunFolders(root / "run", None, ()),
        staged=staged,
        results={name: FileFacts(*facts) for name, facts in results.items()},
        reports=[ReportTotals("0" * 64, 1, staged[Side.SETTLEMENT].source_count, {"EUR": net}, ())],
        ledger_range=ScannedRange(
            Side.LEDGER, 0, 3 * count, 3 * count, staged[Side.LEDGER].source_count
        ),
        gateway_range=ScannedRange(
            Side.GATEWAY, 0, 2 * count, 2 * count, staged[Side.GATEWAY].source_count
        ),
        pots=_POTS,
        ledger_balances=[LedgerBalance(name, "EUR", balances[name]) for name in _POTS],
        predecessor_sha256="",
    )


def run_all(count: int, limits: EngineLimits, root: Path) -> dict[str, float]:
    """Run all phases, each in a process of its own; print a table and return the seconds of each.

    What it takes to start Python and to load the engine is in none of them.
    """
    print(f"{count:,} settlement lines, {limits.threads} threads")
    print(f"{'phase':12} {'seconds':>8} {'cpu':>8} {'sources':>8} {'peak MiB':>9}")
    seconds: dict[str, float] = {}
    peak_mib = 0.0
    for phase in _PHASES:
        took = json.loads(
            subprocess.check_output(
                [
                    sys.executable, "-m", "tests.bench.reconciliation.run", "--phase", phase,
                    "--lines", str(count), "--threads", str(limits.threads),
                    "--memory-mb", str(limits.memory_mb), "--root", str(root),
                ]
            )
        )  # fmt: skip
        seconds[phase] = took["seconds"]
        peak_mib = max(peak_mib, took["peak_mib"])
        print(
            f"{phase:12} {took['seconds']:8.2f} {took['cpu_s']:8.2f} {took['sources_s']:8.2f} "
            f"{took['peak_mib']:9.0f}",
            flush=True,
        )
    print(f"{'total':12} {sum(seconds.values()):8.2f} {'':17} {peak_mib:9.0f}\n", flush=True)
    return seconds


def print_linearity(few: int, few_s: dict[str, float], many: int, many_s: dict[str, float]) -> None:
    """Print what a line takes at both sizes, in microseconds, and the ratio, which should be 1."""
    few_s = {**few_s, "total": sum(few_s.values())}
    many_s = {**many_s, "total": sum(many_s.values())}
    print(f"{'us a line':12} {few:>12,} {many:>12,} {'ratio':>6}")
    for phase, seconds in many_s.items():
        before_us, after_us = few_s[phase] / few * 1e6, seconds / many * 1e6
        print(f"{phase:12} {before_us:12.1f} {after_us:12.1f} {after_us / before_us:6.2f}")


def main() -> None:
    """Run all phases at two sizes, or the one that was asked for, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-mb", type=int, default=512)
    parser.add_argument("--phase", choices=_PHASES)
    parser.add_argument("--root", type=Path)
    arguments = parser.parse_args()
    limits = EngineLimits(arguments.threads, arguments.memory_mb)
    if arguments.phase:
        run_phase(arguments.phase, arguments.lines, arguments.root, limits)
        return
    few = max(arguments.lines // _FEWER, _FAULT_EVERY)
    with tempfile.TemporaryDirectory() as root:
        few_s = run_all(few, limits, Path(root, "few"))
        many_s = run_all(arguments.lines, limits, Path(root, "many"))
        print_linearity(few, few_s, arguments.lines, many_s)
        print(Path(root, "many", "statement.md").read_text())


if __name__ == "__main__":
    main()
