"""Match: what was carried and what is new, closed where it agrees, classified where it does not.

The rules are the SQL files beside this module, in the order in which `match` runs them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.kernel.movements import MovementKind
from services.reconciliation.adapters.duckdb.engine import Engine, literal
from services.reconciliation.adapters.duckdb.files import (
    FileFacts,
    RunFolders,
    input_name,
    result_name,
    write_parquet,
)
from services.reconciliation.domain.classes import SEVERITY_OF
from services.reconciliation.domain.inputs import RunScope
from services.reconciliation.domain.rows import SCOPES, Comparison, Side
from services.reconciliation.domain.rules import Rules

_KEY_OF = {
    Comparison.BOOKING: ("object_id", "fact"),
    Comparison.PROVIDER: ("movement_key", "movement_kind"),
}
_COMPARED = {
    Comparison.BOOKING: "movement_kind NOT IN (SELECT kind FROM report_only)",
    Comparison.PROVIDER: "true",
}
_GROUP_ORDER = "pot, key, kind, currency_code"


@dataclass(frozen=True, slots=True)
class MatchTotal:
    """How many rows of a side, pot and currency ended how, and what they sum to."""

    comparison: Comparison
    side: Side
    pot: str
    currency_code: str
    outcome: str
    """A MatchMethod, or `OPEN`."""
    count: int
    net_minor: int


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What the matcher wrote."""

    files: Mapping[str, FileFacts]
    """By name, relative to the run's folder."""
    totals: tuple[MatchTotal, ...]


def match(engine: Engine, scope: RunScope, rules: Rules, folders: RunFolders) -> MatchResult:
    """Match all comparisons of a run and write their result files into its folder.

    The inputs must be staged. The same inputs give the same bytes, whatever the engine's limits.

    Raises:
        RunCancelledError: the run was cancelled; files already written are whole.
    """
    _load(engine, scope, rules)
    files: dict[str, FileFacts] = {}
    totals: list[MatchTotal] = []
    for comparison in SCOPES:
        files |= _match_one(engine, comparison, folders)
        totals += _totals(engine, comparison, folders.folder)
    return MatchResult(files, tuple(totals))


def _load(engine: Engine, scope: RunScope, rules: Rules) -> None:
    """Bring the run's date, rules and severities where the SQL can see them."""
    engine.script(__name__, "schema.sql")
    day = scope.business_date
    id_prefix = f"{scope.tenant_id}\x1f{scope.provider}\x1f{scope.provider_account}"
    engine.insert("run", [(day, id_prefix)])
    engine.insert("report_only", [(str(kind),) for kind in sorted(rules.report_only_kinds)])
    engine.insert("severities", [(str(name), str(bad)) for name, bad in SEVERITY_OF.items()])
    engine.insert(
        "grace",
        [
            (str(comparison), str(side), str(kind), rules.break_date(comparison, side, kind, day))
            for comparison, shape in SCOPES.items()
            for side in (shape.outside, Side.LEDGER)
            for kind in ("", "*", *MovementKind)
        ],
    )


def _match_one(engine: Engine, comparison: Comparison, folders: RunFolders) -> dict[str, FileFacts]:
    shape = SCOPES[comparison]
    key, kind = _KEY_OF[comparison]
    closed = result_name(comparison, "closed")
    engine.script(
        __name__,
        "pool.sql",
        comparison=comparison,
        key=key,
        kind=kind,
        compared=_COMPARED[comparison],
        pots=", ".join(literal(pot) for pot in shape.pots),
        outside=literal(folders.folder / input_name(shape.outside)),
        ledger=literal(folders.folder / input_name(Side.LEDGER)),
        carried=_of_predecessor(folders, result_name(comparison, "open"), "no_open"),
    )
    engine.script(__name__, "close.sql")
    files = {
        closed: write_parquet(
            engine,
            f"FROM closed_rows ORDER BY {_GROUP_ORDER}, side, position, row_id",
            folders.folder / closed,
        )
    }
    # The keys closed in this run count as closed before: their leftovers are duplicates.
    engine.script(__name__, "groups.sql", closed_files=_all_of(folders, closed))
    engine.script(
        __name__,
        f"classes_{comparison}.sql",
        gateway_files=_all_of(folders, input_name(Side.GATEWAY)),
    )
    engine.script(
        __name__,
        "breaks.sql",
        comparison=comparison,
        prior=_of_predecessor(folders, result_name(comparison, "breaks"), "no_breaks"),
    )
    for result, query in (
        ("open", f"FROM carried_rows ORDER BY {_GROUP_ORDER}, side, position, row_id"),
        ("breaks", f"FROM breaks ORDER BY {_GROUP_ORDER}, occurrence, break_id"),
    ):
        name = result_name(comparison, result)
        files[name] = write_parquet(engine, query, folders.folder / name)
    return files


def _of_predecessor(folders: RunFolders, name: str, nothing: str) -> str:
    path = folders.carried(name)
    return nothing if path is None else f"read_parquet({literal(path)})"


def _all_of(folders: RunFolders, name: str) -> str:
    return ", ".join(literal(path) for path in folders.remembered(name))


def _totals(engine: Engine, comparison: Comparison, folder: Path) -> list[MatchTotal]:
    closed = literal(folder / result_name(comparison, "closed"))
    still_open = literal(folder / result_name(comparison, "open"))
    rows = engine.run(
        f"""
        WITH outcomes AS (
            SELECT side, pot, currency_code, method AS outcome, amount_minor
            FROM read_parquet({closed})
            UNION ALL
            SELECT side, pot, currency_code, 'OPEN' AS outcome, amount_minor
            FROM read_parquet({still_open})
        )
        SELECT side, pot, currency_code, outcome, count(*), sum(amount_minor)
        FROM outcomes
        GROUP BY ALL
        ORDER BY ALL
        """  # noqa: S608 - our own paths.
    )
    return [MatchTotal(comparison, Side(row[0]), *row[1:]) for row in rows]
