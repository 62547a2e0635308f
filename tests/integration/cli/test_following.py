"""Following a run over a stream that breaks off, and a withdrawal by asking for it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from typer.testing import Result

from services.cli.failures import ExitCode
from tests.integration.cli.conftest import Serve, Vezne
from vezne.psp_gateway.v1.withdrawal_pb2 import (
    WITHDRAWAL_STATE_APPROVED,
    WITHDRAWAL_STATE_FAILED,
    WITHDRAWAL_STATE_PAID,
    WITHDRAWAL_STATE_REQUESTED,
    WITHDRAWAL_WAIT_FUNDING,
    Withdrawal,
)
from vezne.psp_gateway.v1.withdrawal_service_pb2 import (
    CreateWithdrawalRequest,
    CreateWithdrawalResponse,
    GetWithdrawalRequest,
    GetWithdrawalResponse,
)
from vezne.psp_gateway.v1.withdrawal_service_pb2_grpc import (
    WithdrawalServiceServicer,
    add_WithdrawalServiceServicer_to_server,
)
from vezne.reconciliation.v1.run_pb2 import (
    RUN_STATE_PUBLISHED,
    RUN_STATE_RUNNING,
    VERDICT_RECONCILED,
    Run,
)
from vezne.reconciliation.v1.run_service_pb2 import (
    GetRunRequest,
    GetRunResponse,
    WatchRunRequest,
    WatchRunResponse,
)
from vezne.reconciliation.v1.run_service_pb2_grpc import (
    RunServiceServicer,
    add_RunServiceServicer_to_server,
)

ID = "01a20dc6-718a-7725-ac91-df0c7f1aeb34"
FUND = "our balance at the provider is too low; pay money in there, and it goes on"
CREATE = (
    *("withdrawals", "create", "--player", "7", "--amount", "1", "-c", "EUR"),
    *("--destination", "iban_7", "--wait"),
)


class BreakingOff(RunServiceServicer):
    """Tells of a run, and breaks off a few times before it has ended."""

    def __init__(self, breaks: int, heard_before: int) -> None:
        self.calls = 0
        self._breaks = breaks
        self._heard_before = heard_before

    def GetRun(self, request: GetRunRequest, context: Any) -> Any:  # noqa: ARG002, N802 - the contract says so.
        """Read the run."""
        return GetRunResponse(run=Run(run_id=request.run_id, state=RUN_STATE_RUNNING))

    def WatchRun(self, request: WatchRunRequest, context: Any) -> Iterator[WatchRunResponse]:  # noqa: N802 - the contract names it.
        """Stream the run."""
        self.calls += 1
        for _ in range(self._heard_before):
            yield WatchRunResponse(run=Run(run_id=request.run_id, state=RUN_STATE_RUNNING))
        if self.calls <= self._breaks:
            context.abort(grpc.StatusCode.UNAVAILABLE, "max connection age")
        yield WatchRunResponse(
            run=Run(run_id=request.run_id, state=RUN_STATE_PUBLISHED, verdict=VERDICT_RECONCILED)
        )


def watch(service: BreakingOff, serve: Serve, vezne: Vezne) -> Result:
    """Run `vezne runs watch` against the service."""
    serve(add_RunServiceServicer_to_server, service, "RECONCILIATION")
    return vezne("runs", "watch", ID)


def test_a_stream_that_breaks_off_is_asked_for_anew(serve: Serve, vezne: Vezne) -> None:
    """A run is followed to its end over as many connections as it takes."""
    service = BreakingOff(breaks=2, heard_before=1)

    result = watch(service, serve, vezne)

    assert result.exit_code == 0, result.output
    assert service.calls == 3
    assert "RECONCILED" in result.stdout


def test_a_service_that_never_tells_anything_is_not_there(serve: Serve, vezne: Vezne) -> None:
    """A stream that breaks off before a word was heard is a service that is not there."""
    result = watch(BreakingOff(breaks=1000, heard_before=0), serve, vezne)

    assert result.exit_code == ExitCode.NOT_THERE, result.output


class GoingOn(WithdrawalServiceServicer):
    """Tells of a withdrawal, one answer after the other; None is an answer that does not come."""

    def __init__(self, *answers: Withdrawal | None) -> None:
        self._answers = list(answers)

    def CreateWithdrawal(self, request: CreateWithdrawalRequest, context: Any) -> Any:  # noqa: ARG002, N802 - the contract says so.
        """Make it."""
        return CreateWithdrawalResponse(withdrawal=Withdrawal(withdrawal_id=ID))

    def GetWithdrawal(self, request: GetWithdrawalRequest, context: Any) -> Any:  # noqa: ARG002, N802 - the contract says so.
        """Say the next answer; the last is repeated."""
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")
        return GetWithdrawalResponse(withdrawal=answer)


REQUESTED = Withdrawal(withdrawal_id=ID, state=WITHDRAWAL_STATE_REQUESTED)
UNBOOKED = Withdrawal(withdrawal_id=ID, state=WITHDRAWAL_STATE_PAID, postings_pending=1)
PAID = Withdrawal(withdrawal_id=ID, state=WITHDRAWAL_STATE_PAID)
FAILED = Withdrawal(withdrawal_id=ID, state=WITHDRAWAL_STATE_FAILED)
UNFUNDED = Withdrawal(
    withdrawal_id=ID, state=WITHDRAWAL_STATE_APPROVED, waiting_for=WITHDRAWAL_WAIT_FUNDING
)


def test_a_withdrawal_is_waited_for_until_the_books_have_it(serve: Serve, vezne: Vezne) -> None:
    """With --wait each new state is said once, and it ends with 0 when paid and in the ledger."""
    service = GoingOn(REQUESTED, REQUESTED, UNFUNDED, *[None] * 6, UNBOOKED, PAID)
    serve(add_WithdrawalServiceServicer_to_server, service, "PSP_GATEWAY")

    result = vezne(*CREATE)

    assert result.exit_code == 0, result.output
    assert ID in result.stdout
    said = [line.strip() for line in result.stderr.splitlines()]
    assert f"the withdrawal {ID}" in said
    told = said[said.index("REQUESTED") : -1]
    assert told == [
        "REQUESTED",
        f"APPROVED, waits for FUNDING: {FUND}",
        "PAID, waits for the ledger",
        "PAID",
    ]


def test_a_withdrawal_that_was_not_paid_is_said_by_the_exit_code(
    serve: Serve, vezne: Vezne
) -> None:
    """A withdrawal that ended without paying the player ends the command with 1."""
    serve(add_WithdrawalServiceServicer_to_server, GoingOn(FAILED), "PSP_GATEWAY")

    result = vezne("withdrawals", "watch", ID)

    assert result.exit_code == ExitCode.REFUSED, result.output
    assert "FAILED" in result.stdout


@pytest.mark.timeout(60)
def test_ctrl_c_stops_the_waiting_only(serve: Serve) -> None:
    """Ctrl-C ends the command with 130 and no trace, after the withdrawal's id was said."""
    serve(add_WithdrawalServiceServicer_to_server, GoingOn(REQUESTED), "PSP_GATEWAY")
    with subprocess.Popen(
        [sys.executable, "-m", "services.cli.main", *CREATE, "-t", "acme"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ.copy(),
    ) as waiting:
        assert waiting.stderr is not None
        said = ""
        try:
            while "REQUESTED" not in said:
                line = waiting.stderr.readline()
                assert line, said
                said += line
            waiting.send_signal(signal.SIGINT)
            ended, rest = waiting.wait(30), waiting.stderr.read()
        finally:
            waiting.kill()

    assert ended == ExitCode.INTERRUPTED
    assert f"the withdrawal {ID}" in said
    assert "Traceback" not in rest
