"""A real Temporal server for the tests of workflows."""

import os
import shutil
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
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server, to which TEMPORAL_ADDRESS points."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=_temporal(),
        search_attributes=SEARCH_ATTRIBUTES,
        data_converter=pydantic_data_converter,
    ) as environment:
        before = os.environ.get("TEMPORAL_ADDRESS")
        os.environ["TEMPORAL_ADDRESS"] = environment.client.service_client.config.target_host
        yield environment
        if before is None:
            del os.environ["TEMPORAL_ADDRESS"]
        else:
            os.environ["TEMPORAL_ADDRESS"] = before
