"""Where the files of runs are made: DuckDB over the object store. Implements `Workbench`."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from services import formats
from services.formats.report import ReportFormatError, SettlementReport
from services.kernel.money import MoneyError
from services.kernel.movements import Pot
from services.reconciliation.adapters.duckdb.engine import (
    Engine,
    EngineLimits,
    Watch,
    literal,
    open_engine,
)
from services.reconciliation.adapters.duckdb.files import (
    FileFacts,
    RunFolders,
    input_name,
    result_name,
    result_names,
)
from services.reconciliation.adapters.duckdb.manifest import NAME as MANIFEST
from services.reconciliation.adapters.duckdb.manifest import Manifest, read_manifest
from services.reconciliation.adapters.duckdb.match import match
from services.reconciliation.adapters.duckdb.prove import Evidence, prove
from services.reconciliation.adapters.duckdb.seal import seal
from services.reconciliation.adapters.duckdb.stage import (
    StagedSide,
    StagingError,
    stage_gateway,
    stage_ledger,
    stage_settlement,
)
from services.reconciliation.adapters.object_store import FolderStore
from services.reconciliation.adapters.threads import Pulled, in_thread
from services.reconciliation.application.ports import BadInputError
from services.reconciliation.domain.breaks import Break, BreakKey, Lifecycle
from services.reconciliation.domain.classes import BreakClass, Severity
from services.reconciliation.domain.inputs import (
    GatewayEvent,
    LedgerBalance,
    LedgerTransaction,
    RunScope,
    ScannedRange,
)
from services.reconciliation.domain.markdown import to_markdown
from services.reconciliation.domain.rows import SCOPES, Comparison, Side
from services.reconciliation.domain.rules import Rules
from services.reconciliation.domain.runs import (
    LACKING,
    IncompleteReason,
    RunCounts,
    RunCut,
    SideCounts,
)
from services.reconciliation.domain.staging import Exclusion, ReportTotals, totals_of
from services.reconciliation.domain.statement import Statement
from services.reconciliation.domain.steps import (
    Matched,
    Proven,
    Staged,
    StoredReport,
    incomplete,
)

_BREAKS_PAGE = 1_000
_MARKDOWN_BYTES_MAX = 14_000


@dataclass(frozen=True, slots=True)
class StagedFacts:
    """All that is known of a staged side, as it is stored between the steps."""

    side: Side
    file: FileFacts
    source_count: int
    excluded: Mapping[Exclusion, int]
    sums_minor: Sequence[tuple[str, str, int]]
    """Pot, currency and sum."""
    scanned: ScannedRange | None
    """What the export said of itself; None for reports."""
    reports: tuple[ReportTotals, ...]
    balances: tuple[LedgerBalance, ...]
    """The ledger's own, at the cut."""

    @classmethod
    def of(
        cls,
        staged: StagedSide,
        scanned: ScannedRange | None,
        reports: Sequence[ReportTotals] = (),
        balances: Sequence[LedgerBalance] = (),
    ) -> "StagedFacts":
        """Return what is stored of a staged side."""
        sums_minor = [(pot, code, net) for (pot, code), net in sorted(staged.sums_minor.items())]
        return cls(
            staged.side,
            staged.file,
            staged.source_count,
            staged.excluded,
            sums_minor,
            scanned,
            tuple(reports),
            tuple(balances),
        )

    @property
    def staged(self) -> StagedSide:
        """What staging said."""
        sums_minor = {(pot, code): net for pot, code, net in self.sums_minor}
        return StagedSide(self.side, self.file, self.source_count, self.excluded, sums_minor)


_STAGED = TypeAdapter(StagedFacts)
_RESULTS: TypeAdapter[dict[str, FileFacts]] = TypeAdapter(dict[str, FileFacts])
_STATEMENT = TypeAdapter(Statement)


