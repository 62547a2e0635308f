"""What a served call says in the log of a real process: whose it was, how it ended, no secret."""

from collections.abc import Sequence
from typing import Any

import grpc
import orjson

from services.local.databases import Databases
from tests.fakes.ledger_process import LedgerProcess
from tests.fakes.ledger_server import asset, liability, transfer
from tests.fakes.ledger_sql import owner
from tests.fakes.refusals import refusal
from tests.fakes.scripted_server import POST
from vezne.ledger.v1.posting_service_pb2 import PostTransactionRequest

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACED = (("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01"),)


def lines(process: LedgerProcess) -> Sequence[dict[str, Any]]:
    """Return what an ended process said, a line an event."""
    return [orjson.loads(line) for line in process.said.splitlines()]


async def test_a_call_says_whose_it_was_and_how_it_ended(databases: Databases) -> None:
    """At debug each call is one line, with the trace of the caller's if he sent one."""
    process = await LedgerProcess.start(databases.url("ledger"), LOG__LEVEL="debug")
    async with process.client() as client:
        await client.tenant("acme")
        await client.open("acme", asset("bank"), liability("player"))
        asked = PostTransactionRequest(
            tenant_id="acme", request_id="r-1", transaction=transfer("bank", "player", 7)
        )
        await client.posting.PostTransaction(asked, metadata=TRACED)
        asked.request_id, asked.transaction.entries[0].account_id = "r-2", "nowhere"
        await refusal(client.posting.PostTransaction(asked, metadata=(("traceparent", "no"),)))
    await process.terminate()
    await process.wait()

    done, refused = [
        line
        for line in lines(process)
        if line["event"] == "rpc_ended" and line["request_id"].startswith("r-")
    ]
    assert 0 < done.pop("duration_s") < 10
    assert done.pop("timestamp").endswith("Z")
    assert done == {
        "event": "rpc_ended",
        "level": "debug",
        "service": "ledger",
        "method": POST,
        "tenant": "acme",
        "request_id": "r-1",
        "trace_id": TRACE_ID,
        "code": "OK",
    }
    assert (refused["code"], refused["request_id"]) == ("NOT_FOUND", "r-2")
    assert "trace_id" not in refused


async def test_a_crash_is_found_by_its_incident(databases: Databases) -> None:
    """The client learns an incident, and its line has the failure and the call, not its text."""
    process = await LedgerProcess.start(databases.url("ledger"))
    asked = transfer("bank", "player", 7)
    asked.description = "for Jane Doe"
    async with process.client() as client:
        await client.tenant("broken")
        await client.open("broken", asset("bank"), liability("player"))
        async with owner(databases) as connection:
            await connection.execute("ALTER TABLE ledger.transactions RENAME TO moved")
            crashed = await refusal(client.post("broken", "r-1", asked))
            await connection.execute("ALTER TABLE ledger.moved RENAME TO transactions")
        retried = await client.post("broken", "r-1", asked)
    await process.terminate()
    await process.wait()

    assert (crashed.code, crashed.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "transactions" not in crashed.message
    assert retried.posted.sequence == 1
    [line] = [line for line in lines(process) if line["event"] == "rpc_crashed"]
    assert line["incident"] == crashed.metadata["incident"]
    assert (line["level"], line["method"]) == ("error", POST)
    assert (line["tenant"], line["request_id"]) == ("broken", "r-1")
    assert 'relation "ledger.transactions" does not exist' in line["exception"]
    assert "Jane Doe" not in process.said
    assert databases.password not in process.said
    assert not [line for line in lines(process) if line["event"] == "rpc_ended"]
