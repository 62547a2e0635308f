"""Many callers over few accounts, on one server and on two: every promise holds afterwards."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc
import pytest

from services.local.databases import Databases
from tests.fakes.ledger_server import (
    LedgerClient,
    asset,
    liability,
    running_ledger,
    settings,
    transfer,
)
from tests.fakes.ledger_sql import audit
from tests.fakes.refusals import read
from vezne.ledger.v1.account_pb2 import Account, AccountState, FrozenSide
from vezne.ledger.v1.account_service_pb2 import (
    CreateAccountsRequest,
    GetAccountRequest,
    UpdateAccountRequest,
)

PLAYERS = [f"player/{number}" for number in range(4)]
FINAL = {"INSUFFICIENT_AVAILABLE", "ACCOUNT_FROZEN", "REQUEST_ID_REUSED"}


@pytest.fixture(scope="module")
async def replicas(databases: Databases) -> AsyncIterator[list[LedgerClient]]:
    """Two servers on one database."""
    async with AsyncExitStack() as stack:
        chosen = settings(databases.url("ledger"))
        yield [await stack.enter_async_context(running_ledger(chosen)) for _ in range(2)]


async def open_books(client: LedgerClient, tenant_id: str) -> None:
    await client.tenant(tenant_id)
    await client.open(
        tenant_id, asset("bank"), *(liability(name, min_available_minor=0) for name in PLAYERS)
    )


def some_move(draw: random.Random) -> tuple[str, str, int]:
    """Money in, out or between players; about half of what goes out is not there."""
    one, other = draw.choice(PLAYERS), draw.choice(PLAYERS)
    return draw.choice([("bank", one, 60), (one, "bank", 90), (one, other, 50)])


async def told(
    client: LedgerClient, tenant_id: str, request_id: str, move: tuple[str, str, int]
) -> str:
    """Post, and return `posted` or the reason of the refusal."""
    try:
        await client.post(tenant_id, request_id, transfer(*move))
    except grpc.aio.AioRpcError as error:
        refused = read(error)
        assert refused.reason in FINAL, refused
        return refused.reason
    return "posted"


@pytest.mark.parametrize("servers", [1, 2])
async def test_what_was_acknowledged_is_stored_and_nothing_else(
    replicas: list[LedgerClient], databases: Databases, servers: int
) -> None:
    """600 postings by 60 callers over five accounts: each told as it is, no floor crossed."""
    tenant = f"crowd-{servers}"
    await open_books(replicas[0], tenant)
    draw = random.Random(servers)  # noqa: S311 - the same postings in every run.
    moves = {f"r{number}": some_move(draw) for number in range(600)}

    async def caller(number: int) -> dict[str, str]:
        client = replicas[number % servers]
        own = [name for name in moves if int(name[1:]) % 60 == number]
        return {name: await told(client, tenant, name, moves[name]) for name in own}

    answers: dict[str, str] = {}
    for told_to_one in await asyncio.gather(*(caller(number) for number in range(60))):
        answers |= told_to_one
    posted = await audit(databases, tenant, PLAYERS)

    assert posted == {name for name, answer in answers.items() if answer == "posted"}
    assert set(answers.values()) == {"posted", "INSUFFICIENT_AVAILABLE"}
    other = replicas[1]
    again = [await told(other, tenant, name, moves[name]) for name in list(moves)[:40]]
    assert again == [answers[name] for name in list(moves)[:40]]


async def test_one_request_at_two_replicas_posts_once(
    replicas: list[LedgerClient], databases: Databases
) -> None:
    """Forty copies over two servers make one transaction, told alike to all."""
    await open_books(replicas[0], "once")
    answers = await asyncio.gather(
        *(
            replicas[number % 2].post("once", "same", transfer("bank", PLAYERS[0], 5))
            for number in range(40)
        )
    )

    assert await audit(databases, "once") == {"same"}
    assert len({answer.posted.SerializeToString() for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1


async def test_one_request_id_with_two_bodies_has_one_winner(
    replicas: list[LedgerClient], databases: Databases
) -> None:
    """Of two bodies under one id, at two servers at once, one is posted and the other refused."""
    await open_books(replicas[0], "bodies")
    for number in range(10):
        bodies = [("bank", PLAYERS[0], 5), ("bank", PLAYERS[1], 7)]
        answers = await asyncio.gather(
            *(
                told(replica, "bodies", f"r{number}", body)
                for replica, body in zip(replicas, bodies, strict=True)
            )
        )
        assert sorted(answers) == ["REQUEST_ID_REUSED", "posted"]

    assert len(await audit(databases, "bodies")) == 10


async def test_replicas_see_each_others_money(
    replicas: list[LedgerClient], databases: Databases
) -> None:
    """Back and forth between two servers, each takes out what the other brought in."""
    await open_books(replicas[0], "turns")
    for number in range(30):
        one, other = replicas[number % 2], replicas[(number + 1) % 2]
        await one.post("turns", f"in-{number}", transfer("bank", PLAYERS[0], 7))
        out = await other.post("turns", f"out-{number}", transfer(PLAYERS[0], "bank", 7))
        assert [balance.posted_minor for balance in out.posted.balances] == [0, 0]
        assert await told(one, "turns", f"no-{number}", (PLAYERS[0], "bank", 1)) == (
            "INSUFFICIENT_AVAILABLE"
        )

    assert len(await audit(databases, "turns", PLAYERS)) == 60


async def test_accounts_opened_at_two_replicas_are_opened_once(
    replicas: list[LedgerClient], databases: Databases
) -> None:
    """Overlapping openings at once: each account has one key, and one caller opened it."""
    await replicas[0].tenant("doors")

    async def opened(number: int) -> list[str]:
        answer = await replicas[number % 2].accounts.CreateAccounts(
            CreateAccountsRequest(
                tenant_id="doors",
                request_id=f"open-{number}",
                accounts=[asset(f"a/{one}") for one in range(number, number + 10)],
            )
        )
        return [one.account_id for one in answer.accounts if not one.existed]

    new = [name for names in await asyncio.gather(*map(opened, range(20))) for name in names]
    assert sorted(new) == sorted(f"a/{number}" for number in range(29))
    for number in range(28):
        await replicas[number % 2].post(
            "doors", f"r{number}", transfer(f"a/{number}", f"a/{number + 1}", 1)
        )
    assert len(await audit(databases, "doors")) == 28


async def test_a_freeze_at_one_replica_holds_at_the_other(
    replicas: list[LedgerClient], databases: Databases
) -> None:
    """Once a freeze was answered, no server lets anything out of the account."""
    await open_books(replicas[0], "frost")
    await replicas[0].post("frost", "in", transfer("bank", PLAYERS[0], 1000))
    frozen = asyncio.Event()
    escaped: list[str] = []

    async def drain(client: LedgerClient, name: str) -> None:
        for number in range(30):
            late = frozen.is_set()
            answer = await told(client, "frost", f"{name}-{number}", (PLAYERS[0], "bank", 1))
            if late and answer == "posted":
                escaped.append(f"{name}-{number}")

    async def freeze() -> None:
        await asyncio.sleep(0)
        await replicas[1].accounts.UpdateAccount(
            UpdateAccountRequest(
                tenant_id="frost",
                request_id="freeze",
                account=Account(
                    account_id=PLAYERS[0],
                    state=AccountState.ACCOUNT_STATE_FROZEN,
                    frozen_side=FrozenSide.FROZEN_SIDE_DEBIT,
                ),
                update_mask={"paths": ["state"]},
            )
        )
        frozen.set()

    await asyncio.gather(drain(replicas[0], "x"), drain(replicas[1], "y"), freeze())
    assert escaped == []
    assert await told(replicas[0], "frost", "z", (PLAYERS[0], "bank", 1)) == "ACCOUNT_FROZEN"
    for replica in replicas:
        found = await replica.accounts.GetAccount(
            GetAccountRequest(tenant_id="frost", account_id=PLAYERS[0])
        )
        assert found.account.state == AccountState.ACCOUNT_STATE_FROZEN
    await audit(databases, "frost", PLAYERS)


async def test_a_caller_who_cancels_or_is_late_finds_his_answer(
    replicas: list[LedgerClient], databases: Databases
) -> None:
    """Twenty callers who left: each retry gets what was decided, and nothing is posted twice."""
    await open_books(replicas[0], "leavers")
    calls = [
        asyncio.create_task(
            replicas[0].post("leavers", f"r{number}", transfer("bank", PLAYERS[0], 1))
        )
        for number in range(20)
    ]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    retried = [
        await replicas[1].post("leavers", f"r{number}", transfer("bank", PLAYERS[0], 1))
        for number in range(20)
    ]

    assert all(answer.replayed for answer in retried[1::2])
    assert await audit(databases, "leavers") == {f"r{number}" for number in range(20)}
    assert await replicas[0].posted("leavers", PLAYERS[0]) == 20


async def test_tenants_do_not_mix(replicas: list[LedgerClient], databases: Databases) -> None:
    """The same paths and request ids in two tenants are two accounts and two requests."""
    for tenant, amount in (("here", 5), ("there", 8)):
        await open_books(replicas[0], tenant)
        answer = await replicas[0].post(tenant, "r", transfer("bank", PLAYERS[0], amount))
        assert (answer.posted.sequence, answer.replayed) == (1, False)

    assert await replicas[1].posted("here", "bank") == 5
    assert await replicas[1].posted("there", "bank") == 8
    assert await audit(databases, "here") == await audit(databases, "there") == {"r"}
