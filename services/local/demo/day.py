"""What the steps of the day share: the doors to everything, and what has happened so far."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

import grpc

from services.local.demo.mock_psp import MockPsp
from services.local.errors import StackError
from services.local.ports import Ports
from vezne.psp_gateway.v1.deposit_pb2 import Deposit
from vezne.reconciliation.v1.break_pb2 import BreakClass
from vezne.reconciliation.v1.run_pb2 import Run

WAIT_S = 90.0
_LOOK_S = 0.2

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Purse:
    """Whose money in which currency."""

    player_id: str
    currency_code: str

    @property
    def cash(self) -> str:
        """The ledger account of what the player can withdraw."""
        return f"liability/player/{self.player_id}/cash/{self.currency_code.lower()}"


@dataclass(frozen=True, slots=True)
class Seed:
    """A fault that was put into the provider's report, and what a run must make of it.

    Args:
        about: what was done, in words.
        key: the provider's id of what moved.
        currency_code: of the fault.
        break_class: what a run of the day must call it.
        difference_minor: what the provider has more than the ledger for this key.
        held_minor: what the provider really holds more than our books say, because of it.
    """

    about: str
    key: str
    currency_code: str
    break_class: BreakClass.ValueType
    difference_minor: int
    held_minor: int


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that must hold at the end of the day, and whether it does."""

    text: str
    holds: bool
    detail: str = ""


@dataclass(slots=True)
class Day:
    """The day so far.

    Args:
        ports: where everything listens.
        tenant: the casino.
        mock: the provider.
        ledger, gateway, reconciliation: channels.
    """

    ports: Ports
    tenant: str
    mock: MockPsp
    ledger: grpc.aio.Channel
    gateway: grpc.aio.Channel
    reconciliation: grpc.aio.Channel
    deposits: dict[str, Deposit] = field(default_factory=dict)
    """The deposits with a story of their own, by its name."""
    cash_minor: dict[Purse, int] = field(default_factory=lambda: defaultdict(int))
    """What each player must have at the end, by the demo's own sums."""
    top_ups_minor: dict[str, int] = field(default_factory=dict)
    seeds: list[Seed] = field(default_factory=list)
    business_date: date | None = None
    run: Run | None = None


async def until(
    what: str,
    look: Callable[[], Awaitable[Found]],
    is_enough: Callable[[Found], bool],
    wait_s: float = WAIT_S,
) -> Found:
    """Look again and again until what is found is enough, and return it.

    Raises:
        StackError: it is not after `wait_s`; the message says what was waited for.
    """
    deadline = time.monotonic() + wait_s
    while not is_enough(found := await look()):
        if time.monotonic() > deadline:
            raise StackError(f"{what} did not happen within {wait_s:g} s; last seen:\n{found}")
        await asyncio.sleep(_LOOK_S)
    return found
