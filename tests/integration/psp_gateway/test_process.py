"""The gateway as a process: it starts, serves, ends cleanly, and names what is wrong."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from services.local.databases import Databases
from tests.fakes.gateway_server import mock_account, write_settings
from vezne.psp_gateway.v1.event_service_pb2 import GetCutRequest
from vezne.psp_gateway.v1.event_service_pb2_grpc import EventServiceStub

ROOT = Path(__file__).resolve().parents[3]


def environment(databases: Databases, folder: Path) -> dict[str, str]:
    """Write what the gateway needs, and return the variables that name it."""
    write_settings(folder, databases, "acme", "http://127.0.0.1:1", mock_account(bytes(32)))
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("VEZNE_")},
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}",
        "VEZNE_PSP_GATEWAY_DATABASE__URL": databases.url("psp_gateway"),
        "VEZNE_PSP_GATEWAY_GRPC__PORT": "0",
        "VEZNE_PSP_GATEWAY_GRPC__HEALTH_PORT": "0",
        "VEZNE_PSP_GATEWAY_WEBHOOKS__PORT": "0",
        "VEZNE_PSP_GATEWAY_LEDGER__TARGET": "127.0.0.1:1",
        "VEZNE_PSP_GATEWAY_PROVIDER_ACCOUNTS_FILE": str(folder / "providers.toml"),
        "VEZNE_PSP_GATEWAY_INBOX_KEY_FILE": str(folder / "inbox.key"),
        "VEZNE_PSP_GATEWAY_LOG__FORMAT": "json",
    }


async def start(variables: dict[str, str]) -> asyncio.subprocess.Process:
    """Start the gateway as its console script does."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from services.psp_gateway.main import main; main()",
        cwd=ROOT,
        env=variables,
        stderr=asyncio.subprocess.PIPE,
    )


async def logged(process: asyncio.subprocess.Process, event: str) -> dict[str, Any]:
    """Wait for a line of the log."""
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while True:
            line = json.loads(await process.stderr.readline())
            if line["event"] == event:
                return dict(line)


async def test_it_serves_and_ends_cleanly(databases: Databases, tmp_path: Path) -> None:
    """It starts without the ledger and the provider, serves both doors, and ends on SIGTERM."""
    process = await start(environment(databases, tmp_path))
    door = await logged(process, "listening_for_webhooks")
    serving = await logged(process, "serving")

    async with grpc.aio.insecure_channel(f"127.0.0.1:{serving['port']}") as channel:
        answer = await EventServiceStub(channel).GetCut(GetCutRequest(tenant_id="acme"))
    async with httpx.AsyncClient(trust_env=False) as client:
        refused = await client.post(f"http://127.0.0.1:{door['port']}/webhooks/mock/main")

    assert answer.cut.event_sequence == 0
    assert refused.status_code == 401
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 15) == 0


WRONG = [
    ("api.key", b"", "api.key: is empty"),
    ("api.key", None, "api.key: No such file"),
    ("hook.key", b"not a key", "the webhook key current is neither"),
    ("inbox.key", b"c2hvcnQ=", "is not the base64 of 32 bytes"),
    ("providers.toml", b"[[provider_account]]\ntenant_id = 7\n", "provider_account.0.tenant_id"),
    ("providers.toml", b"provider = ", "provider accounts"),
]


@pytest.mark.parametrize(("name", "content", "said"), WRONG, ids=range(len(WRONG)))
async def test_a_wrong_secret_or_file_stops_the_start(
    databases: Databases, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    """What is missing, empty or malformed is named, its content is not, and the code is 2."""
    variables = environment(databases, tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)

    process = await start(variables)
    _, errors = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 2
    assert said in errors.decode()
    assert "not a key" not in errors.decode()
