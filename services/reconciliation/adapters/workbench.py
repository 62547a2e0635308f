"""Where the files of runs are made: DuckDB over the object store. Implements `Workbench`."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from pydantic import TypeAdapter

from services import formats
from services.formats.report import ReportFormatError, SettlementReport
from services.kernel.invariant import present
from services.kernel.money import MoneyError
from services.kernel.movements import Pot
from services.reconciliation.adapters.duckdb.engine import (
    Engine,
    EngineLimits,
    open_engine,
)
from services.reconciliation.adapters.duckdb.files import (
    FileFacts,
    result_name,
    result_names,
)
from services.reconciliation.adapters.duckdb.manifest import NAME as MANIFEST
from services.reconciliation.adapters.duckdb.match import match
from services.reconciliation.adapters.duckdb.prove import Evidence, prove
from services.reconciliation.adapters.duckdb.seal import seal
from services.reconciliation.adapters.duckdb.stage import (
    StagingError,
    stage_gateway,
    stage_ledger,
    stage_settlement,
)
from services.reconciliation.adapters.object_store import FolderStore
from services.reconciliation.adapters.results import counts, next_page, stream_breaks
from services.reconciliation.adapters.run_files import RunFiles, StagedFacts
from services.reconciliation.adapters.threads import Pulled, in_thread
from services.reconciliation.application.ports import BadInputError
from services.reconciliation.domain.breaks import Break
from services.reconciliation.domain.inputs import (
    GatewayEvent,
    LedgerBalance,
    LedgerTransaction,
    RunScope,
    ScannedRange,
)
from services.reconciliation.domain.markdown import to_markdown
from services.reconciliation.domain.rows import SCOPES, Side
from services.reconciliation.domain.rules import Rules
from services.reconciliation.domain.runs import (
    LACKING,
    IncompleteReason,
    RunCut,
)
from services.reconciliation.domain.staging import totals_of
from services.reconciliation.domain.statement import Statement
from services.reconciliation.domain.steps import (
    Matched,
    Proven,
    Staged,
    StoredReport,
    incomplete,
)

_MARKDOWN_BYTES_MAX = 14_000


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
        self._files = RunFiles(store, rules)
        self._limits = limits
        self._rules = rules

    async def stage_settlement(self, scope: RunScope, reports: Sequence[StoredReport]) -> Staged:
        def work(cancelled: Event) -> Staged:
            with self._staging(cancelled) as (engine, folder):
                parsed = [_parsed(scope, stored) for stored in reports]
                batches = [(report.batch_number, report.lines) for report in parsed]
                staged = stage_settlement(engine, folder, batches)
                totals = tuple(
                    totals_of(report, stored.input.sha256)
                    for report, stored in zip(parsed, reports, strict=True)
                )
                return self._files.keep_staged(folder, StagedFacts(staged, None, totals))

        return await in_thread(work)

    async def stage_gateway(
        self, exported: AsyncIterator[Sequence[GatewayEvent] | ScannedRange]
    ) -> Staged:
        loop = asyncio.get_running_loop()

        def work(cancelled: Event) -> Staged:
            events = Pulled(exported, loop, cancelled)
            with self._staging(cancelled) as (engine, folder):
                staged = stage_gateway(engine, folder, events)
                return self._files.keep_staged(folder, StagedFacts(staged, events.scanned))

        return await in_thread(work)

    async def stage_ledger(
        self,
        exported: AsyncIterator[Sequence[LedgerTransaction] | ScannedRange],
        pots: Mapping[str, Pot],
        balances: Sequence[LedgerBalance],
    ) -> Staged:
        loop = asyncio.get_running_loop()

        def work(cancelled: Event) -> Staged:
            transactions = Pulled(exported, loop, cancelled)
            with self._staging(cancelled) as (engine, folder):
                staged = stage_ledger(engine, folder, transactions, pots)
                facts = StagedFacts(staged, transactions.scanned, balances=tuple(balances))
                return self._files.keep_staged(folder, facts)

        return await in_thread(work)

    async def match(self, scope: RunScope, cut: RunCut, staged: Sequence[Staged]) -> Matched:
        def work(cancelled: Event) -> Matched:
            with self._step(cancelled) as (engine, folder):
                self._files.bring_inputs(folder, staged)
                result = match(engine, scope, self._rules, self._files.folders(folder, scope, cut))
                open_rows = sum(total.count for total in result.totals if total.outcome == "OPEN")
                all_rows = sum(total.count for total in result.totals)
                facts_sha256 = self._files.keep_results(folder, result.files)
                return Matched(all_rows - open_rows, open_rows, facts_sha256)

        return await in_thread(work)

    async def prove(
        self,
        scope: RunScope,
        cut: RunCut,
        staged: Sequence[Staged],
        matched: Matched,
        lacking: Sequence[IncompleteReason],
    ) -> Proven:
        def work(cancelled: Event) -> Proven:
            with self._step(cancelled) as (engine, folder):
                self._files.bring_inputs(folder, staged)
                results = self._files.bring_results(folder, matched)
                evidence = self._evidence(folder, scope, cut, staged, results)
                proven = prove(engine, evidence)
                statement = proven.lacking([LACKING[reason] for reason in lacking])
                seal(evidence, statement)
                return Proven(
                    verdict=statement.verdict,
                    incomplete_reasons=incomplete(
                        lacking, proofs_hold=all(proof.holds for proof in proven.proofs)
                    ),
                    counts=counts(engine, folder, statement, staged),
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
            manifest = self._files.bring_run(manifest_sha256, work / "run")
            for comparison in SCOPES:
                name = result_name(comparison, "breaks")
                if name not in manifest.files:
                    continue
                with open_engine(work / "engine", self._limits) as engine:
                    rows = stream_breaks(engine, work / "run" / name)
                    while page := await asyncio.to_thread(next_page, rows):
                        yield page

    @contextmanager
    def _staging(self, cancelled: Event) -> Iterator[tuple[Engine, Path]]:
        """Offer what `_step` does; what a source sent that cannot be is a BadInputError."""
        try:
            with self._step(cancelled) as step:
                yield step
        except (StagingError, MoneyError, ReportFormatError) as error:
            raise BadInputError(str(error)) from error

    @contextmanager
    def _step(self, cancelled: Event) -> Iterator[tuple[Engine, Path]]:
        """Offer an engine, and the folder in which this step sees the run."""
        with (
            self._store.workspace() as work,
            open_engine(work / "engine", self._limits, cancelled) as engine,
        ):
            folder = work / "run"
            folder.mkdir()
            yield engine, folder

    def _evidence(
        self,
        folder: Path,
        scope: RunScope,
        cut: RunCut,
        staged: Sequence[Staged],
        results: Mapping[str, FileFacts],
    ) -> Evidence:
        facts = self._files.staged_facts(staged)
        return Evidence(
            scope=scope,
            rules=self._rules,
            folders=self._files.folders(folder, scope, cut),
            staged={side: found.staged for side, found in facts.items()},
            results={name: results[name] for name in result_names()},
            reports=facts[Side.SETTLEMENT].reports,
            ledger_range=_range(facts[Side.LEDGER]),
            gateway_range=_range(facts[Side.GATEWAY]),
            pots=cut.accounts,
            ledger_balances=facts[Side.LEDGER].balances,
            predecessor_sha256=cut.predecessor_manifest_sha256,
        )


def _range(facts: StagedFacts) -> ScannedRange:
    return present(facts.scanned, "what comes by an export is staged with what was scanned")


def _parsed(scope: RunScope, stored: StoredReport) -> SettlementReport:
    report = formats.parse(stored.input.report_format, stored.content)
    # The gateway refuses such files as well; a proof takes nobody's word for it.
    if report.provider_account != scope.provider_account:
        raise ReportFormatError(
            f"The file is of the account {report.provider_account[:64]!r}, "
            f"not {scope.provider_account!r}"
        )
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
