"""What the stack is made of: one table, in the order of starting."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from services.kernel.clock import utc_now
from services.local import temporal
from services.local.databases import Databases
from services.local.folder import DataFolder
from services.local.ports import Ports, address
from services.local.provider_accounts import admin_token_file, write_for_mock_psp
from services.local.readiness import Readiness, grpc_readiness, http_readiness

DRAIN_GRACE_S = 5
PROVIDER_BEHIND = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Site:
    """What the settings of a component are made of.

    Args:
        folder: the data folder.
        ports: where everything listens.
        databases: the database, by service.
        tenant: whose the provider account is.
    """

    folder: DataFolder
    ports: Ports
    databases: Databases
    tenant: str


@dataclass(frozen=True, slots=True)
class Component:
    """A process of the stack.

    Args:
        name: for people, and the name of its log.
        command: what is run.
        settings: its environment variables, beside those that every process inherits.
        readiness: asks whether it is ready.
        open_at: where people and programs reach it.
    """

    name: str
    command: Callable[[Site], list[str]]
    settings: Callable[[Site], Mapping[str, str]]
    readiness: Callable[[Ports], Awaitable[Readiness]]
    open_at: Callable[[Ports], str]


def _python(module: str) -> Callable[[Site], list[str]]:
    """Return what runs the `main` of a module of ours."""
    command = [sys.executable, "-c", f"from {module} import main; main()"]
    return lambda _site: command


def _ledger(site: Site) -> Mapping[str, str]:
    return {
        "VEZNE_LEDGER_DATABASE__URL": site.databases.url("ledger"),
        "VEZNE_LEDGER_GRPC__PORT": str(site.ports.ledger),
        "VEZNE_LEDGER_GRPC__HEALTH_PORT": str(site.ports.ledger_health),
        "VEZNE_LEDGER_GRPC__DRAIN_GRACE_S": str(DRAIN_GRACE_S),
    }


def _mock_psp(site: Site) -> Mapping[str, str]:
    return {
        "VEZNE_MOCK_PSP_PORT": str(site.ports.mock_psp),
        "VEZNE_MOCK_PSP_ACCOUNTS_FILE": str(write_for_mock_psp(site.folder, site.ports)),
        "VEZNE_MOCK_PSP_ADMIN_TOKEN": admin_token_file(site.folder).read_text(),
        # A day behind, so that its first day can be closed, and is over for everybody else.
        "VEZNE_MOCK_PSP_START": (utc_now() - PROVIDER_BEHIND).isoformat(),
    }


COMPONENTS = (
    Component(
        name="temporal",
        command=lambda site: temporal.command(site.ports, site.folder.temporal),
        settings=lambda _site: {},
        readiness=lambda ports: grpc_readiness(ports.temporal, temporal.HEALTH_SERVICE),
        open_at=lambda ports: (
            f"http://{address(ports.temporal_ui)} (gRPC {address(ports.temporal)})"
        ),
    ),
    Component(
        name="mock-psp",
        command=_python("services.local.mock_psp.main"),
        settings=_mock_psp,
        readiness=lambda ports: http_readiness(ports.mock_psp),
        open_at=lambda ports: f"http://{address(ports.mock_psp)}",
    ),
    Component(
        name="ledger",
        command=_python("services.ledger.main"),
        settings=_ledger,
        readiness=lambda ports: grpc_readiness(ports.ledger_health),
        open_at=lambda ports: f"{address(ports.ledger)} (gRPC)",
    ),
)
"""All but PostgreSQL, which is started before them."""
