"""The demo: a casino's day through a stack of its own, step by step, and then the checks."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import grpc

from services.local.components import COMPONENTS
from services.local.demo import books, checks, deposits, settlement, withdrawals
from services.local.demo.checks import Findings
from services.local.demo.day import Day
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
_WITHDRAWALS = _MONEY | {"psp-gateway-worker"}
_PROOF = _WITHDRAWALS | {"reconciliation", "reconciliation-worker"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A step of the day: what is said, what of the stack it needs, and how many parts it has."""

    text: str
    needs: frozenset[str]
    act: Callable[[Day, Callable[[], None]], Awaitable[None]]
    parts: int = 0


_PAYING = len(deposits.STORIES) + len(deposits.PLAIN)

SCENES = (
    Scene("the casino opens its books", _BOOKS, books.open_books),
    Scene("the house pays in at the provider", _MONEY, withdrawals.top_up),
    Scene("players pay in", _MONEY, deposits.pay_in, _PAYING),
    Scene(
        "webhooks arrive: one twice, one never",
        _WITHDRAWALS,
        deposits.until_all_have_ended,
        _PAYING,
    ),
    Scene("a deposit is charged back", _WITHDRAWALS, deposits.until_chargeback_is_lost),
    Scene("a player gets a refund", _WITHDRAWALS, deposits.refund),
    Scene("players play", _WITHDRAWALS, books.play),
    Scene("players cash out", _WITHDRAWALS, withdrawals.cash_out, len(withdrawals.STORIES)),
    Scene("the provider closes its day", _MONEY, settlement.close_day),
    Scene("the settlement report is booked", _WITHDRAWALS, settlement.fetch_report),
    Scene("the day is reconciled", _PROOF, settlement.reconcile),
)

Check = Callable[[Day, Findings], Awaitable[None]]

CHECKS: tuple[tuple[frozenset[str], Check], ...] = (
    (_BOOKS, checks.trial_balance),
    (_WITHDRAWALS, checks.players_cash),
    (_WITHDRAWALS, checks.duplicates),
    (_WITHDRAWALS, checks.clearing_is_empty),
    (_WITHDRAWALS, checks.provider_buckets),
    (_PROOF, checks.run_result),
)


async def play_day(stack: Stack, step: Step) -> Findings:
    """Play the day on a stack that is up, and return what it ends with.

    A scene or check whose service is not in the stack's table of components is left out.

    Raises:
        StackError: something does not happen, or a service refuses what it must take.
    """
    there = {component.name for component in COMPONENTS}
    findings = Findings()
    async with AsyncExitStack() as doors:
        day = await _begin(stack, doors)
        try:
            for scene in SCENES:
                if scene.needs <= there:
                    with step(scene.text, scene.parts) as advance:
                        await scene.act(day, advance)
            with step("the day is checked"):
                for needs, check in CHECKS:
                    if needs <= there:
                        await check(day, findings)
        except grpc.aio.AioRpcError as error:
            raise StackError(f"a service refused: {from_rpc_error(error)}") from error
    return findings


async def _begin(stack: Stack, doors: AsyncExitStack) -> Day:
    async def channel(port: int) -> grpc.aio.Channel:
        settings = GrpcClientSettings(target=address(port), timeout_s=_TIMEOUT_S)
        return await doors.enter_async_context(open_channel(settings))

    ports = stack.ports
    token = admin_token_file(stack.folder).read_text()
    return Day(
        ports=ports,
        tenant=stack.tenant,
        mock=await doors.enter_async_context(MockPsp(f"http://{address(ports.mock_psp)}", token)),
        ledger=await channel(ports.ledger),
        gateway=await channel(ports.psp_gateway),
        reconciliation=await channel(ports.reconciliation),
    )
