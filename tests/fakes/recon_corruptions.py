"""What may be wrong with the files of a run: each corruption, with the proofs that must fire."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from services.kernel.movements import MovementKind, Pot
from services.reconciliation.adapters.duckdb.engine import literal, open_engine
from services.reconciliation.adapters.duckdb.files import describe, input_name
from services.reconciliation.adapters.duckdb.prove import Evidence
from services.reconciliation.domain.breaks import BreakKey, break_id
from services.reconciliation.domain.rows import Comparison, Side
from services.reconciliation.domain.verdict import Verdict
from tests.fakes.recon_days import LIMITS, reprove

K = MovementKind


@dataclass(frozen=True)
class Copy:
    """A proven second day, in a folder of its own that a test may corrupt."""

    evidence: Evidence
    root: Path

    def rewrite(self, name: str, query: str) -> None:
        """Replace a file by what `query` makes of it (`$file`), and forge its recorded facts."""
        path = self.evidence.folders.folder / name
        with duckdb.connect() as connection:
            text = query.replace("$file", f"read_parquet({literal(path)})")
            connection.execute(f"CREATE TABLE rewritten AS {text}")
            connection.execute(f"COPY rewritten TO {literal(path)} (FORMAT parquet)")

    def failed(self, evidence: Evidence | None = None) -> set[int]:
        """The numbers of the proofs that fail; whoever corrupts files also forges their hashes."""
        evidence = evidence or self.evidence
        folder = evidence.folders.folder
        with open_engine(self.root / "forge", LIMITS) as engine:
            results = {name: describe(engine, folder / name) for name in evidence.results}
            staged = {
                side: replace(was, file=describe(engine, folder / input_name(side)))
                for side, was in evidence.staged.items()
            }
        forged = replace(evidence, results=results, staged=staged)
        statement = reprove(forged, self.root / "again")
        failed = {proof.number for proof in statement.proofs if not proof.holds}
        assert (statement.verdict is Verdict.INCOMPLETE) == bool(failed)
        return failed


BOOKING = "booking/"
OPEN, CLOSED, BREAKS = (f"provider/{name}.parquet" for name in ("open", "closed", "breaks"))
S, G, L = (input_name(side) for side in (Side.SETTLEMENT, Side.GATEWAY, Side.LEDGER))


def swap_partners(copy: Copy) -> None:
    """Partners swapped between equal amounts: the refunds' ledger rows change their matches."""
    copy.rewrite(
        CLOSED,
        """
        SELECT * REPLACE (
            CASE WHEN side = 'L' AND key IN ('re1', 're2')
                THEN (SELECT any_value(o.match_id) FROM $file o
                      WHERE o.key IN ('re1', 're2') AND o.key <> f.key)
                ELSE match_id END AS match_id)
        FROM $file f
        """,
    )


def match_unrelated(copy: Copy) -> None:
    """Unrelated rows matched: an open line and an open posting leave as one match."""
    hide(copy, "key IN ('ch5', 'chx')", "EQUAL_SUMS")


def hide_opposites(copy: Copy) -> None:
    """+100 and -100 hidden as one match."""
    hide(copy, "key IN ('chx', 'chy')", "ROUND_TRIP")


def call_it_equal(copy: Copy) -> None:
    """An amount that differs called equal."""
    hide(copy, "key = 'ch4'", "EQUAL")


def call_sums_equal(copy: Copy) -> None:
    """Sums that differ called equal."""
    hide(copy, "key = 'ch4'", "EQUAL_SUMS")


def call_it_a_round_trip(copy: Copy) -> None:
    """Both sides of a break, which happen to sum to 0, called a round trip."""
    hide(copy, "key = 'ch11'", "ROUND_TRIP")


def call_one_row_a_round_trip(copy: Copy) -> None:
    """A missing settlement called a round trip."""
    hide(copy, "key = 'ch5'", "ROUND_TRIP")


