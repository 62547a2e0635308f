"""The manifest seals a run: what it read, what it wrote, and the manifest of the run before it.

Canonical JSON (sorted keys, no spaces, UTF-8; integers and text only), so that its SHA-256 stands
for the whole run and, through `predecessor_sha256`, for all runs before it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from services.formats.report import ReportBalance
from services.kernel.movements import Pot
from services.reconciliation.adapters.duckdb.files import FileFacts
from services.reconciliation.domain.inputs import RunScope
from services.reconciliation.domain.statement import Cut, ReportCut, SequenceCut
from services.reconciliation.domain.verdict import Verdict

NAME = "manifest.json"
_FORMAT = 1


class ManifestError(Exception):
    """A manifest that cannot be read, or is not the one that was expected."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """An earlier run whose closed keys a run remembers, by the hash of its manifest."""

    business_date: date
    manifest_sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The seal of one run."""

    scope: RunScope
    cut: Cut
    verdict: Verdict
    engine: str
    """The engine that wrote the files; another one gives other bytes and the same row hashes."""
    files: Mapping[str, FileFacts]
    """Inputs and results, by name relative to the run's folder."""
    provider_balances: tuple[ReportBalance, ...]
    """What the next run's opening balances must be."""
    history: tuple[Remembered, ...]
    """The runs whose keys this one remembered, oldest first."""


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Write the manifest into the run's folder and return its SHA-256, in lower-case hex."""
    content = orjson.dumps({"format": _FORMAT, **asdict(manifest)}, option=orjson.OPT_SORT_KEYS)
    unfinished = folder / f"{NAME}.unfinished"
    unfinished.write_bytes(content)
    unfinished.replace(folder / NAME)
    return hashlib.sha256(content).hexdigest()


def read_manifest(folder: Path, expected_sha256: str | None = None) -> tuple[Manifest, str]:
    """Read the manifest of a run's folder; return it with its SHA-256.

    Raises:
        ManifestError: it is missing or unreadable, or its hash is not the expected one.
    """
    try:
        content = (folder / NAME).read_bytes()
        manifest = _manifest(orjson.loads(content))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"The manifest of {folder.name} cannot be read: {error}") from error
    sha256 = hashlib.sha256(content).hexdigest()
    if expected_sha256 is not None and sha256 != expected_sha256:
        raise ManifestError(f"The manifest of {folder.name} is not {expected_sha256}")
    return manifest, sha256


def _manifest(content: dict[str, Any]) -> Manifest:
    if content["format"] != _FORMAT:
        raise ValueError(f"format {content['format']} is unknown")
    scope, cut = content["scope"], content["cut"]
    return Manifest(
        scope=RunScope(**{**scope, "business_date": date.fromisoformat(scope["business_date"])}),
        cut=Cut(
            **{
                **cut,
                "ledger": SequenceCut(**cut["ledger"]),
                "gateway": SequenceCut(**cut["gateway"]),
                "reports": tuple(ReportCut(**report) for report in cut["reports"]),
            }
        ),
        verdict=Verdict(content["verdict"]),
        engine=content["engine"],
        files={name: FileFacts(**facts) for name, facts in content["files"].items()},
        provider_balances=tuple(
            ReportBalance(**{**balance, "pot": Pot(balance["pot"])})
            for balance in content["provider_balances"]
        ),
        history=tuple(
            Remembered(date.fromisoformat(run["business_date"]), run["manifest_sha256"])
            for run in content["history"]
        ),
    )
