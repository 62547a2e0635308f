"""The workbench: files by content, steps that may be repeated, threads that stop."""

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from services.kernel.movements import MovementKind, Pot
from services.reconciliation.activities.telling import beating
from services.reconciliation.adapters.duckdb.engine import EngineLimits, RunCancelledError
from services.reconciliation.adapters.object_store import FolderStore, ObjectMissingError
from services.reconciliation.adapters.threads import Pulled, in_thread
from services.reconciliation.adapters.workbench import DuckDbWorkbench
from services.reconciliation.application.ports import BadInputError
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
from services.reconciliation.domain.runs import IncompleteReason, ReportInput, RunCut
from services.reconciliation.domain.statement import SequenceCut
from services.reconciliation.domain.steps import Proven, Staged, StoredReport
from services.reconciliation.domain.verdict import Verdict
from tests.fakes.recon_world import MONDAY, Line, mock_report

SCOPE = RunScope("acme", "mock", "main", MONDAY)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PENDING = "asset/psp/mock/main/pending/eur"
POTS = {PENDING: Pot.PROVIDER}
REPORT = StoredReport(
    ReportInput("r-1", 1, "c0" * 32, "mock", 2),
    mock_report(1, MONDAY, 0, [Line("ch_1", 1_000, 30)]),
)
CUT = RunCut(
    SequenceCut(0, 2), SequenceCut(0, 1), (REPORT.input,), POTS, Rules().version, Rules().sha256,
    "", None, "", NOON,
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """An empty store."""
    return FolderStore(tmp_path.as_uri())


@pytest.fixture
def bench(store: FolderStore) -> DuckDbWorkbench:
    """A workbench over it."""
    return DuckDbWorkbench(store, EngineLimits(threads=1, memory_mb=256), Rules())


async def events() -> AsyncIterator[Sequence[GatewayEvent] | ScannedRange]:
    """One event, of a captured deposit."""
    captured = GatewayMovement(Pot.PROVIDER, "EUR", 1_000, "ch_1", MovementKind.CAPTURE)
    inside = GatewayMovement(Pot.CLEARING, "EUR", 0, "", None)
    yield [GatewayEvent(1, "1", "deposit-1", "captured", NOON, (captured, inside))]
    yield ScannedRange(Side.GATEWAY, 0, 1, 1, 1)


async def transactions() -> AsyncIterator[Sequence[LedgerTransaction] | ScannedRange]:
    """Two transactions: the deposit is captured, and its fee charged."""
    for number, (fact, kind, amount) in enumerate(
        [("captured", "capture", 1_000), ("fee", "capture_fee", -30)], start=1
    ):
        yield [
            LedgerTransaction(
                number,
                f"tx-{number}",
                NOON,
                (LedgerEntry(PENDING, "EUR", amount),),
                {
                    "object": "deposit-1",
                    "fact": fact,
                    "movement_key": "ch_1",
                    "movement_kind": kind,
                },
            )
        ]
    yield ScannedRange(Side.LEDGER, 0, 2, 2, 2)


async def staged(bench: DuckDbWorkbench) -> list[Staged]:
    """Stage all three sides."""
    balances = [LedgerBalance(PENDING, "EUR", 970)]
    return [
        await bench.stage_settlement(SCOPE, [REPORT]),
        await bench.stage_gateway(events()),
        await bench.stage_ledger(transactions(), POTS, balances),
    ]


async def proven(bench: DuckDbWorkbench, *lacking: IncompleteReason) -> Proven:
    """Do all steps."""
    sides = await staged(bench)
    matched = await bench.match(SCOPE, CUT, sides)
    return await bench.prove(SCOPE, CUT, sides, matched, lacking)


async def test_every_step_may_be_repeated(bench: DuckDbWorkbench, tmp_path: Path) -> None:
    """Steps done twice, here or on another machine, give the same hashes all the way."""
    elsewhere = DuckDbWorkbench(
        FolderStore((tmp_path / "elsewhere").as_uri()),
        EngineLimits(threads=2, memory_mb=256),
        Rules(),
    )

    first, second, third = await proven(bench), await proven(bench), await proven(elsewhere)

    assert first == second == third
    assert first.verdict is Verdict.RECONCILED
    assert (await bench.statement(first.statement_sha256)).verdict is Verdict.RECONCILED


async def test_a_lacking_input_fails_the_first_proof(bench: DuckDbWorkbench) -> None:
    """A run without all of its inputs is INCOMPLETE for that reason, even where all else holds."""
    lacking = await proven(bench, IncompleteReason.REPORT_NOT_BOOKED)
    statement = await bench.statement(lacking.statement_sha256)

    assert lacking.verdict is Verdict.INCOMPLETE
    assert lacking.incomplete_reasons == (IncompleteReason.REPORT_NOT_BOOKED,)
    assert statement.proofs[0].failures == (
        "The gateway did not book the report before the deadline",
    )


async def test_a_failed_proof_is_its_own_reason(bench: DuckDbWorkbench) -> None:
    """A ledger whose balance the rows do not explain makes the run INCOMPLETE: PROOF_FAILED."""
    sides = await staged(bench)
    sides[2] = await bench.stage_ledger(transactions(), POTS, [LedgerBalance(PENDING, "EUR", 971)])
    matched = await bench.match(SCOPE, CUT, sides)

    found = await bench.prove(SCOPE, CUT, sides, matched, [])

    assert found.verdict is Verdict.INCOMPLETE
    assert found.incomplete_reasons == (IncompleteReason.PROOF_FAILED,)


async def test_the_breaks_of_a_sealed_run_are_read_by_its_manifest(bench: DuckDbWorkbench) -> None:
    """From the manifest's hash alone every open group is read, with its evidence."""
    sides = await staged(bench)
    more = replace(
        REPORT, content=mock_report(1, MONDAY, 0, [Line("ch_1", 1_000, 30), Line("ch_2", 500, 0)])
    )
    sides[0] = await bench.stage_settlement(SCOPE, [more])
    found = await bench.prove(SCOPE, CUT, sides, await bench.match(SCOPE, CUT, sides), [])

    pages = [page async for page in bench.breaks(found.manifest_sha256)]

    [[one]] = pages
    assert (one.key.key, one.outside_minor, one.ledger_minor) == ("ch_2", 500, 0)
    assert one.row_ids == ("S 1:10:movement",)


async def test_what_a_source_cannot_have_sent_is_refused(bench: DuckDbWorkbench) -> None:
    """A report under another number, and rows out of order, are refused with what is wrong."""
    other = replace(REPORT, input=replace(REPORT.input, batch_number=2))

    async def backwards() -> AsyncIterator[Sequence[GatewayEvent] | ScannedRange]:
        yield [GatewayEvent(number, "x", "d", "f", NOON, ()) for number in (2, 1)]
        yield ScannedRange(Side.GATEWAY, 0, 2, 2, 2)

    with pytest.raises(BadInputError, match="is report 1, not 2"):
        await bench.stage_settlement(SCOPE, [other])
    with pytest.raises(BadInputError, match="Position 1 came after 2"):
        await bench.stage_gateway(backwards())


async def test_a_cancelled_step_stops_its_thread(bench: DuckDbWorkbench, tmp_path: Path) -> None:
    """When a step is cancelled its export is let go, its thread ends, and its work is gone."""
    waiting = asyncio.Event()

    async def stuck() -> AsyncIterator[Sequence[GatewayEvent] | ScannedRange]:
        waiting.set()
        await asyncio.Event().wait()
        yield ScannedRange(Side.GATEWAY, 0, 0, 0, 0)

    step = asyncio.create_task(bench.stage_gateway(stuck()))
    await waiting.wait()
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step

    assert list((tmp_path / "work").iterdir()) == []


async def test_a_failed_export_is_the_failure_of_its_step() -> None:
    """What an export raises, even a timeout of its own, is raised where it is pulled."""

    async def failing() -> AsyncIterator[Sequence[int] | ScannedRange]:
        yield [1]
        raise TimeoutError("the ledger took too long")

    loop = asyncio.get_running_loop()

    def work(cancelled: threading.Event) -> list[int]:
        return list(Pulled(failing(), loop, cancelled))

    with pytest.raises(TimeoutError, match="took too long"):
        await in_thread(work)


async def test_the_heart_beats_while_a_thread_works() -> None:
    """A step that works in a thread leaves the event loop free to tell that the worker lives."""
    beaten = threading.Event()

    async def step() -> bool:
        async with beating():
            return await in_thread(lambda _cancelled: beaten.wait(timeout=10))

    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *_details: beaten.set()

    assert await environment.run(step)


async def test_a_thread_is_told_to_stop() -> None:
    """The event of a cancelled step is set for whoever looks."""
    started, seen = threading.Event(), threading.Event()

    def work(cancelled: threading.Event) -> None:
        started.set()
        if cancelled.wait(timeout=10):
            seen.set()
            raise RunCancelledError

    step = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(started.wait, 10)
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step

    assert seen.is_set()


def test_a_file_is_kept_under_the_hash_of_its_bytes(store: FolderStore, tmp_path: Path) -> None:
    """Kept twice it is there once, read-only; it is brought back as it was."""
    first, second = store.put_bytes(b"one"), store.put_bytes(b"one")

    store.bring(first, tmp_path / "there" / "file")

    assert first == second
    assert store.read(first) == (tmp_path / "there" / "file").read_bytes() == b"one"
    [kept] = [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]
    assert kept.name == first
    assert kept.stat().st_mode & 0o222 == 0


def test_a_file_is_on_the_disk_before_it_has_its_name(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut a name has all of its bytes: they are synced first, and then the name."""
    path, content = tmp_path / "file", b"some bytes"
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    place = tmp_path / "objects" / sha256[:2] / sha256
    sync, synced = os.fsync, []

    def watched(handle: int) -> None:
        sync(handle)
        synced.append((os.fstat(handle), place.exists()))

    monkeypatch.setattr(os, "fsync", watched)
    store.put(path)

    (file, named), (folder, named_then) = synced
    assert (file.st_ino, file.st_size, named) == (place.stat().st_ino, len(content), False)
    assert (folder.st_ino, named_then) == (place.parent.stat().st_ino, True)


def test_a_missing_or_damaged_file_is_noticed(store: FolderStore, tmp_path: Path) -> None:
    """What is not there, or is not what its name says, is never taken for a file."""
    sha256 = store.put_bytes(b"one")
    place = tmp_path / "objects" / sha256[:2] / sha256
    place.chmod(0o600)
    place.write_bytes(b"two")

    with pytest.raises(ObjectMissingError, match="damaged"):
        store.read(sha256)
    with pytest.raises(ObjectMissingError, match="no file"):
        store.read("00" * 32)
    with pytest.raises(ObjectMissingError, match="no file"):
        store.bring("00" * 32, tmp_path / "x")
