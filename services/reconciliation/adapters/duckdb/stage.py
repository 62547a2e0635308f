"""Stage: sources stream in, Parquet files of rows come out, with counts, sums and hashes.

Rows pass through a text file on disk, so memory stays the same for a thousand rows and for ten
million. They keep the order of their source, which is total: a sequence, or the lines of a file.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from services.formats.report import ReportLine
from services.kernel.money import checked, currency
from services.kernel.movements import Pot
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
_BATCH = 2_000
_UNIT = "\x1f"

Source = TypeVar("Source")


class StagingError(Exception):
    """A source has a row that cannot be: the message names it and says why."""


@dataclass(frozen=True, slots=True)
class StagedSum:
    """What the staged rows of a pot and currency sum to, in minor units."""

    pot: Pot
    currency_code: str
    net_minor: int


@dataclass(frozen=True, slots=True)
class StagedSide:
    """What was staged of one side."""

    side: Side
    file: FileFacts
    source_count: int
    """How many lines, events or transactions came in."""
    excluded: Mapping[Exclusion, int]
    """How many of them became no row, by rule."""
    sums: tuple[StagedSum, ...]
    """By pot and currency, counted while the rows went by."""


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
        for line in _ordered(lines, attrgetter("line_number"))
    )
    return _stage(engine, folder, Side.SETTLEMENT, lines, Exclusion.NO_MONEY)


def stage_gateway(engine: Engine, folder: Path, events: Iterable[GatewayEvent]) -> StagedSide:
    """Stage the gateway's events, which come in the order of their sequence."""
    rows = map(gateway_rows, _ordered(events, attrgetter("event_sequence")))
    return _stage(engine, folder, Side.GATEWAY, rows, Exclusion.NO_MONEY)


def stage_ledger(
    engine: Engine, folder: Path, transactions: Iterable[LedgerTransaction], pots: PotAccounts
) -> StagedSide:
    """Stage the ledger's posted transactions, which come in the order of their sequence."""
    ordered = _ordered(transactions, attrgetter("sequence"))
    rows = (ledger_rows(transaction, pots) for transaction in ordered)
    return _stage(engine, folder, Side.LEDGER, rows, Exclusion.INTERNAL)


def _ordered(sources: Iterable[Source], position: Callable[[Source], int]) -> Iterator[Source]:
    last = 0
    for source in sources:
        here = position(source)
        if here <= last:
            raise StagingError(f"Position {here} came after {last}")
        last = here
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
    sums: Counter[tuple[Pot, str]] = Counter()
    batch: list[StagedRow] = []
    path = engine.work / f"{side}.text"
    with path.open("w", encoding="utf-8", newline="") as file:
        for rows in sources:
            source_count += 1
            if not rows:
                excluded[empty_rule] += 1
            for row in rows:
                sums[row.pot, row.currency_code] += checked(row.amount_minor)
            batch += rows
            if len(batch) >= _BATCH:
                engine.check()
                file.write(_to_text(batch))
                batch.clear()
        file.write(_to_text(batch))
    for _, code in sums:
        currency(code)
    facts = write_parquet(engine, f"FROM {_reader(path)}", folder / input_name(side))
    path.unlink()
    return StagedSide(
        side,
        facts,
        source_count,
        dict(excluded),
        tuple(StagedSum(pot, code, net) for (pot, code), net in sorted(sums.items())),
    )


def _to_text(rows: list[StagedRow]) -> str:
    """Return the rows as lines whose fields a unit separator parts.

    Nothing needs quoting, because keys are printable; those that are not are refused, since ids and
    hashes, too, are made of keys with such separators.
    """
    text = "".join([_UNIT.join(map(str, row)) + "\n" for row in rows])
    fields = text.replace(_UNIT, "").replace("\n", "")
    is_whole = text.count("\n") == len(rows) and text.count(_UNIT) == len(rows) * (len(_TYPES) - 1)
    if not (is_whole and fields.isprintable()):
        bad = next(row for row in rows if not "".join(map(str, row)).isprintable())
        raise StagingError(f"Row {bad.side} {bad.row_id!a} has a character that is not printable")
    return text


def _reader(path: Path) -> str:
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in _TYPES.items())
    return (
        f"read_csv({literal(path)}, header = false, auto_detect = false, delim = '{_UNIT}', "
        f"quote = '', escape = '', columns = {{{columns}}}, force_not_null = {_TEXT_COLUMNS})"
    )
