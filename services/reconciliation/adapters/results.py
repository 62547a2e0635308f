"""What came of a run, read from its files: counts, and breaks."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from services.kernel.movements import Pot
from services.reconciliation.adapters.duckdb.engine import Engine, literal
from services.reconciliation.adapters.duckdb.files import result_name
from services.reconciliation.domain.breaks import Break, BreakKey, Lifecycle
from services.reconciliation.domain.classes import BreakClass, Severity
from services.reconciliation.domain.rows import SCOPES, Comparison, Side
from services.reconciliation.domain.runs import RunCounts, SideCounts
from services.reconciliation.domain.statement import Statement
from services.reconciliation.domain.steps import Staged

_PAGE = 1_000


def stream_breaks(engine: Engine, path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a breaks file in the order of their ids."""
    return engine.stream(f"FROM read_parquet({literal(path)}) ORDER BY break_id")


def next_page(rows: Iterator[tuple[Any, ...]]) -> list[Break]:
    """Return the next page of breaks; empty at the end."""
    return [_break(row) for row in islice(rows, _PAGE)]


def counts(
    engine: Engine, folder: Path, statement: Statement, staged: Sequence[Staged]
) -> RunCounts:
    """Count what a proven run read and found."""
    matched = resolved = 0
    for comparison in SCOPES:
        closed = literal(folder / result_name(comparison, "closed"))
        breaks = literal(folder / result_name(comparison, "breaks"))
        [(groups, gone)] = engine.run(
            f"""
            SELECT
                (SELECT count(DISTINCT match_id) FROM read_parquet({closed})),
                (SELECT count(*) FROM read_parquet({breaks}) WHERE lifecycle = 'RESOLVED')
            """  # noqa: S608 - our own paths.
        )
        matched, resolved = matched + groups, resolved + gone
    carried: dict[Side, int] = {}
    for section in statement.sections:
        for rolled in (section.outside, section.ledger):
            carried[rolled.side] = carried.get(rolled.side, 0) + rolled.opening.count
    return RunCounts(
        sides=tuple(
            SideCounts(side.side, side.scanned, side.row_count, carried.get(side.side, 0))
            for side in staged
        ),
        matched_groups=matched,
        breaks=statement.open_groups.breaks,
        new_breaks=statement.new_breaks,
        resolved_groups=resolved,
        warnings=statement.open_groups.warnings,
        pending=statement.open_groups.pending,
    )


def _break(row: tuple[Any, ...]) -> Break:
    """Read a row of a breaks file, by the order of its columns (`match/schema.sql`)."""
    (
        break_id, comparison, pot, key, kind, currency_code, occurrence, name, previous, severity,
        lifecycle, outside_minor, ledger_minor, row_count, first_date, break_date, row_ids,
    ) = row  # fmt: skip
    return Break(
        break_id=break_id,
        key=BreakKey(Comparison(comparison), Pot(pot), key, kind, currency_code),
        occurrence=occurrence,
        break_class=BreakClass(name),
        previous_class=BreakClass(previous) if previous else None,
        severity=Severity(severity),
        lifecycle=Lifecycle(lifecycle),
        outside_minor=outside_minor,
        ledger_minor=ledger_minor,
        row_count=row_count,
        first_date=first_date,
        break_date=break_date,
        row_ids=tuple(row_ids),
    )
