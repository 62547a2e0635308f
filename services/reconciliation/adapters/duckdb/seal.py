"""Seal: the last step over files. After it a run can be published and followed by the next."""

from services.reconciliation.adapters.duckdb.engine import Engine
from services.reconciliation.adapters.duckdb.files import input_name
from services.reconciliation.adapters.duckdb.manifest import (
    Manifest,
    Remembered,
    read_manifest,
    write_manifest,
)
from services.reconciliation.adapters.duckdb.prove.evidence import Evidence
from services.reconciliation.domain.statement import Statement


def seal(evidence: Evidence, statement: Statement) -> str:
    """Write the manifest of a proven run and return its SHA-256, in lower-case hex.

    Raises:
        ManifestError: the manifest of a remembered run cannot be read.
    """
    remembered = []
    for folder in evidence.folders.history:
        manifest, sha256 = read_manifest(folder)
        remembered.append(Remembered(manifest.scope.business_date, sha256))
    inputs = {input_name(side): staged.file for side, staged in evidence.staged.items()}
    return write_manifest(
        evidence.folders.folder,
        Manifest(
            scope=evidence.scope,
            cut=statement.cut,
            verdict=statement.verdict,
            engine=Engine.version,
            files=inputs | dict(evidence.results),
            provider_balances=statement.provider_balances,
            history=tuple(remembered),
        ),
    )
