"""The prover, tested by mutation: each proof fires on a corrupted copy, and on nothing else."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pytest

from services.formats.report import ReportBalance
from services.kernel.movements import MovementKind, Pot
from services.reconciliation.adapters.duckdb.engine import literal, open_engine
from services.reconciliation.adapters.duckdb.files import RunFolders, describe, input_name
from services.reconciliation.adapters.duckdb.manifest import read_manifest, write_manifest
from services.reconciliation.adapters.duckdb.prove import Evidence
from services.reconciliation.adapters.duckdb.stage import StagedSum
from services.reconciliation.domain.breaks import BreakKey, break_id
from services.reconciliation.domain.inputs import LedgerBalance
from services.reconciliation.domain.rows import Comparison, Side
from services.reconciliation.domain.verdict import Verdict
from tests.fakes.recon_days import LIMITS, Days, account, line, movement, reprove

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


@pytest.fixture(scope="module")
def second_day(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """A day with carried and new rows, matches of all methods, breaks old, new and resolved."""
    days = Days(tmp_path_factory.mktemp("days"))
    books = days.books
    for number, amount in enumerate((1000, 1000, 250, 77, 500, 600), start=1):
        books.both(f"dep/{number}", "captured", movement(amount, f"ch{number}"))
    books.happen("dep/7", "captured", movement(40, "ch7"))
    books.both("dep/10", "captured:1", movement(10, "ch10"))
    books.both("dep/10", "captured:2", movement(5, "ch10"))
    books.both("rr", "kept", movement(-50, "rr1", K.ROLLING_RESERVE),
               movement(50, "rr1", K.ROLLING_RESERVE, pot=Pot.ROLLING_RESERVE))  # fmt: skip
    own = [
        ReportBalance(Pot.PROVIDER, "EUR", 0, 1950),
        ReportBalance(Pot.ROLLING_RESERVE, "EUR", 0, 50),
    ]
    lines = [
        line(1, K.CAPTURE, "ch1", 1000, sweep="po1"),
        line(2, K.CAPTURE, "ch2", 1000),
        line(3, K.ROLLING_RESERVE, "rr1", -50),
    ]
    days.run(days.report(1, *lines, balances=own))

    books.both("sweep", "swept", movement(-1000, "po1", K.SWEEP),
               movement(1000, "po1", K.SWEEP, pot=Pot.TRANSIT))  # fmt: skip
    books.both("ref/1", "succeeded", movement(-100, "re1", K.REFUND))
    books.both("ref/2", "succeeded", movement(-100, "re2", K.REFUND))
    books.both("dep/9", "captured:1", movement(10, "ch9"))
    books.both("dep/9", "captured:2", movement(5, "ch9"))
    books.both("dep/11", "captured", movement(-30, "ch11"))
    books.book("dep/8", "captured", movement(300, "ch8"))
    lines = [
        line(1, K.CAPTURE, "ch3", 200),
        line(2, K.CAPTURE, "ch3", 50),
        line(3, K.CAPTURE, "ch4", 70),
        line(4, K.REFUND, "re1", -100),
        line(5, K.REFUND, "re2", -100),
        line(6, K.SWEEP, "po1", -1000),
        line(7, K.CAPTURE, "ch1", 1000),
        line(8, K.UNCLASSIFIED, "x1", 9),
        line(9, K.TOP_UP, "tu1", 30),
        line(10, K.TOP_UP, "tu1", -30),
        line(11, K.CAPTURE, "chx", 100),
        line(12, K.CAPTURE, "chy", -100),
        line(13, K.CAPTURE, "ch9", 10),
        line(14, K.CAPTURE, "ch10", 10),
        line(15, K.CAPTURE, "ch11", 30),
    ]
    own = [
        ReportBalance(Pot.PROVIDER, "EUR", 1950, 2129),
        ReportBalance(Pot.ROLLING_RESERVE, "EUR", 50, 50),
    ]
    return days.run(days.report(2, *lines, balances=own)).evidence


@pytest.fixture
def copy(second_day: Evidence, tmp_path: Path) -> Copy:
    """The second day, copied."""
    folder = shutil.copytree(second_day.folders.folder, tmp_path / "run")
    before = shutil.copytree(second_day.folders.history[-1], tmp_path / "before")
    folders = RunFolders(folder, before, (before,))
    return Copy(replace(second_day, folders=folders), tmp_path)


def test_an_honest_copy_passes(copy: Copy) -> None:
    """Nothing fires where nothing was corrupted, though the day has breaks of many classes."""
    assert copy.failed() == set()


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


@pytest.mark.parametrize(
    ("corrupt", "expected"), CORRUPTIONS, ids=[corrupt.__name__ for corrupt, _ in CORRUPTIONS]
)
def test_a_corrupted_result_is_caught(
    copy: Copy, corrupt: Callable[[Copy], None], expected: set[int]
) -> None:
    """Each corruption of the result files, hashes forged to fit, is caught by its proofs."""
    corrupt(copy)
    assert expected <= copy.failed()


def staged_side(evidence: Evidence, side: Side, **changes: object) -> Evidence:
    """The evidence with something else said of a staged side."""
    staged = dict(evidence.staged)
    staged[side] = replace(staged[side], **changes)  # type: ignore[arg-type] - by name.
    return replace(evidence, staged=staged)


def changed_report(evidence: Evidence, **changes: object) -> Evidence:
    """The evidence with something else said by the report."""
    [report] = evidence.reports
    return replace(evidence, reports=[replace(report, **changes)])  # type: ignore[arg-type] - by name.


LIES: dict[str, tuple[Callable[[Evidence], Evidence], set[int]]] = {
    "an account is forgotten": (
        lambda e: replace(e, ledger_balances=e.ledger_balances[1:]),
        {6},
    ),
    "a balance was never exported": (
        lambda e: replace(
            e,
            ledger_balances=[
                replace(b, debit_less_credit_minor=b.debit_less_credit_minor + 7)
                if b.account_id.endswith("pending/eur")
                else b
                for b in e.ledger_balances
            ],
        ),
        {6},
    ),
    "an account of no pot is summed": (
        lambda e: replace(
            e, ledger_balances=[*e.ledger_balances, LedgerBalance("asset/bank/eur", "EUR", 1)]
        ),
        {6},
    ),
    "an account is answered twice": (
        lambda e: replace(e, ledger_balances=[*e.ledger_balances, e.ledger_balances[0]]),
        {6},
    ),
    "the provider's closing balance differs": (
        lambda e: changed_report(e, balances=(ReportBalance(Pot.PROVIDER, "EUR", 1950, 2130),)),
        {6},
    ),
    "the provider's opening balance differs": (
        lambda e: changed_report(e, balances=(ReportBalance(Pot.PROVIDER, "EUR", 1951, 2129),)),
        {6},
    ),
    "a line was not staged": (lambda e: changed_report(e, line_count=16), {1}),
    "the report's net differs": (lambda e: changed_report(e, net_minor={"EUR": 180}), {1}),
    "a report is missing in between": (lambda e: changed_report(e, batch_number=3), {1, 3}),
    "there is no report": (lambda e: replace(e, reports=[]), {1, 3}),
    "staging counted another sum": (
        lambda e: staged_side(e, Side.LEDGER, sums=(StagedSum(Pot.PROVIDER, "EUR", 1),)),
        {1},
    ),
    "staging lost a source": (
        lambda e: staged_side(
            e, Side.GATEWAY, source_count=e.staged[Side.GATEWAY].source_count + 1
        ),
        {1, 3},
    ),
    "the ledger's range was scanned short": (
        lambda e: replace(
            e, ledger_range=replace(e.ledger_range, scanned=e.ledger_range.scanned - 1)
        ),
        {3},
    ),
    "the gateway sent more than came": (
        lambda e: replace(e, gateway_range=replace(e.gateway_range, sent=e.gateway_range.sent + 1)),
        {3},
    ),
    "the range begins after the last cut": (
        lambda e: replace(
            e,
            ledger_range=replace(
                e.ledger_range,
                after=e.ledger_range.after + 1,
                scanned=e.ledger_range.scanned - 1,
            ),
        ),
        {3},
    ),
    "the run before is of another account": (
        lambda e: replace(e, scope=replace(e.scope, provider_account="other")),
        {7},
    ),
    "another manifest was published": (lambda e: replace(e, predecessor_sha256="ab" * 32), {7}),
    "a remembered run is left out": (
        lambda e: replace(e, folders=replace(e.folders, history=())),
        {7},
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_figures_that_do_not_fit_the_files_are_caught(copy: Copy, name: str) -> None:
    """What is said of the inputs from outside must be what the files hold."""
    lie, expected = LIES[name]
    assert expected <= copy.failed(lie(copy.evidence))


def test_a_changed_file_is_caught_by_its_hash(copy: Copy) -> None:
    """Without forged hashes any change of an input or a result fails, whatever it says."""
    for name, proof in ((S, 1), (G, 1), (L, 1), (OPEN, 2), (CLOSED, 2), (BREAKS, 2)):
        path = copy.evidence.folders.folder / name
        before = path.read_bytes()
        copy.rewrite(name, "FROM $file")
        statement = reprove(copy.evidence, copy.root / "again")
        assert proof in {each.number for each in statement.proofs if not each.holds}
        path.write_bytes(before)


def test_a_staged_row_of_another_time_is_caught(copy: Copy) -> None:
    """A ledger row beyond the cut fails the range."""
    copy.rewrite(L, "SELECT * REPLACE (position + 100 AS position) FROM $file")
    assert 3 in copy.failed()


def test_a_staged_row_that_is_lost_is_caught(copy: Copy) -> None:
    """A ledger row lost after staging fails file, sides and roll-forward."""
    copy.rewrite(L, "FROM $file WHERE movement_key <> 're1'")
    assert {1, 2, 7} <= copy.failed()


def test_an_account_missing_in_the_export_is_caught_by_the_balance(tmp_path: Path) -> None:
    """What an export left out is in the ledger's balance all the same."""
    days = Days(tmp_path)
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    days.run(days.report(1, line(1, K.CAPTURE, "ch1", 1000)))
    days.books.post(
        [(account(Pot.PROVIDER), "EUR", 123)], movement_key="ch2", movement_kind="capture"
    )
    forgotten = days.books.transactions.pop()
    balances = days.books.balances()
    evidence = days.attempt(days.report(2)).evidence
    lied = [
        replace(b, debit_less_credit_minor=b.debit_less_credit_minor + 123)
        if b.account_id == account(Pot.PROVIDER)
        else b
        for b in balances
    ]
    assert forgotten.entries[0].debit_less_credit_minor == 123
    statement = reprove(replace(evidence, ledger_balances=lied), tmp_path / "again")
    assert {proof.number for proof in statement.proofs if not proof.holds} == {6}


