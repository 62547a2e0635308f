"""Staging, files, hashes, the engine and the manifest."""

import csv
import hashlib
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from services.formats.report import ReportLine
from services.kernel.money import UnknownCurrencyError
from services.kernel.movements import MovementKind, Pot
from services.reconciliation.adapters.duckdb.engine import (
    EngineLimits,
    RunCancelledError,
    open_engine,
)
from services.reconciliation.adapters.duckdb.files import file_sha256, write_parquet
from services.reconciliation.adapters.duckdb.manifest import (
    ManifestError,
    read_manifest,
    write_manifest,
)
from services.reconciliation.adapters.duckdb.stage import (
    StagedSum,
    StagingError,
    stage_gateway,
    stage_settlement,
)
from services.reconciliation.domain.inputs import GatewayEvent
from services.reconciliation.domain.staging import settlement_rows
from tests.fakes.recon_days import LIMITS, NOON, Days, line, movement

K = MovementKind


def lines(count: int) -> Iterator[ReportLine]:
    """Many lines, made as they are read."""
    return (line(n, K.CAPTURE, f"ch{n}", 1000 + n, fee=n % 7) for n in range(1, count + 1))


def test_staged_rows_are_the_rows_in_order(tmp_path: Path) -> None:
    """The file holds exactly the rows of the lines, and its row hash is that of plain CSV."""
    with open_engine(tmp_path / "work", LIMITS) as engine:
        staged = stage_settlement(engine, tmp_path, [(1, lines(5000)), (2, lines(10))])
        stored = engine.run(f"FROM read_parquet('{tmp_path}/inputs/settlement.parquet')")
    rows = [tuple(row) for each in lines(5000) for row in settlement_rows(1, each)]
    rows += [tuple(row) for each in lines(10) for row in settlement_rows(2, each)]
    assert stored == rows
    assert staged.source_count == 5010
    assert staged.file.row_count == len(rows)
    assert staged.sums == (StagedSum(Pot.PROVIDER, "EUR", sum(row[4] for row in rows)),)
    assert staged.file.sha256 == file_sha256(tmp_path / "inputs/settlement.parquet")

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(rows)
    # Empty text is quoted: it is text, and not missing.
    plain = text.getvalue().replace(",,,", ',"","",').replace(",,", ',"",')
    assert staged.file.rows_sha256 == hashlib.sha256(plain.encode()).hexdigest()


@pytest.mark.parametrize("key", ['a,b"c', "quote''", "<ünï>", "a;b\\n", "NULL", " x "])
def test_keys_come_back_as_they_went_in(tmp_path: Path, key: str) -> None:
    """Whatever printable text a provider uses as a key, it is the same text in the file."""
    with open_engine(tmp_path / "work", LIMITS) as engine:
        stage_settlement(engine, tmp_path, [(1, [line(1, K.CAPTURE, key, 1)])])
        [(stored,)] = engine.run(
            f"SELECT movement_key FROM read_parquet('{tmp_path}/inputs/settlement.parquet')"
        )
    assert stored == key


@pytest.mark.parametrize("key", ["a\nb", "a\x1fb", "a\x00b", 'a"\nb', "a\u2028b"])
def test_a_key_that_is_not_printable_is_refused(tmp_path: Path, key: str) -> None:
    """Such a key could part a row, a line or a hash, and names none."""
    with (
        open_engine(tmp_path / "work", LIMITS) as engine,
        pytest.raises(StagingError, match="not printable"),
    ):
        stage_settlement(engine, tmp_path, [(1, [line(1, K.CAPTURE, key, 1)])])
    assert not (tmp_path / "inputs/settlement.parquet").exists()


def test_sources_out_of_order_are_refused(tmp_path: Path) -> None:
    """A sequence that does not rise was exported wrongly."""
    event = GatewayEvent(2, "event-2", "dep/1", "captured", NOON, (movement(1, "ch"),))
    with open_engine(tmp_path / "work", LIMITS) as engine, pytest.raises(StagingError, match="2"):
        stage_gateway(engine, tmp_path, [event, event])


def test_an_unknown_currency_is_refused(tmp_path: Path) -> None:
    """Nothing is staged in a currency whose scale nobody knows."""
    with (
        open_engine(tmp_path / "work", LIMITS) as engine,
        pytest.raises(UnknownCurrencyError),
    ):
        stage_settlement(engine, tmp_path, [(1, [line(1, K.CAPTURE, "ch", 1, currency="ZZZ")])])


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    """Two runs with other threads and memory write the same files, byte for byte."""
    seen = []
    for number, limits in enumerate((EngineLimits(1, 200), EngineLimits(4, 400))):
        days = Days(tmp_path / str(number), limits=limits)
        report_lines = []
        for n in range(1, 3001):
            days.books.both(
                f"dep/{n % 1700}", f"captured:{n % 5}", movement(n % 9, f"ch{n % 1900}")
            )
            report_lines.append(line(n, K.CAPTURE, f"ch{n * 7 % 2100}", n % 9))
        first = days.run(days.report(1, *report_lines))
        second = days.run(days.report(2, *report_lines[:500]))
        seen.append(
            [
                {
                    name: (facts.sha256, facts.rows_sha256)
                    for name, facts in done.matched.files.items()
                }
                | {name: side.file.sha256 for name, side in done.evidence.staged.items()}
                for done in (first, second)
            ]
            + [file_sha256(second.folder / "manifest.json")]
        )
        assert len(second.rows("provider/breaks.parquet")) > 1000
    assert seen[0] == seen[1]