class DuckDbWorkbench:
    """Stages, matches and proves.

    Args:
        store: the files of all runs.
        limits: what one step may use.
        rules: the rules of the runs.
    """

    def __init__(self, store: FolderStore, limits: EngineLimits, rules: Rules) -> None:
        self._store = store
        self._limits = limits
        self._rules = rules

    async def stage_settlement(self, _scope: RunScope, reports: Sequence[StoredReport]) -> Staged:
        def work(watch: Watch) -> Staged:
            with self._staging(watch) as (engine, folder):
                parsed = [_parsed(stored) for stored in reports]
                batches = [(report.batch_number, report.lines) for report in parsed]
                staged = stage_settlement(engine, folder, batches)
                totals = [
                    totals_of(report, stored.input.sha256)
                    for report, stored in zip(parsed, reports, strict=True)
                ]
                return self._keep_staged(folder, StagedFacts.of(staged, None, totals))

        return await in_thread(work)

    async def stage_gateway(
        self, _scope: RunScope, exported: AsyncIterator[Sequence[GatewayEvent] | ScannedRange]
    ) -> Staged:
        loop = asyncio.get_running_loop()

        def work(watch: Watch) -> Staged:
            events = Pulled(exported, loop, watch)
            with self._staging(watch) as (engine, folder):
                staged = stage_gateway(engine, folder, events)
                return self._keep_staged(folder, StagedFacts.of(staged, events.scanned))

        return await in_thread(work)

    async def stage_ledger(
        self,
        _scope: RunScope,
        exported: AsyncIterator[Sequence[LedgerTransaction] | ScannedRange],
        pots: Mapping[str, Pot],
        balances: Sequence[LedgerBalance],
    ) -> Staged:
        loop = asyncio.get_running_loop()

        def work(watch: Watch) -> Staged:
            transactions = Pulled(exported, loop, watch)
            with self._staging(watch) as (engine, folder):
                staged = stage_ledger(engine, folder, transactions, pots)
                facts = StagedFacts.of(staged, transactions.scanned, balances=balances)
                return self._keep_staged(folder, facts)

        return await in_thread(work)

    async def match(self, scope: RunScope, cut: RunCut, staged: Sequence[Staged]) -> Matched:
        def work(watch: Watch) -> Matched:
            with self._step(watch) as (engine, folder):
                self._bring_inputs(folder, staged)
                result = match(engine, scope, self._rules, self._folders(folder, scope, cut))
                for name in result.files:
                    self._store.put(folder / name)
                open_rows = sum(total.count for total in result.totals if total.outcome == "OPEN")
                all_rows = sum(total.count for total in result.totals)
                facts = _RESULTS.dump_json(dict(result.files))
                return Matched(all_rows - open_rows, open_rows, self._store.put_bytes(facts))

        return await in_thread(work)

    async def prove(
        self,
        scope: RunScope,
        cut: RunCut,
        staged: Sequence[Staged],
        matched: Matched,
        lacking: Sequence[IncompleteReason],
    ) -> Proven:
        def work(watch: Watch) -> Proven:
            with self._step(watch) as (engine, folder):
                self._bring_inputs(folder, staged)
                results = _RESULTS.validate_json(self._store.read(matched.facts_sha256))
                for name, facts in results.items():
                    self._store.bring(facts.sha256, folder / name)
                evidence = self._evidence(folder, scope, cut, staged, results)
                proven = prove(engine, evidence)
                statement = proven.lacking([LACKING[reason] for reason in lacking])
                seal(evidence, statement)
                return Proven(
                    verdict=statement.verdict,
                    incomplete_reasons=incomplete(
                        lacking, proofs_hold=all(proof.holds for proof in proven.proofs)
                    ),
                    counts=_counts(engine, folder, statement, staged),
                    manifest_sha256=self._store.put(folder / MANIFEST),
                    statement_sha256=self._store.put_bytes(_STATEMENT.dump_json(statement)),
                    markdown=_shortened(to_markdown(statement)),
                )

        return await in_thread(work)

    async def statement(self, statement_sha256: str) -> Statement:
        content = await asyncio.to_thread(self._store.read, statement_sha256)
        return _STATEMENT.validate_json(content)

    async def breaks(self, manifest_sha256: str) -> AsyncIterator[Sequence[Break]]:
        with self._store.workspace() as work:
            manifest = self._bring_run(manifest_sha256, work / "run")
            for comparison in SCOPES:
                name = result_name(comparison, "breaks")
                if name not in manifest.files:
                    continue
                with open_engine(work / "engine", self._limits) as engine:
                    source = literal(work / "run" / name)
                    found = engine.stream(f"FROM read_parquet({source}) ORDER BY break_id")
                    while page := await asyncio.to_thread(_page, found):
                        yield [_break(row) for row in page]

    @contextmanager
    def _staging(self, watch: Watch) -> Iterator[tuple[Engine, Path]]:
        """Offer what `_step` does; what a source sent that cannot be is a BadInputError."""
        try:
            with self._step(watch) as step:
                yield step
        except (StagingError, MoneyError, ReportFormatError) as error:
            raise BadInputError(str(error)) from error

    @contextmanager
    def _step(self, watch: Watch) -> Iterator[tuple[Engine, Path]]:
        """Offer an engine, and the folder in which this step sees the run."""
        with (
            self._store.workspace() as work,
            open_engine(work / "engine", self._limits, watch) as engine,
        ):
            folder = work / "run"
            folder.mkdir()
            yield engine, folder

    def _keep_staged(self, folder: Path, facts: StagedFacts) -> Staged:
        scanned = facts.scanned.scanned if facts.scanned else facts.source_count
        return Staged(
            side=facts.side,
            scanned=scanned,
            source_count=facts.source_count,
            row_count=facts.file.row_count,
            sha256=self._store.put(folder / input_name(facts.side)),
            facts_sha256=self._store.put_bytes(_STAGED.dump_json(facts)),
        )

    def _bring_inputs(self, folder: Path, staged: Sequence[Staged]) -> None:
        for side in staged:
            self._store.bring(side.sha256, folder / input_name(side.side))

    def _folders(self, folder: Path, scope: RunScope, cut: RunCut) -> RunFolders:
        """Bring the files of the predecessor, and of the runs whose keys are remembered."""
        if not cut.predecessor_manifest_sha256:
            return RunFolders(folder, None, ())
        before = folder.parent / "before"
        last = before / cut.predecessor_manifest_sha256
        manifest = self._bring_run(cut.predecessor_manifest_sha256, last)
        since = self._rules.remembered_since(scope.business_date)
        remembered = []
        for run in manifest.history:
            if run.business_date >= since:
                remembered.append(before / run.manifest_sha256)
                self._bring_run(run.manifest_sha256, remembered[-1])
        if manifest.scope.business_date >= since:
            remembered.append(last)
        return RunFolders(folder, last, tuple(remembered))

    def _bring_run(self, manifest_sha256: str, folder: Path) -> Manifest:
        """Bring a sealed run's manifest and files."""
        self._store.bring(manifest_sha256, folder / MANIFEST)
        manifest, _ = read_manifest(folder, manifest_sha256)
        for name, facts in manifest.files.items():
            self._store.bring(facts.sha256, folder / name)
        return manifest

    def _evidence(
        self,
        folder: Path,
        scope: RunScope,
        cut: RunCut,
        staged: Sequence[Staged],
        results: Mapping[str, FileFacts],
    ) -> Evidence:
        facts = {
            side.side: _STAGED.validate_json(self._store.read(side.facts_sha256)) for side in staged
        }
        ledger_range = facts[Side.LEDGER].scanned
        gateway_range = facts[Side.GATEWAY].scanned
        assert ledger_range is not None
        assert gateway_range is not None
        return Evidence(
            scope=scope,
            rules=self._rules,
            folders=self._folders(folder, scope, cut),
            staged={side: found.staged for side, found in facts.items()},
            results={name: results[name] for name in result_names()},
            reports=facts[Side.SETTLEMENT].reports,
            ledger_range=ledger_range,
            gateway_range=gateway_range,
            pots=cut.accounts,
            ledger_balances=facts[Side.LEDGER].balances,
            predecessor_sha256=cut.predecessor_manifest_sha256,
        )


def _counts(
    engine: Engine, folder: Path, statement: Statement, staged: Sequence[Staged]
) -> RunCounts:
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


def _parsed(stored: StoredReport) -> SettlementReport:
    report = formats.parse(stored.input.report_format, stored.content)
    if report.batch_number != stored.input.batch_number:
        raise ReportFormatError(
            f"The file is report {report.batch_number}, not {stored.input.batch_number}"
        )
    return report


def _shortened(markdown: str) -> str:
    """Return as much of a statement as a run's page holds; GetStatement has all of it."""
    content = markdown.encode()
    if len(content) <= _MARKDOWN_BYTES_MAX:
        return markdown
    return content[:_MARKDOWN_BYTES_MAX].decode(errors="ignore") + "\n\n…"


def _page(rows: Iterator[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list(islice(rows, _BREAKS_PAGE))


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
