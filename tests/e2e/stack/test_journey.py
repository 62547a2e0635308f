"""A day at the command line, on a whole stack that `vezne up` runs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.vezne_up import Up, wait_for

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def stack(short_folder: Path) -> Iterator[Up]:
    """A whole stack that is up."""
    short_folder.chmod(0o711)
    up = Up(short_folder / "data", "--free-ports").wait_until_up()
    yield up
    assert up.signal(signal.SIGINT) == 0


def vezne(stack: Up, *arguments: str, ends_with: int = 0) -> Any:
    """Run a command for the tenant of the stack, and return its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", *arguments, "--output", "json"],
        env={**os.environ, "VEZNE_CLI_DATA": str(stack.folder), "VEZNE_TENANT": "demo"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ends_with, f"{arguments}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def post(url: str, body: bytes, bearer: str = "none") -> None:
    """Post to the mock PSP."""
    headers = {"authorization": f"Bearer {bearer}"}
    httpx.post(url, content=body, headers=headers, timeout=30).raise_for_status()


def captured_deposit(stack: Up, amount: str) -> dict[str, Any]:
    """Let a player pay on the page, and return the deposit once it is captured and booked."""
    wanted = ("--player", "7", "--amount", amount, "-c", "EUR")
    deposit = vezne(stack, "deposits", "create", *wanted)
    post(deposit["next_action"]["redirect"]["url"], b"choice=pay")

    def is_captured() -> bool:
        found = vezne(stack, "deposits", "show", deposit["deposit_id"])
        return bool(found["state"] == "DEPOSIT_STATE_CAPTURED" and not found["postings_pending"])

    wait_for(is_captured)
    return dict(deposit)


def close_yesterday(stack: Up) -> str:
    """End the provider's day, wait until its report is booked, and return its date."""
    manifest = json.loads((stack.folder / "stack.json").read_text())
    mock_psp = f"http://127.0.0.1:{manifest['ports']['mock_psp']}"
    token = (stack.folder / "secrets" / "mock_admin_token").read_text()
    post(f"{mock_psp}/admin/clock/close_day", b"{}", token)
    yesterday = str((datetime.now(UTC) - timedelta(days=1)).date())

    def is_booked() -> bool:
        [report] = vezne(stack, "reports", "fetch", "--date", yesterday)
        return bool(report["state"] == "SETTLEMENT_REPORT_STATE_BOOKED")

    wait_for(is_booked)
    return yesterday


def test_money_in_and_out_and_reconciled(stack: Up) -> None:
    """A deposit paid on the page, a withdrawal, the day's report and a run, all from commands."""
    deposit = captured_deposit(stack, "50.00")
    [cash] = vezne(stack, "balances", "liability/player/7/cash/eur")
    assert cash["available_minor"] == "5000"
    [listed] = vezne(stack, "deposits", "--player", "7", "--state", "captured")
    assert listed["deposit_id"] == deposit["deposit_id"]

    too_much = ("--player", "7", "--amount", "60", "-c", "EUR", "--destination", "iban_7")
    rejected = vezne(stack, "withdrawals", "create", *too_much, "--wait", ends_with=1)
    assert rejected["state"] == "WITHDRAWAL_STATE_REJECTED"

    yesterday = close_yesterday(stack)
    run = vezne(stack, "runs", "start", "--date", yesterday, "--wait")
    assert run["verdict"].startswith("VERDICT_RECONCILED"), run
    assert vezne(stack, "runs", "show", run["run_id"])["state"] == "RUN_STATE_PUBLISHED"
    assert vezne(stack, "runs", "show", yesterday)["run_id"] == run["run_id"]
    [of_the_date] = vezne(stack, "runs")
    assert of_the_date["run_id"] == run["run_id"]
    assert vezne(stack, "runs", "statement", run["run_id"])["proofs"]
    assert all(
        one["severity"] == "SEVERITY_PENDING" for one in vezne(stack, "breaks", "--date", yesterday)
    )


def test_a_restart_in_the_day_is_reconciled(short_folder: Path) -> None:
    """A day in which everything was killed reconciles, and the provider holds what our books do."""
    short_folder.chmod(0o711)
    first = Up(short_folder / "data", "--free-ports").wait_until_up()
    captured_deposit(first, "50.00")
    pids = first.pids()
    first.signal(signal.SIGKILL)
    for name in ("mock-psp", "ledger", "psp-gateway", "psp-gateway-worker"):
        os.kill(pids[name], signal.SIGKILL)

    second = Up(short_folder / "data", "--free-ports").wait_until_up()
    try:
        captured_deposit(second, "7.00")
        run = vezne(second, "runs", "start", "--date", close_yesterday(second), "--wait")
        [cash] = vezne(second, "balances", "liability/player/7/cash/eur")

        def agree() -> bool:
            [held] = second.provider("GET", "books")["balances"]
            names = ("pending", "available", "in_transit")
            ours = [vezne(second, "balances", f"asset/psp/mock/main/{one}/eur") for one in names]
            return [int(one[0]["posted_minor"]) if one else 0 for one in ours] == [
                held[f"{one}_minor"] for one in names
            ]

        wait_for(agree)
    finally:
        code = second.signal(signal.SIGINT)

    assert run["verdict"].startswith("VERDICT_RECONCILED"), run
    assert cash["available_minor"] == "5700"
    assert code == 0
