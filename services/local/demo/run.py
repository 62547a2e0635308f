"""The demo: a casino's day, scene by scene, each of them a line of one table."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import grpc

from services.local.demo import books, checks, deposits, proof, seeds, settlement, withdrawals
from services.local.demo.day import Advance, Day, Findings
from services.local.demo.mock_psp import MockPsp
from services.local.errors import StackError
from services.local.ports import address
from services.local.provider_accounts import admin_token_file
from services.local.stack import Stack, Step
from services.platform.channel import open_channel
from services.platform.errors import from_rpc_error
from services.platform.settings import GrpcClientSettings

_TIMEOUT_S = 30.0

_BOOKS = frozenset({"ledger"})
_MONEY = _BOOKS | {"mock-psp", "psp-gateway"}
_WORKERS = _MONEY | {"psp-gateway-worker"}
_PROOF = _WORKERS | {"reconciliation", "reconciliation-worker"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A step of the day: what is said, what of the stack it needs, and how many parts it has."""

    text: str
    needs: frozenset[str]
    act: Callable[[Day, Advance], Awaitable[None]]
    parts: int = 0


_PAYING = len(deposits.STORIES) + len(deposits.PLAIN)

SCENES = (
    Scene("the casino opens its books", _BOOKS, books.open_books),
    Scene("the house pays in at the provider", _MONEY, withdrawals.top_up),
    Scene("players pay in", _MONEY, deposits.pay_in, _PAYING),
    Scene(
        "webhooks arrive, one of them three times",
        _MONEY,
        deposits.until_webhooks_have_told,
        _PAYING - 1,
    ),
    Scene("a deposit is charged back", _MONEY, deposits.until_chargeback_is_lost),
    Scene("a player gets a refund", _MONEY, deposits.refund),
    Scene("players play", _MONEY, books.play),
    Scene("players cash out", _WORKERS, withdrawals.cash_out, len(withdrawals.STORIES)),
    Scene("a lost webhook is made up for", _WORKERS, deposits.until_the_lost_one_is_found),
    Scene("the provider closes its day", _WORKERS, settlement.close_day),
    Scene("the provider's mistakes are noted", _WORKERS, seeds.note_seeds),
    Scene("the settlement report is booked", _WORKERS, settlement.book_report),
    Scene("checking every player's money", _WORKERS, checks.players_cash),
    Scene("checking what webhooks came", _WORKERS, checks.webhooks),
    Scene("checking the clearing accounts", _WORKERS, checks.clearing),
    Scene("checking the provider's buckets", _WORKERS, checks.buckets),
    Scene("the day is reconciled", _PROOF, settlement.reconcile),
    Scene("checking what the run found", _PROOF, proof.of_the_day),
    Scene("days pass", _PROOF, settlement.let_days_pass, settlement.DAYS_LATER),
    Scene("they are reconciled", _PROOF, settlement.reconcile),
    Scene("checking what the run found", _PROOF, proof.in_the_end),
    Scene("checking the trial balance", _BOOKS, checks.trial_balance),
)


async def play_day(stack: Stack, step: Step) -> Findings:
    """Play the day on a stack that is up, and return what it ends with.

    Raises:
        StackError: something does not happen, or a service refuses what it must take.
    """
    there = {component.name for component in stack.components}
    async with AsyncExitStack() as doors:
        day = await _begin(stack, doors)
        try:
            await play_scenes(SCENES, day, there, step)
        except grpc.aio.AioRpcError as error:
            raise StackError(f"a service refused: {from_rpc_error(error)}") from error
    return day.findings


async def play_scenes(
    scenes: Sequence[Scene], day: Day, there: Collection[str], step: Step
) -> None:
    """Play each scene; one that lacks a part of the stack is a broken promise, never left out.

    Args:
        scenes: what happens, in order.
        day: the day so far.
        there: the names of the components that are up.
        step: shows each scene.
    """
    for scene in scenes:
        lacking = sorted(scene.needs.difference(there))
        if lacking:
            day.findings.check(
                f"{scene.text}: it is played", holds=False, detail=f"without {', '.join(lacking)}"
            )
            continue
        with step(scene.text, scene.parts) as advance:
            await scene.act(day, advance)


async def _begin(stack: Stack, doors: AsyncExitStack) -> Day:
    async def channel(port: int) -> grpc.aio.Channel:
        settings = GrpcClientSettings(target=address(port), timeout_s=_TIMEOUT_S)
        return await doors.enter_async_context(open_channel(settings))

    ports = stack.ports
    token = admin_token_file(stack.folder).read_text()
    return Day(
        ports=ports,
        tenant=stack.sandbox.tenant,
        mock=await doors.enter_async_context(MockPsp(f"http://{address(ports.mock_psp)}", token)),
        ledger=await channel(ports.ledger),
        gateway=await channel(ports.psp_gateway),
        reconciliation=await channel(ports.reconciliation),
    )
