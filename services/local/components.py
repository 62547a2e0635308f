"""What the stack is made of: one table, in waves, each of which stands on those before it."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from services.kernel.clock import utc_now
from services.local import temporal
from services.local.databases import Databases
from services.local.folder import DataFolder
from services.local.ports import Ports, address
from services.local.provider_accounts import (
    Sandbox,
    admin_token_file,
    inbox_key_file,
    write_approval_rules,
    write_for_gateway,
    write_for_mock_psp,
)
from services.local.readiness import Readiness, grpc_readiness, http_readiness

DRAIN_GRACE_S = 5
JANITOR_EVERY_S = 2


@dataclass(frozen=True, slots=True)
class Site:
    """What the settings of a component are made of.

    Args:
        folder: the data folder.
        ports: where everything listens.
        databases: the database, by service.
        sandbox: whose the provider account is, and when the provider lives.
    """

    folder: DataFolder
    ports: Ports
    databases: Databases
    sandbox: Sandbox


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
        "VEZNE_MOCK_PSP_JOURNAL_FILE": str(site.folder.mock_psp / "journal"),
        # Of the first start: later ones go on with the clock of the journal.
        "VEZNE_MOCK_PSP_START": (utc_now() - site.sandbox.provider_behind).isoformat(),
    }


def _psp_gateway(site: Site) -> Mapping[str, str]:
    """Return what the gateway's server and its worker share."""
    accounts = write_for_gateway(site.folder, site.ports, site.sandbox.tenant)
    return {
        "VEZNE_PSP_GATEWAY_DATABASE__URL": site.databases.url("psp_gateway"),
        "VEZNE_PSP_GATEWAY_LEDGER__TARGET": address(site.ports.ledger),
        "VEZNE_PSP_GATEWAY_PROVIDER_ACCOUNTS_FILE": str(accounts),
        "VEZNE_PSP_GATEWAY_APPROVAL_RULES_FILE": str(write_approval_rules(site.folder)),
        "VEZNE_PSP_GATEWAY_JANITOR_EVERY_S": str(JANITOR_EVERY_S),
        "VEZNE_PSP_GATEWAY_INBOX_KEY_FILE": str(inbox_key_file(site.folder)),
        "VEZNE_PSP_GATEWAY_GRPC__PORT": str(site.ports.psp_gateway),
        "VEZNE_PSP_GATEWAY_GRPC__HEALTH_PORT": str(site.ports.psp_gateway_health),
        "VEZNE_PSP_GATEWAY_GRPC__DRAIN_GRACE_S": str(DRAIN_GRACE_S),
        "VEZNE_PSP_GATEWAY_WEBHOOKS__PORT": str(site.ports.webhooks),
        "VEZNE_PSP_GATEWAY_WEBHOOKS__DRAIN_GRACE_S": str(DRAIN_GRACE_S),
        "VEZNE_PSP_GATEWAY_WORKER__HEALTH_PORT": str(site.ports.psp_gateway_worker_health),
        "VEZNE_PSP_GATEWAY_WORKER__DRAIN_GRACE_S": str(DRAIN_GRACE_S),
        **_temporal(site),
    }


def _reconciliation(site: Site) -> Mapping[str, str]:
    """Return what reconciliation's server and its worker share."""
    return {
        "VEZNE_RECONCILIATION_DATABASE__URL": site.databases.url("reconciliation"),
        "VEZNE_RECONCILIATION_LEDGER__TARGET": address(site.ports.ledger),
        "VEZNE_RECONCILIATION_PSP_GATEWAY__TARGET": address(site.ports.psp_gateway),
        "VEZNE_RECONCILIATION_OBJECT_STORE_URL": site.folder.objects.as_uri(),
        "VEZNE_RECONCILIATION_TEMPORAL_UI_URL": f"http://{address(site.ports.temporal_ui)}",
        "VEZNE_RECONCILIATION_GRPC__PORT": str(site.ports.reconciliation),
        "VEZNE_RECONCILIATION_GRPC__HEALTH_PORT": str(site.ports.reconciliation_health),
        "VEZNE_RECONCILIATION_GRPC__DRAIN_GRACE_S": str(DRAIN_GRACE_S),
        "VEZNE_RECONCILIATION_WORKER__HEALTH_PORT": str(site.ports.reconciliation_worker_health),
        "VEZNE_RECONCILIATION_WORKER__DRAIN_GRACE_S": str(DRAIN_GRACE_S),
        **_temporal(site),
    }


def _temporal(site: Site) -> Mapping[str, str]:
    return {"TEMPORAL_ADDRESS": address(site.ports.temporal)}


WAVES = (
    (
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
    ),
    (
        Component(
            name="psp-gateway",
            command=_python("services.psp_gateway.main"),
            settings=_psp_gateway,
            readiness=lambda ports: grpc_readiness(ports.psp_gateway_health),
            open_at=lambda ports: (
                f"{address(ports.psp_gateway)} (gRPC), http://{address(ports.webhooks)} (webhooks)"
            ),
        ),
        Component(
            name="psp-gateway-worker",
            command=_python("services.psp_gateway.worker"),
            settings=_psp_gateway,
            readiness=lambda ports: grpc_readiness(ports.psp_gateway_worker_health),
            open_at=lambda ports: f"health {address(ports.psp_gateway_worker_health)}",
        ),
        Component(
            name="reconciliation",
            command=_python("services.reconciliation.main"),
            settings=_reconciliation,
            readiness=lambda ports: grpc_readiness(ports.reconciliation_health),
            open_at=lambda ports: f"{address(ports.reconciliation)} (gRPC)",
        ),
        Component(
            name="reconciliation-worker",
            command=_python("services.reconciliation.worker"),
            settings=_reconciliation,
            readiness=lambda ports: grpc_readiness(ports.reconciliation_worker_health),
            open_at=lambda ports: f"health {address(ports.reconciliation_worker_health)}",
        ),
    ),
)
"""All but PostgreSQL, which goes first. A wave starts together, once the one before is ready."""

COMPONENTS = tuple(component for wave in WAVES for component in wave)
"""All of them, in the order of starting."""
