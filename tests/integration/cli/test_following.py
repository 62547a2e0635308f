"""Following a run over a stream that breaks off."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner

from services.cli.failures import ExitCode
from services.cli.main import app
from vezne.reconciliation.v1.run_pb2 import (
    RUN_STATE_PUBLISHED,
    RUN_STATE_RUNNING,
    VERDICT_RECONCILED,
    Run,
)
from vezne.reconciliation.v1.run_service_pb2 import WatchRunRequest, WatchRunResponse
from vezne.reconciliation.v1.run_service_pb2_grpc import (
    RunServiceServicer,
    add_RunServiceServicer_to_server,
)

RUN_ID = "01a20dc6-718a-7725-ac91-df0c7f1aeb34"


class BreakingOff(RunServiceServicer):
    """Tells of a run, and breaks off a few times before it has ended."""

    def __init__(self, breaks: int, heard_before: int) -> None:
        self.calls = 0
        self._breaks = breaks
        self._heard_before = heard_before

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


def watch(service: BreakingOff, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `vezne runs watch` against the service."""
    server = grpc.server(ThreadPoolExecutor(2))
    # The stubs know the asynchronous kind of server only.
    add_RunServiceServicer_to_server(service, server)  # type: ignore[arg-type]  # As said.
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("VEZNE_CLI_RECONCILIATION_TARGET", f"127.0.0.1:{port}")
    try:
        return CliRunner().invoke(app, ["runs", "watch", RUN_ID, "-t", "acme"])
    finally:
        server.stop(None)


def test_a_stream_that_breaks_off_is_asked_for_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is followed to its end over as many connections as it takes."""
    service = BreakingOff(breaks=2, heard_before=1)

    result = watch(service, monkeypatch)

    assert result.exit_code == 0, result.output
    assert service.calls == 3
    assert "RECONCILED" in result.stdout


def test_a_service_that_never_tells_anything_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that breaks off before a word was heard is a service that is not there."""
    result = watch(BreakingOff(breaks=1000, heard_before=0), monkeypatch)

    assert result.exit_code == ExitCode.NOT_THERE, result.output
