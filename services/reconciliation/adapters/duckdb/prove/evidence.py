"""What a run is proved from: the files, and figures that come from elsewhere than the files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from services.reconciliation.adapters.duckdb.engine import Engine
from services.reconciliation.adapters.duckdb.files import FileFacts, RunFolders
from services.reconciliation.adapters.duckdb.manifest import Manifest
from services.reconciliation.adapters.duckdb.stage import StagedSide
from services.reconciliation.domain.inputs import (
    LedgerBalance,
    PotAccounts,
    RunScope,
    ScannedRange,
)
from services.reconciliation.domain.rows import Side
from services.reconciliation.domain.rules import Rules
from services.reconciliation.domain.staging import ReportTotals
from services.reconciliation.domain.statement import Proof

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the prover is given."""

    scope: RunScope
    rules: Rules
    folders: RunFolders
    staged: Mapping[Side, StagedSide]
    """What staging said of the inputs that it wrote."""
    results: Mapping[str, FileFacts]
    """What the matcher said of the files that it wrote."""
    reports: Sequence[ReportTotals]
    """What the reports of the run say of themselves."""
    ledger_range: ScannedRange
    gateway_range: ScannedRange
    """What the exports say of themselves."""
    pots: PotAccounts
    ledger_balances: Sequence[LedgerBalance]
    """The balance at the cut of every account in `pots`, asked for by name."""
    predecessor_sha256: str
    """The hash of the predecessor's manifest as it was published; empty for the very first run."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What every proof works with."""

    engine: Engine
    evidence: Evidence
    predecessor: Manifest | None

    @property
    def business_date(self) -> date:
        """The date of the run."""
        return self.evidence.scope.business_date


class Findings:
    """What one proof compared and what it found wrong."""

    def __init__(self) -> None:
        self._figures: list[str] = []
        self._failures: list[str] = []

    def compared(self, sentence: str) -> None:
        """Note what was compared."""
        self._figures.append(sentence)

    def fail(self, sentence: str) -> None:
        """Note what does not hold."""
        self._failures.append(sentence)

    def equal(self, what: str, actual: object, expected: object) -> None:
        """Note a failure unless the two are equal."""
        if actual != expected:
            self.fail(f"{what}: {actual} is not {expected}")

    def proof(self, number: int, name: str) -> Proof:
        """Return the proof; of many failures it shows the first and counts the rest."""
        failures = self._failures[:_SHOWN]
        if len(self._failures) > _SHOWN:
            failures.append(f"and {len(self._failures) - _SHOWN} more")
        return Proof(number, name, tuple(self._figures), tuple(failures))