def mix_methods(copy: Copy) -> None:
    """A match of which the rows say different things."""
    copy.rewrite(
        CLOSED,
        "SELECT * REPLACE (if(key = 're1' AND side = 'S', 'EQUAL_SUMS', method) AS method) "
        "FROM $file",
    )


def hide(copy: Copy, which: str, method: str) -> None:
    """Move open rows into one match, and their breaks out of sight."""
    moved = copy.evidence.folders.folder / OPEN
    copy.rewrite(
        CLOSED,
        f"""
        FROM $file UNION ALL BY NAME
        SELECT *, '{method}' AS method, '{"0" * 8}-0000-0000-0000-{"1" * 12}'::UUID AS match_id
        FROM read_parquet({literal(moved)}) WHERE {which}
        """,
    )
    copy.rewrite(OPEN, f"FROM $file WHERE NOT ({which})")
    copy.rewrite(BREAKS, f"FROM $file WHERE NOT ({which})")


def relabel_pending(copy: Copy) -> None:
    """A break relabelled pending."""
    copy.rewrite(
        BREAKS,
        """
        SELECT * REPLACE (
            if(key = 'ch4', 'PENDING_SETTLEMENT', class) AS class,
            if(key = 'ch4', 'PENDING', severity) AS severity)
        FROM $file
        """,
    )


def move_first_date(copy: Copy) -> None:
    """A first date moved, in the rows and in the break alike."""
    change = "if(key = 'ch5', first_date + 1, first_date)::DATE AS first_date"
    for name in (OPEN, BREAKS):
        copy.rewrite(name, f"SELECT * REPLACE ({change}) FROM $file")


def move_break_date(copy: Copy) -> None:
    """A new row's break date moved, in the rows and in the break alike."""
    change = "if(key = 'ch8', break_date + 1, break_date)::DATE AS break_date"
    for name in (OPEN, BREAKS):
        copy.rewrite(name, f"SELECT * REPLACE ({change}) FROM $file")


def lose_row(copy: Copy) -> None:
    """An open row lost, with its break."""
    for name in (OPEN, BREAKS):
        copy.rewrite(name, "FROM $file WHERE key <> 'chx'")


def double_row(copy: Copy) -> None:
    """An open row twice."""
    copy.rewrite(OPEN, "FROM $file UNION ALL FROM $file WHERE key = 'chx'")


def change_amount(copy: Copy) -> None:
    """An open row's amount changed, in the break too."""
    copy.rewrite(
        OPEN,
        "SELECT * REPLACE (if(key = 'chx', 99, amount_minor)::BIGINT AS amount_minor) FROM $file",
    )
    copy.rewrite(
        BREAKS,
        "SELECT * REPLACE (if(key = 'chx', 99, outside_minor)::BIGINT AS outside_minor) FROM $file",
    )


def open_a_match(copy: Copy) -> None:
    """A match opened again: a break that nobody has."""
    copy.rewrite(
        OPEN,
        f"""
        FROM $file UNION ALL BY NAME
        SELECT * EXCLUDE (method, match_id)
        FROM read_parquet({literal(copy.evidence.folders.folder / CLOSED)}) WHERE key = 're1'
        """,
    )
    copy.rewrite(CLOSED, "FROM $file WHERE key <> 're1'")


def open_a_pair(copy: Copy) -> None:
    """A pair opened again in a group that is open anyway."""
    copy.rewrite(
        OPEN,
        f"""
        FROM $file UNION ALL BY NAME
        SELECT * EXCLUDE (method, match_id)
        FROM read_parquet({literal(copy.evidence.folders.folder / CLOSED)}) WHERE key = 'ch9'
        """,
    )
    copy.rewrite(CLOSED, "FROM $file WHERE key <> 'ch9'")


def rename_break(copy: Copy, key: str, occurrence: int) -> None:
    """A break under the id of another opening of its key, everywhere."""
    name = break_id(
        copy.evidence.scope,
        BreakKey(Comparison.PROVIDER, Pot.PROVIDER, key, "capture", "EUR"),
        occurrence,
    )
    for file in (OPEN, BREAKS):
        copy.rewrite(
            file,
            f"""
            SELECT * REPLACE (
                if(key = '{key}', '{name}', break_id) AS break_id,
                if(key = '{key}', {occurrence}, occurrence)::BIGINT AS occurrence)
            FROM $file
            """,
        )


