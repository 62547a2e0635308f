"""The README's program works as it is printed, with the stubs alone."""

import asyncio
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.fakes.ledger_server import LedgerClient, asset, liability, transfer
from vezne.ledger.v1.account_pb2 import Account, AccountKind

ROOT = Path(__file__).resolve().parents[3]
PLAYER, BANK = "liability/player/42/cash/eur", "asset/bank/main/eur"


def program(port: int) -> str:
    """The README's Python block, with this test's port."""
    [block] = re.findall(r"(?ms)^```python\n(.*?)^```", (ROOT / "README.md").read_text())
    assert ":50051" in block
    return block.replace(":50051", f":{port}")


async def run(source: str, folder: Path) -> str:
    """Run a program with nothing but the stubs to import from this project."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "gen")}
    checked = source + "\nimport sys\nassert 'services' not in sys.modules\n"
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", checked],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


async def test_the_program_posts_and_handles_a_refusal(
    ledger: LedgerClient, tmp_path: Path
) -> None:
    """It prints the refusal of a player without money, and the posting of one with money."""
    await ledger.tenant("demo")
    income = Account(
        account_id="income/games/eur", currency_code="EUR", kind=AccountKind.ACCOUNT_KIND_INCOME
    )
    await ledger.open("demo", asset(BANK), liability(PLAYER, min_available_minor=0), income)
    source = program(ledger.port)

    assert "refused: INSUFFICIENT_AVAILABLE" in await run(source, tmp_path)
    await ledger.post("demo", "pay-in", transfer(BANK, PLAYER, 1_200))
    funded = source.replace("bet-1", "bet-2")
    assert await run(funded, tmp_path) == "posted as 2 balance 700\n"


def test_the_program_is_about_twenty_lines() -> None:
    """The README promises twenty lines, give or take an import."""
    assert len(program(1).splitlines()) <= 25


def test_the_stubs_bring_nothing_of_the_services(tmp_path: Path) -> None:
    """The distribution holds stubs, types and the currency registry, and needs four packages."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", str(tmp_path), str(ROOT / "gen")],
        check=True,
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [metadata] = [name for name in names if name.endswith("METADATA")]
        needed = re.findall(r"(?m)^Requires-Dist: ([a-z0-9-]+)", archive.read(metadata).decode())

    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"vezne", "buf"}
    assert {"vezne/py.typed", "vezne/type/currencies.json"} <= set(names)
    assert sorted(needed) == ["googleapis-common-protos", "grpcio", "grpcio-status", "protobuf"]


@pytest.mark.parametrize("name", ["ledger", "psp_gateway", "reconciliation"])
def test_every_service_has_stubs(name: str) -> None:
    """Each contract package is generated."""
    assert list((ROOT / "gen/vezne" / name / "v1").glob("*_service_pb2_grpc.py"))
