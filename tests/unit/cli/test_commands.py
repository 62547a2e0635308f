"""The command line as a whole: help, wrong use, services that are not there."""

import importlib
import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli import doctor
from services.cli.failures import ExitCode
from services.cli.main import COMMANDS, app
from services.local.components import COMPONENTS
from services.local.ports import reserved
from services.local.readiness import Readiness

# Nothing listens on the port of discard.
NOWHERE = "127.0.0.1:9"
FULL = Path("/dev/full")


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for service in ("LEDGER", "PSP_GATEWAY", "RECONCILIATION"):
        monkeypatch.setenv(f"VEZNE_CLI_{service}_TARGET", NOWHERE)
    monkeypatch.delenv("VEZNE_TENANT", raising=False)


def run(*arguments: str) -> Result:
    """Run `vezne` in this process."""
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("name", [name for name, *_ in COMMANDS])
def test_every_command_has_help(name: str) -> None:
    """Each command explains itself, and is done."""
    result = run(name, "--help")

    assert result.exit_code == 0, result.output
    assert "Usage" in result.output


@pytest.mark.parametrize("name", [name for name, *_ in COMMANDS])
def test_every_subcommand_has_help(name: str) -> None:
    """Each command below a noun has a sentence of help."""
    module = importlib.import_module(
        f"services.cli.{next(module for known, module, *_ in COMMANDS if known == name)}"
    )

    for command in module.app.registered_commands:
        assert (command.callback.__doc__ or "").strip(), command.name