def count_an_opening_too_many(copy: Copy) -> None:
    """A new break that says that its key had been open before."""
    rename_break(copy, "chx", 2)


def begin_anew(copy: Copy) -> None:
    """A carried break closed on paper and opened as a new one."""
    rename_break(copy, "ch10", 2)
    before = literal(copy.evidence.folders.history[-1] / BREAKS)
    copy.rewrite(
        BREAKS,
        f"""
        SELECT * REPLACE (
            if(key = 'ch10', 'NEW', lifecycle) AS lifecycle,
            if(key = 'ch10', '', previous_class) AS previous_class)
        FROM $file
        UNION ALL
        SELECT * REPLACE ('RESOLVED' AS lifecycle, class AS previous_class)
        FROM read_parquet({before}) WHERE key = 'ch10'
        """,
    )


def invent_a_resolution(copy: Copy) -> None:
    """A break called resolved that never was."""
    copy.rewrite(
        BREAKS,
        """
        FROM $file UNION ALL
        SELECT * REPLACE (
            repeat('1', 32) AS break_id, 'RESOLVED' AS lifecycle, class AS previous_class)
        FROM $file WHERE key = 'chx'
        """,
    )


def drop_break(copy: Copy) -> None:
    """A break left out of the list."""
    copy.rewrite(BREAKS, "FROM $file WHERE key <> 'ch4'")


def call_it_resolved(copy: Copy) -> None:
    """A break called resolved that is still open."""
    copy.rewrite(
        BREAKS,
        "SELECT * REPLACE (if(key = 'ch5', 'RESOLVED', lifecycle) AS lifecycle) FROM $file",
    )


def forget_resolution(copy: Copy) -> None:
    """A resolution left out."""
    copy.rewrite(BREAKS, "FROM $file WHERE lifecycle <> 'RESOLVED'")


def change_id(copy: Copy) -> None:
    """A new break under another id, in its rows too."""
    for name in (OPEN, BREAKS):
        copy.rewrite(
            name,
            "SELECT * REPLACE (if(key = 'chx', repeat('0', 32), break_id) AS break_id) FROM $file",
        )


def change_severity(copy: Copy) -> None:
    """A break made harmless."""
    copy.rewrite(BREAKS, "SELECT * REPLACE ('WARNING' AS severity) FROM $file")


def change_previous_class(copy: Copy) -> None:
    """A break's history rewritten."""
    copy.rewrite(
        BREAKS,
        "SELECT * REPLACE (if(key = 'ch5', 'X', previous_class) AS previous_class) FROM $file",
    )


def lose_booking_row(copy: Copy) -> None:
    """A row lost in the other comparison."""
    copy.rewrite("booking/open.parquet", "FROM $file LIMIT 0")


CORRUPTIONS: list[tuple[Callable[[Copy], None], set[int]]] = [
    (swap_partners, {4}),
    (match_unrelated, {4}),
    (hide_opposites, {4}),
    (call_it_equal, {4}),
    (call_sums_equal, {4}),
    (call_it_a_round_trip, {4}),
    (call_one_row_a_round_trip, {4}),
    (mix_methods, {4}),
    (relabel_pending, {5}),
    (move_first_date, {2}),
    (move_break_date, {2}),
    (lose_row, {2, 6, 7}),
    (double_row, {2, 5, 6, 7}),
    (change_amount, {2, 6, 7}),
    (open_a_match, {4, 5}),
    (open_a_pair, {4}),
    (count_an_opening_too_many, {5}),
    (begin_anew, {5}),
    (invent_a_resolution, {5}),
    (drop_break, {5}),
    (call_it_resolved, {5}),
    (forget_resolution, {5}),
    (change_id, {5}),
    (change_severity, {5}),
    (change_previous_class, {5}),
    (lose_booking_row, {2, 5, 7}),
]
