"""Stage: sources stream in, Parquet files of rows come out, with counts, sums and hashes.

Rows pass through a CSV file on disk, so memory stays the same for a thousand rows and for ten
million. They keep the order of their source, which is total: a sequence, or the lines of a file.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from services.formats.report import ReportLine
from services.kernel.money import checked, currency
from services.reconciliation.adapters.duckdb.engine import Engine, literal
from services.reconciliation.adapters.duckdb.files import FileFacts, input_name, write_parquet
from services.reconciliation.domain.inputs import GatewayEvent, LedgerTransaction, PotAccounts
from services.reconciliation.domain.rows import Side, StagedRow
from services.reconciliation.domain.staging import (
    Exclusion,
    gateway_rows,
    ledger_rows,
    settlement_rows,
)

_TYPES = {
    name: "BIGINT" if kind is int else "VARCHAR" for name, kind in StagedRow.__annotations__.items()
}
_TEXT_COLUMNS = [name for name, kind in _TYPES.items() if kind == "VARCHAR"]
_CHECK_EVERY = 10_000

Source = TypeVar("Source")


class StagingError(Exception):
    """A source has a row that cannot be: the message names it and says why."""


@dataclass(frozen=True, slots=True)
class StagedSide:
    """What was staged of one side."""

    side: Side
    file: FileFacts
    source_count: int
    """How many lines, events or transactions came in."""
    excluded: Mapping[Exclusion, int]
    """How many of them became no row, by rule."""
    sums_minor: Mapping[tuple[str, str], int]
    """The sum of the rows, by pot and currency, in minor units."""


def stage_settlement(
    engine: Engine, folder: Path, batches: Iterable[tuple[int, Iterable[ReportLine]]]
) -> StagedSide:
    """Stage the lines of settlement reports: batch numbers in order, each with its lines.

    A whole report gives `(report.batch_number, report.lines)`; a parser that streams may give its
    lines as they come.

    Raises, as all three do:
        StagingError: a source is out of order, or a key has a character that is not printable.
        MoneyError: an amount does not fit int64, or a currency is not in the registry.
        RunCancelledError: the run was cancelled.
    """
    lines = (
        settlement_rows(batch_number, line)
        for batch_number, lines in batches
        for line in _ordered(lines, lambda line: line.line_number)
    )
    return _stage(engine, folder, Side.SETTLEMENT, lines, Exclusion.NO_MONEY)


def stage_gateway(engine: Engine, folder: Path, events: Iterable[GatewayEvent]) -> StagedSide:
    """Stage the gateway's events, which come in the order of their sequence."""
    rows = map(gateway_rows, _ordered(events, lambda event: event.event_sequence))
    return _stage(engine, folder, Side.GATEWAY, rows, Exclusion.NO_MONEY)


def stage_ledger(
    engine: Engine, folder: Path, transactions: Iterable[LedgerTransaction], pots: PotAccounts
) -> StagedSide:
    """Stage the ledger's posted transactions, which come in the order of their sequence."""
    ordered = _ordered(transactions, lambda transaction: transaction.sequence)
    rows = (ledger_rows(transaction, pots) for transaction in ordered)
    return _stage(engine, folder, Side.LEDGER, rows, Exclusion.INTERNAL)


def _ordered(sources: Iterable[Source], position: Callable[[Source], int]) -> Iterator[Source]:
    last = 0
    for source in sources:
        if position(source) <= last:
            raise StagingError(f"Position {position(source)} came after {last}")
        last = position(source)
        yield source


def _stage(
    engine: Engine,
    folder: Path,
    side: Side,
    sources: Iterable[list[StagedRow]],
    empty_rule: Exclusion,
) -> StagedSide:
    """Write the rows of all sources; a source without any is excluded by `empty_rule`."""
    source_count = 0
    excluded: Counter[Exclusion] = Counter()
    sums_minor: Counter[tuple[str, str]] = Counter()
    text = engine.work / f"{side}.csv"
    with text.open("w", encoding="utf-8", newline="") as file:
        write = csv.writer(file, lineterminator="\n").writerows
        for rows in sources:
            source_count += 1
            if source_count % _CHECK_EVERY == 0:
                engine.check()
            if not rows:
                excluded[empty_rule] += 1
            for row in rows:
                _refuse_impossible(row)
                sums_minor[row.pot, row.currency_code] += row.amount_minor
            write(rows)
    facts = write_parquet(engine, f"FROM {_reader(text)}", folder / input_name(side))
    text.unlink()
    return StagedSide(side, facts, source_count, dict(excluded), dict(sums_minor))


def _refuse_impossible(row: StagedRow) -> None:
    """Keys are printable: ids and hashes that are made of them part them by other characters."""
    checked(row.amount_minor)
    currency(row.currency_code)
    texts = (
        row.row_id
        + row.object_id
        + row.fact
        + row.movement_key
        + row.movement_kind
        + row.sweep_key
        + row.source_id
    )
    if not texts.isprintable():
        raise StagingError(f"Row {row.side} {row.row_id} has a character that is not printable")


def _reader(text: Path) -> str:
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in _TYPES.items())
    return (
        f"read_csv({literal(text)}, header = false, auto_detect = false, delim = ',', "
        f"quote = '\"', escape = '\"', columns = {{{columns}}}, force_not_null = {_TEXT_COLUMNS})"
    )