@pytest.mark.parametrize(
    "arguments",
    [
        ["tenants"],
        ["tenants", "create", "acme", "-c", "EUR"],
        ["accounts", "-t", "acme"],
        ["balances", "-t", "acme", "asset/bank/main/eur"],
        ["statement", "-t", "acme", "asset/bank/main/eur"],
        ["trial-balance", "-t", "acme"],
        ["transactions", "show", "1", "-t", "acme"],
        ["deposits", "-t", "acme"],
        ["withdrawals", "list", "-t", "acme", "--state", "paid"],
        ["refunds", "show", "r-1", "-t", "acme"],
        ["disputes", "-t", "acme"],
        ["exceptions", "-t", "acme"],
        ["reports", "-t", "acme"],
        ["runs", "start", "-t", "acme", "--date", "2026-01-31"],
        ["breaks", "-t", "acme"],
    ],
    ids=" ".join,
)
def test_a_service_that_is_down_is_named(arguments: list[str]) -> None:
    """Of a service that is not there it is said which, where, and what to try; the code is 3."""
    result = run(*arguments)

    assert result.exit_code == ExitCode.NOT_THERE, result.output
    assert "is not there" in result.stderr
    assert NOWHERE in result.stderr
    assert "vezne up" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["deposits"], "--tenant"),
        (["deposits", "-t", "acme", "--state", "paid"], "no value of --state"),
        (["deposits", "create", "-t", "a", "--player", "7", "--amount", "1e9", "-c", "EUR"], "1e9"),
        (
            ["deposits", "create", "-t", "a", "--player", "7", "--amount", "12.345", "-c", "EUR"],
            "3 decimals",
        ),
        (["deposits", "create", "-t", "a", "--player", "7", "--amount", "1", "-c", "XX"], "XX"),
        (["runs", "start", "-t", "acme", "--date", "2026-02-30"], "2026-02-30"),
        (["breaks", "-t", "acme", "--run", "x", "--date", "2026-01-31"], "cannot both"),
        (
            ["transactions", "post", "-t", "a", "--kind", "k", "--debit", "x", "--credit", "y=1"],
            "no leg",
        ),
        (["transactions"], "vezne statement"),
        (["tenants", "create", "acme", "-c", "XXQ"], "XXQ"),
        (["migrate", "ledgre"], "there are: ledger"),
        (["migrate", "ledger"], "VEZNE_LEDGER_DATABASE__URL"),
        (["errors", "INSUFICIENT_AVAILABLE"], "INSUFFICIENT_AVAILABLE"),
        (["up", "--port", "ledgr=5"], "no port 'ledgr'"),
        (["up", "--port", "ledger=x"], "no port number"),
        (["up", "--port", "ledger=8090"], "cannot both have port 8090"),
        (["depsits"], "deposits"),
        (["list"], "vezne deposits"),
        (["status"], "vezne doctor"),
        (["stop"], "Ctrl-C"),
        (["payouts", "list"], "vezne withdrawals"),
        (["runs", "show", "abc", "-t", "a"], "no id of a run"),
        (["runs", "show", "2026-02-30", "-t", "a"], "2026-02-30"),
        (["breaks", "--run", "abc", "-t", "a"], "no id of a run"),
        (["disputes", "show", "abc", "-t", "a"], "no id of a dispute"),
        (
            ["refunds", "create", "abc", "-t", "a", "--amount", "1", "-c", "EUR"],
            "no id of a deposit",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_use_is_a_sentence(arguments: list[str], said: str) -> None:
    """Wrong use ends with 2 and a sentence that names what is wrong, never with a trace."""
    result = run(*arguments)

    assert result.exit_code == ExitCode.WRONG_USE, result.output
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def test_guessed_commands_do_what_is_meant() -> None:
    """`version` and `help` are commands too, and an id after a noun shows what it names."""
    assert run("version").stdout == run("--version").stdout
    assert run("help").stdout == run("--help").stdout
    assert "--wait" in run("help", "runs", "start").stdout
    shown = run("deposits", "01a20dfe-0345-7ccb-9d3c-0fda531e82ad", "-t", "acme")
    assert shown.exit_code == ExitCode.NOT_THERE, shown.output


@pytest.mark.parametrize(
    ("name", "near"),
    [("VEZNE_TENNANT", "VEZNE_TENANT"), ("VEZNE_CLI_LEDGER_TARGT", "VEZNE_CLI_LEDGER_TARGET")],
)
def test_a_misspelt_setting_is_named(name: str, near: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable under our prefix that nothing reads stops the command, with the nearest name."""
    monkeypatch.setenv(name, "x")

    result = run("tenants")

    assert result.exit_code == ExitCode.WRONG_USE
    assert name in result.stderr
    assert near in result.stderr


def test_the_tenant_may_be_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """VEZNE_TENANT stands for --tenant."""
    monkeypatch.setenv("VEZNE_TENANT", "acme")

    assert run("deposits").exit_code == ExitCode.NOT_THERE


def test_reasons_of_all_services_are_explained() -> None:
    """A reason is explained for each service that gives it, in any case of letters."""
    result = run("errors", "request-id-reused", "--output", "json")

    found = json.loads(result.stdout)["REQUEST_ID_REUSED"]
    assert set(found) == {"ledger", "psp_gateway", "reconciliation"}
    assert "another body" in found["ledger"]["meaning"]
    known = json.loads(files("services.cli").joinpath("reasons.json").read_text())
    reasons = {reason for service in known.values() for reason in service}
    assert all(run("errors", reason).exit_code == 0 for reason in reasons)
    listed = run("errors").stdout
    assert all(reason in listed for reason in reasons)


def test_a_database_that_is_away_is_said() -> None:
    """A database that nobody can reach is a sentence without the password."""
    result = run("migrate", "ledger", "--url", "postgresql://owner:s3cret@127.0.0.1:9/x")

    assert result.exit_code == ExitCode.NOT_THERE
    assert "127.0.0.1:9/x" in result.stderr
    assert "s3cret" not in result.output


def test_doctor_says_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing runs, doctor says so of each part, and ends with 3."""
    with reserved() as free:
        # A stack of the reader's own may have the documented ones.
        monkeypatch.setattr(doctor, "Ports", lambda: free)
        result = run("doctor", "--output", "json")

    found = json.loads(result.stdout)
    assert result.exit_code == ExitCode.NOT_THERE
    assert [one["name"] for one in found] == [component.name for component in COMPONENTS]
    assert {one["state"] for one in found} == {Readiness.UNREACHABLE}
    assert {one["advice"] for one in found} == {"start it: vezne up"}


@pytest.mark.parametrize("arguments", [["errors"], ["errors", "account_closed", "-o", "json"]])
def test_a_reader_who_has_read_enough_hears_nothing(arguments: list[str]) -> None:
    """Where nobody reads any more, as after `| head -1`, no broken pipe is told of."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        listed = subprocess.run(
            [sys.executable, "-m", "services.cli.main", *arguments],
            check=False,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )
    finally:
        os.close(writing)

    assert listed.stderr == ""


@pytest.mark.skipif(not FULL.exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize(
    "arguments",
    [["errors"], ["errors", "-o", "json"], ["errors", "account_closed", "-o", "json"], ["--help"]],
    ids=" ".join,
)
@pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_full_disk_is_a_sentence(arguments: list[str], buffered: str) -> None:
    """Where the output cannot be written, whenever it is, that is one sentence and the code 1."""
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "services.cli.main", *arguments],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": buffered},
        )

    assert done.stderr == "vezne: the output: No space left on device\n"
    assert done.returncode == ExitCode.REFUSED


def test_help_is_quick() -> None:
    """Help needs none of the heavy packages: no gRPC, no database, no Temporal."""
    script = """
import sys
from services.cli.main import app
try:
    app(["--help"])
except SystemExit:
    pass
heavy = ("grpc", "pydantic", "sqlalchemy", "temporalio", "asyncio")
print([name for name in heavy if name in sys.modules])
"""
    looked = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )

    assert looked.stdout.splitlines()[-1] == "[]"
