"""The classes by name: matching and proving give the same ones, which are those of the domain."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from services.reconciliation.adapters.duckdb import match, prove
from services.reconciliation.adapters.duckdb.engine import open_engine
from services.reconciliation.domain.classes import BreakClass
from services.reconciliation.domain.rows import SCOPES
from tests.fakes.recon_days import LIMITS

_GIVEN = re.compile(r"\b(?:THEN|ELSE) '(\w+)'")

# Bank statements, and contracts about fees and rates, are read by no comparison yet.
NOT_GIVEN_YET = {
    BreakClass.PENDING_BANK,
    BreakClass.MISSING_IN_BANK,
    BreakClass.BANK_UNIDENTIFIED,
    BreakClass.FEE_VARIANCE,
    BreakClass.FX_VARIANCE,
}


def matched(comparison: str) -> set[str]:
    """The classes that matching can give in a comparison."""
    text = files(match.__name__).joinpath(f"classes_{comparison}.sql").read_text("utf-8")
    return set(_GIVEN.findall(text))


def proven(comparison: str, work: Path) -> set[str]:
    """The classes that the prover's decisions can come to in a comparison."""
    with open_engine(work, LIMITS) as engine:
        engine.script(prove.__name__, "decisions.sql")
        found = engine.run(
            "SELECT class FROM decisions WHERE coalesce(comparison = $comparison, true)",
            comparison=comparison,
        )
    return {name for (name,) in found}


@pytest.mark.parametrize("comparison", SCOPES)
def test_the_prover_decides_on_every_class_that_matching_gives(
    comparison: str, tmp_path: Path
) -> None:
    """What matching may call a group the prover may call it, and nothing else."""
    assert proven(comparison, tmp_path) == matched(comparison)


def test_every_class_is_given_or_known_as_not_given_yet() -> None:
    """A class that is added to the domain is added to a comparison as well."""
    given = {name for comparison in SCOPES for name in matched(comparison)}

    assert given == set(BreakClass) - NOT_GIVEN_YET