def test_a_sweep_that_is_not_its_lines_is_caught(tmp_path: Path) -> None:
    """Over all days, a sweep and its lines sum to 0."""
    days = Days(tmp_path)
    days.run(days.report(1, line(1, K.CAPTURE, "ch1", 1000, fee=30, sweep="po1")))
    swept = days.attempt(days.report(2, line(1, K.SWEEP, "po1", -970)), name="right")
    short = days.attempt(days.report(2, line(1, K.SWEEP, "po1", -960)), name="wrong")
    alone = days.attempt(days.report(2, line(1, K.SWEEP, "po2", -960)), name="alone")
    assert 1 not in swept.failed()
    assert short.failed()[1] == ("Sweep po1 and its lines leave 10 EUR",)
    assert 1 not in alone.failed()


def test_the_predecessor_is_what_it_published(copy: Copy) -> None:
    """A carried file that was changed afterwards fails the roll-forward."""
    before = copy.evidence.folders.predecessor
    assert before is not None
    name = "provider/open.parquet"
    with duckdb.connect() as connection:
        path = literal(before / name)
        connection.execute(f"CREATE TABLE t AS FROM read_parquet({path})")
        connection.execute(f"COPY t TO {path} (FORMAT parquet)")
    assert 7 in copy.failed()


def test_an_incomplete_run_has_no_successor(copy: Copy) -> None:
    """A run cannot be proven on one that was not."""
    before = copy.evidence.folders.predecessor
    assert before is not None
    manifest, _ = read_manifest(before)
    sha256 = write_manifest(before, replace(manifest, verdict=Verdict.INCOMPLETE))
    assert 7 in copy.failed(replace(copy.evidence, predecessor_sha256=sha256))
