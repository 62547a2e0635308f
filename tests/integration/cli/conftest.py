"""Servers that tell the commands what a test wants them to hear."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner, Result

from services.cli.main import app

Vezne = Callable[..., Result]
Serve = Callable[[Callable[[Any, grpc.Server], None], Any, str], None]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve a servicer, added as its stubs say, as the service of a VEZNE_CLI_…_TARGET."""
    server = grpc.server(ThreadPoolExecutor(2))

    def begin(add: Callable[[Any, grpc.Server], None], servicer: Any, name: str) -> None:
        add(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        monkeypatch.setenv(f"VEZNE_CLI_{name}_TARGET", f"127.0.0.1:{port}")

    yield begin
    server.stop(None)


@pytest.fixture
def vezne() -> Vezne:
    """Run `vezne` in this process, for the tenant acme."""
    return lambda *arguments: CliRunner().invoke(app, [*arguments, "-t", "acme"])