def test_a_step_can_be_repeated(tmp_path: Path) -> None:
    """A day that is run again over its own files ends in the same bytes."""
    days = Days(tmp_path)
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    first = days.attempt(days.report(1, *lines(20)))
    again = days.attempt(days.report(1, *lines(20)))
    assert first.matched == again.matched
    assert first.statement == again.statement


SLOW = "SELECT count(*) FROM range(100000) a, range(100000) b WHERE hash(a.range, b.range) = 1"


class SetByAnother(threading.Event):
    """Set as soon as another thread than the one that made it looks: while that one works."""

    def __init__(self) -> None:
        super().__init__()
        self._maker = threading.get_ident()

    def is_set(self) -> bool:
        if threading.get_ident() != self._maker:
            self.set()
        return super().is_set()


def test_a_running_query_stops_when_the_run_is_cancelled(tmp_path: Path) -> None:
    """Cancelling from another thread interrupts the engine in the middle of a query."""
    with pytest.raises(RunCancelledError), open_engine(tmp_path, LIMITS, SetByAnother()) as engine:
        engine.run(SLOW)


def test_writing_stops_when_the_run_is_cancelled(tmp_path: Path) -> None:
    """A cancelled write leaves no file under its name, and nobody waiting at a pipe."""
    with pytest.raises(RunCancelledError), open_engine(tmp_path, LIMITS, SetByAnother()) as engine:
        write_parquet(engine, SLOW, tmp_path / "x.parquet")
    assert not (tmp_path / "x.parquet").exists()


def test_staging_stops_when_the_run_is_cancelled(tmp_path: Path) -> None:
    """Cancelling while rows stream in stops reading them."""
    cancelled = threading.Event()
    read = []

    def endless() -> Iterator[ReportLine]:
        for n in range(1, 10**9):
            if n == 10_000:
                cancelled.set()
            read.append(n)
            yield line(n, K.CAPTURE, "ch", 1)

    with open_engine(tmp_path, LIMITS, cancelled) as engine, pytest.raises(RunCancelledError):
        stage_settlement(engine, tmp_path, [(1, endless())])
    assert len(read) < 20_000


def test_a_failing_query_leaves_nobody_at_the_pipe(tmp_path: Path) -> None:
    """Describing a file that is no Parquet fails at once and does not hang."""
    with open_engine(tmp_path, LIMITS) as engine, pytest.raises(duckdb.Error):
        write_parquet(engine, "SELECT no_such_column", tmp_path / "x.parquet")


def test_the_engine_loads_nothing_from_outside(tmp_path: Path) -> None:
    """Extensions are not installed, and nobody can allow it later."""
    with open_engine(tmp_path, LIMITS) as engine:
        with pytest.raises(duckdb.Error):
            engine.run("SET autoinstall_known_extensions = true")
        [(zone,)] = engine.run("SELECT current_setting('TimeZone')")
    assert zone == "UTC"


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Everything in the seal survives, and any change of it changes its hash."""
    days = Days(tmp_path)
    days.books.both("dep/1", "captured", movement(1000, "ch1"))
    days.run(days.report(1, line(1, K.CAPTURE, "ch1", 1000)))
    done = days.run(days.report(2))
    manifest, sha256 = read_manifest(done.folder)
    assert manifest.scope == done.evidence.scope
    assert manifest.cut == done.statement.cut
    assert [run.manifest_sha256 for run in manifest.history] == [manifest.cut.predecessor_sha256]
    assert manifest.files.keys() == {
        "inputs/settlement.parquet",
        "inputs/gateway.parquet",
        "inputs/ledger.parquet",
        *done.matched.files,
    }
    [balance] = manifest.provider_balances
    assert (balance.pot, balance.opening_minor, balance.closing_minor) == (Pot.PROVIDER, 1000, 1000)
    copy = tmp_path / "copy"
    copy.mkdir()
    assert write_manifest(copy, manifest) == sha256
    assert write_manifest(copy, replace(manifest, engine="another")) != sha256


def test_a_manifest_that_is_not_the_expected_one_is_refused(tmp_path: Path) -> None:
    """A missing, a broken and another manifest each say so."""
    days = Days(tmp_path)
    folder = days.run(days.report(1)).folder
    with pytest.raises(ManifestError, match="is not"):
        read_manifest(folder, "ab" * 32)
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(folder)
