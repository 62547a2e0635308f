"""How runs, breaks and the gateway's objects are named, and what is said of wrong names."""

import os
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status

from services.cli.failures import ExitCode
from services.kernel.errors import Category, DomainError
from services.platform.errors import to_status
from tests.integration.cli.conftest import Serve, Vezne
from vezne.ledger.v1.journal_service_pb2 import GetCutRequest
from vezne.ledger.v1.journal_service_pb2_grpc import (
    JournalServiceServicer,
    add_JournalServiceServicer_to_server,
)
from vezne.reconciliation.v1.break_pb2 import Break
from vezne.reconciliation.v1.break_service_pb2 import ListBreaksRequest, ListBreaksResponse
from vezne.reconciliation.v1.break_service_pb2_grpc import (
    BreakServiceServicer,
    add_BreakServiceServicer_to_server,
)
from vezne.reconciliation.v1.run_pb2 import (
    RUN_MODE_COMMIT,
    RUN_STATE_CANCELLED,
    RUN_STATE_PUBLISHED,
    RUN_STATE_SUPERSEDED,
    Run,
)
from vezne.reconciliation.v1.run_service_pb2 import ListRunsRequest, ListRunsResponse
from vezne.reconciliation.v1.run_service_pb2_grpc import (
    RunServiceServicer,
    add_RunServiceServicer_to_server,
)

DATE = "2026-01-31"
FIRST = Run(run_id="first", provider="mock", provider_account="main", state=RUN_STATE_SUPERSEDED)
COUNTS = Run(run_id="counts", provider="mock", provider_account="main", state=RUN_STATE_PUBLISHED)
LAST = Run(run_id="last", provider="mock", provider_account="main", state=RUN_STATE_CANCELLED)
OTHER = Run(run_id="other", provider="mock", provider_account="asia", state=RUN_STATE_PUBLISHED)


class Runs(RunServiceServicer):
    """Knows runs of one date, and lists those of the account that is asked for."""

    def __init__(self, *runs: Run) -> None:
        self._runs = runs

    def ListRuns(self, request: ListRunsRequest, context: Any) -> Any:  # noqa: ARG002, N802 - the contract says so.
        """List them, as the service would."""
        assert list(request.modes) == [RUN_MODE_COMMIT]
        if (request.from_business_date, request.through_business_date) != (DATE, DATE):
            return ListRunsResponse()
        wanted = request.provider_account
        return ListRunsResponse(
            runs=[run for run in self._runs if wanted in ("", run.provider_account)]
        )


class Nothing(RunServiceServicer, JournalServiceServicer):
    """Has no runs, and as the ledger knows no tenant."""

    def ListRuns(self, request: ListRunsRequest, context: Any) -> Any:  # noqa: ARG002, N802 - the contract says so.
        """List none."""
        return ListRunsResponse()

    def GetCut(self, request: GetCutRequest, context: Any) -> Any:  # noqa: N802 - the contract says so.
        """Refuse, as the ledger would."""
        message = f"There is no tenant {request.tenant_id}"
        error = DomainError("TENANT_NOT_FOUND", Category.NOT_FOUND, message)
        context.abort_with_status(rpc_status.to_status(to_status(error, "ledger.vezne")))


def serve_nothing(serve: Serve) -> None:
    """Serve it, as both services."""

    def add(servicer: Nothing, server: grpc.Server) -> None:
        add_RunServiceServicer_to_server(servicer, server)
        add_JournalServiceServicer_to_server(servicer, server)

    serve(add, Nothing(), "RECONCILIATION")


def test_a_tenant_that_is_not_there_is_no_empty_list(
    serve: Serve, vezne: Vezne, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reconciliation has nothing of a mistyped tenant, which is not the same as nothing to do."""
    serve_nothing(serve)
    monkeypatch.setenv("VEZNE_CLI_LEDGER_TARGET", os.environ["VEZNE_CLI_RECONCILIATION_TARGET"])

    refused = vezne("runs", "list")

    assert refused.exit_code == ExitCode.REFUSED
    assert "There is no tenant acme (TENANT_NOT_FOUND)" in refused.stderr


def test_a_ledger_that_is_away_says_nothing_of_a_tenant(
    serve: Serve, vezne: Vezne, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another service has can be listed without it."""
    serve_nothing(serve)
    monkeypatch.setenv("VEZNE_CLI_LEDGER_TARGET", "127.0.0.1:1")

    listed = vezne("runs", "list")

    assert listed.exit_code == 0, listed.output
    assert "there are none" in listed.stderr


def test_a_run_is_named_by_its_date(serve: Serve, vezne: Vezne) -> None:
    """A date names its published run, not the one that was called off after, nor an older one."""
    serve(add_RunServiceServicer_to_server, Runs(LAST, COUNTS, FIRST), "RECONCILIATION")

    result = vezne("runs", "show", DATE)

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].split() == ["run", "counts"]


def test_a_date_of_several_accounts_asks_which(serve: Serve, vezne: Vezne) -> None:
    """A date that several provider accounts have runs of needs the account's name."""
    serve(add_RunServiceServicer_to_server, Runs(COUNTS, OTHER), "RECONCILIATION")

    unclear = vezne("runs", "show", DATE)
    clear = vezne("runs", "show", DATE, "--provider-account", "asia")

    assert unclear.exit_code == ExitCode.WRONG_USE
    assert "mock/asia, mock/main" in unclear.stderr
    assert "--provider-account" in unclear.stderr
    assert "other" in clear.stdout


def test_a_date_without_a_run_is_said(serve: Serve, vezne: Vezne) -> None:
    """Of a date that was never run it is said so, and how to see those that were."""
    serve(add_RunServiceServicer_to_server, Runs(COUNTS), "RECONCILIATION")

    result = vezne("runs", "show", "2026-02-01")

    assert result.exit_code == ExitCode.REFUSED
    assert "2026-02-01" in result.stderr
    assert "vezne runs" in result.stderr


class Breaks(BreakServiceServicer):
    """Knows one break."""

    def ListBreaks(self, request: ListBreaksRequest, context: Any) -> Any:  # noqa: ARG002, N802 - the contract says so.
        """List it, if it is the one."""
        known = request.break_id == "ab" * 16 or request.key == "pi_1"
        found = Break(
            break_id="ab" * 16,
            key="pi_1",
            currency_code="EUR",
            evidence_row_ids=["S 7:12:fee"],
            row_count=3,
        )
        return ListBreaksResponse(breaks=[found] if known else [])


@pytest.mark.parametrize("name", ["ab" * 16, "AB" * 16, "pi_1"])
def test_a_break_is_named_by_its_id_or_key(name: str, serve: Serve, vezne: Vezne) -> None:
    """A break is shown with its rows, whichever of its names is given."""
    serve(add_BreakServiceServicer_to_server, Breaks(), "RECONCILIATION")

    result = vezne("breaks", "show", name)

    assert result.exit_code == 0, result.output
    fields = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert fields["rows"] == "S 7:12:fee"
    assert fields["more"].split() == ["rows", "2"]


def test_an_unknown_break_is_said(serve: Serve, vezne: Vezne) -> None:
    """Of a break that nobody knows it is said how its id would look, and how to list them."""
    serve(add_BreakServiceServicer_to_server, Breaks(), "RECONCILIATION")

    result = vezne("breaks", "show", "abc")

    assert result.exit_code == ExitCode.REFUSED
    assert "32 digits" in result.stderr
    assert "vezne breaks" in result.stderr
