"""The command itself: it starts, says where it is, refuses clearly, and leaves when asked."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from services.local.mock_psp.server import serving
from services.local.mock_psp.settings import new_account
from tests.fakes.webhook_receiver import receiving

COMMAND = "from services.local.mock_psp.main import main; main()"
DEADLINE_S = 20


@asynccontextmanager
async def started(**settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command with these settings, and never leave it behind."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        COMMAND,
        env={**os.environ, **{f"VEZNE_MOCK_PSP_{name}": value for name, value in settings.items()}},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(process: asyncio.subprocess.Process) -> Mapping[str, str]:
    """Return what it printed up to its address, by the words that each line begins with."""
    lines: dict[str, str] = {}
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        while "mock PSP" not in lines:
            line = (await process.stdout.readline()).decode()
            assert line, "it ended before it was ready"
            lines[line[:18].strip()] = line[18:].strip()
    return lines


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_it_is_asked_to_leave(number: signal.Signals) -> None:
    """With no settings but a free port it serves one account, and a signal ends it with 0."""
    async with started(PORT="0") as process:
        lines = await said(process)
        async with httpx.AsyncClient(base_url=lines["mock PSP"], trust_env=False) as client:
            token = {"authorization": f"Bearer {lines['secret']}"}
            assert (await client.get("/v1/balance", headers=token)).status_code == 200
        process.send_signal(number)
        async with asyncio.timeout(DEADLINE_S):
            _, errors = await process.communicate()

    assert (process.returncode, errors) == (0, b"")


async def test_a_taken_port_is_one_clear_sentence() -> None:
    """It ends with exit code 1 and says which port, why, and what to set."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with started(PORT=str(port)) as process:
            async with asyncio.timeout(DEADLINE_S):
                _, errors = await process.communicate()

    assert process.returncode == 1
    (sentence,) = errors.decode().splitlines()
    assert f"127.0.0.1:{port}" in sentence
    assert "VEZNE_MOCK_PSP_PORT" in sentence


async def test_wrong_settings_are_listed(tmp_path: Path) -> None:
    """Every wrong setting has its line, and no secret is shown."""
    accounts = tmp_path / "accounts.toml"
    accounts.write_text('[accounts.main]\nsecret = "hush"\nwebhook_secret = "whsec_x"\nfee = 1\n')
    async with started(PORT="0", ACCOUNTS_FILE=str(accounts)) as process:
        async with asyncio.timeout(DEADLINE_S):
            _, errors = await process.communicate()

    text = errors.decode()
    assert process.returncode == 2
    assert [one in text for one in ("main.secret", "main.webhook_secret", "main.fee")] == [True] * 3
    assert "hush" not in text


async def test_time_passes_by_itself_when_the_clock_runs() -> None:
    """Steps of stories happen, and are told, without anybody's call."""
    async with (
        receiving() as receiver,
        serving({"main": new_account(receiver.url).model_copy(update={"step_s": 0.05})}) as psp,
        httpx.AsyncClient(base_url=psp.base_url, trust_env=False) as client,
    ):
        await client.post(
            "/v1/payment_intents",
            json={
                "reference": "d-1.pending_ok.chargeback_lost",
                "amount_minor": 500,
                "currency": "EUR",
                "stored_card": "card_1",
            },
            headers={
                "authorization": f"Bearer {psp.world.secrets['main']}",
                "idempotency-key": "k",
            },
        )
        await receiver.wait_for(4)

    assert receiver.types()[-1] == "dispute.lost"


async def test_held_calls_do_not_hold_the_server() -> None:
    """A call that is never answered ends when the server does, long before its time."""
    began = time.monotonic()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        async with serving({"main": new_account()}, hang_s=600) as psp:
            held = asyncio.create_task(
                client.post(
                    f"{psp.base_url}/v1/payment_intents",
                    json={"reference": "timeout_after", "amount_minor": 5, "currency": "EUR"},
                    headers={
                        "authorization": f"Bearer {psp.world.secrets['main']}",
                        "idempotency-key": "k",
                    },
                )
            )
            async with asyncio.timeout(DEADLINE_S):
                while not psp.world.accounts["main"].books.payment_intents.all():
                    await asyncio.sleep(0.01)
        answer = await held

    assert answer.status_code == 504
    assert time.monotonic() - began < 10


async def test_a_failing_test_is_seen_as_it_is() -> None:
    """An error inside the block comes out unwrapped, after the server has stopped."""
    with pytest.raises(ZeroDivisionError):
        async with serving({"main": new_account()}):
            raise ZeroDivisionError
