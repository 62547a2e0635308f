"""A real Temporal server for the tests of workflows."""

import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from services.reconciliation.workflows.models import SEARCH_ATTRIBUTES


def _temporal() -> str:
    return shutil.which("temporal") or str(Path(sys.executable).with_name("temporal"))


@pytest.fixture(scope="session")
def temporal_http_port() -> int:
    """A free port for Temporal's HTTP API, which its Web UI calls."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(scope="session")
async def temporal(temporal_http_port: int) -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server, to which TEMPORAL_ADDRESS points."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=_temporal(),
        search_attributes=SEARCH_ATTRIBUTES,
        data_converter=pydantic_data_converter,
        dev_server_extra_args=["--http-port", str(temporal_http_port)],
    ) as environment:
        before = os.environ.get("TEMPORAL_ADDRESS")
        os.environ["TEMPORAL_ADDRESS"] = environment.client.service_client.config.target_host
        yield environment
        if before is None:
            del os.environ["TEMPORAL_ADDRESS"]
        else:
            os.environ["TEMPORAL_ADDRESS"] = before
