"""The files of runs between the steps: facts of what was staged, and the folders of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from services.reconciliation.adapters.duckdb.files import FileFacts, RunFolders, input_name
from services.reconciliation.adapters.duckdb.manifest import NAME as MANIFEST
from services.reconciliation.adapters.duckdb.manifest import Manifest, read_manifest
from services.reconciliation.adapters.duckdb.stage import StagedSide
from services.reconciliation.adapters.object_store import FolderStore
from services.reconciliation.domain.inputs import LedgerBalance, RunScope, ScannedRange
from services.reconciliation.domain.rows import Side
from services.reconciliation.domain.rules import Rules
from services.reconciliation.domain.runs import RunCut
from services.reconciliation.domain.staging import ReportTotals
from services.reconciliation.domain.steps import Matched, Staged


@dataclass(frozen=True, slots=True)
class StagedFacts:
    """All that is known of a staged side, as it is stored between the steps."""

    staged: StagedSide
    scanned: ScannedRange | None
    """What the export said of itself; None for reports."""
    reports: tuple[ReportTotals, ...] = ()
    """What the reports say of themselves."""
    balances: tuple[LedgerBalance, ...] = ()
    """The ledger's own, at the cut."""


_STAGED = TypeAdapter(StagedFacts)
_RESULTS: TypeAdapter[dict[str, FileFacts]] = TypeAdapter(dict[str, FileFacts])


class RunFiles:
    """Brings a run's files into the folder of a step, and keeps what the step made.

    Args:
        store: the files of all runs.
        rules: how long closed keys are remembered.
    """

    def __init__(self, store: FolderStore, rules: Rules) -> None:
        self._store = store
        self._rules = rules

    def keep_staged(self, folder: Path, facts: StagedFacts) -> Staged:
        """Keep a staged side and its facts."""
        staged = facts.staged
        return Staged(
            side=staged.side,
            scanned=facts.scanned.scanned if facts.scanned else staged.source_count,
            source_count=staged.source_count,
            row_count=staged.file.row_count,
            sha256=self._store.put(folder / input_name(staged.side)),
            facts_sha256=self._store.put_bytes(_STAGED.dump_json(facts)),
        )

    def keep_results(self, folder: Path, results: Mapping[str, FileFacts]) -> str:
        """Keep the files that the matcher wrote; return the hash of their facts."""
        for name in results:
            self._store.put(folder / name)
        return self._store.put_bytes(_RESULTS.dump_json(dict(results)))

    def staged_facts(self, staged: Sequence[Staged]) -> dict[Side, StagedFacts]:
        """Return what is known of the staged sides."""
        return {
            side.side: _STAGED.validate_json(self._store.read(side.facts_sha256)) for side in staged
        }

    def bring_inputs(self, folder: Path, staged: Sequence[Staged]) -> None:
        """Bring the staged sides."""
        for side in staged:
            self._store.bring(side.sha256, folder / input_name(side.side))

    def bring_results(self, folder: Path, matched: Matched) -> dict[str, FileFacts]:
        """Bring the files that the matcher wrote; return their facts."""
        results = _RESULTS.validate_json(self._store.read(matched.facts_sha256))
        for name, facts in results.items():
            self._store.bring(facts.sha256, folder / name)
        return results

    def folders(self, folder: Path, scope: RunScope, cut: RunCut) -> RunFolders:
        """Bring the files of the predecessor, and of the runs whose keys are remembered."""
        if not cut.predecessor_manifest_sha256:
            return RunFolders(folder, None, ())
        before = folder.parent / "before"
        last = before / cut.predecessor_manifest_sha256
        manifest = self.bring_run(cut.predecessor_manifest_sha256, last)
        since = self._rules.remembered_since(scope.business_date)
        remembered = []
        for run in manifest.history:
            if run.business_date >= since:
                remembered.append(before / run.manifest_sha256)
                self.bring_run(run.manifest_sha256, remembered[-1])
        if manifest.scope.business_date >= since:
            remembered.append(last)
        return RunFolders(folder, last, tuple(remembered))

    def bring_run(self, manifest_sha256: str, folder: Path) -> Manifest:
        """Bring a sealed run's manifest and files."""
        self._store.bring(manifest_sha256, folder / MANIFEST)
        manifest, _ = read_manifest(folder, manifest_sha256)
        for name, facts in manifest.files.items():
            self._store.bring(facts.sha256, folder / name)
        return manifest
