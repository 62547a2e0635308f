"""The prover, tested by mutation: each proof fires on a corrupted copy, and on nothing else."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from services.formats.report import ReportBalance
from services.kernel.movements import MovementKind, Pot
from services.reconciliation.adapters.duckdb.engine import literal
from services.reconciliation.adapters.duckdb.files import RunFolders
from services.reconciliation.adapters.duckdb.manifest import read_manifest, write_manifest
from services.reconciliation.adapters.duckdb.prove import Evidence
from services.reconciliation.adapters.duckdb.stage import StagedSum
from services.reconciliation.domain.inputs import LedgerBalance
from services.reconciliation.domain.rows import Side
from services.reconciliation.domain.verdict import Verdict
from tests.fakes.recon_corruptions import BREAKS, CLOSED, CORRUPTIONS, OPEN, Copy, G, L, S
from tests.fakes.recon_days import Days, account, line, movement, reprove

K = MovementKind


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
