"""What the scenes of the day share: the doors to everything, and what has happened so far."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

import grpc

from services.kernel.movements import MovementKind
from services.local.demo.mock_psp import MockPsp
from services.local.errors import StackError
from services.local.ports import Ports
from vezne.ledger.v1.journal_service_pb2 import TrialBalanceTotal
from vezne.psp_gateway.v1.deposit_pb2 import Deposit
from vezne.reconciliation.v1.break_pb2 import Break, BreakClass
from vezne.reconciliation.v1.run_pb2 import Run
from vezne.reconciliation.v1.run_service_pb2 import Statement

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
class Expected:
    """What a run must say of one movement that was seeded.

    Args:
        kind: of the movement.
        difference_minor: what the provider has more than the ledger.
        at_first: the class in the run of the day itself.
        in_the_end: the class once time to wait is over.
    """

    kind: MovementKind
    difference_minor: int
    at_first: BreakClass.ValueType
    in_the_end: BreakClass.ValueType


@dataclass(frozen=True, slots=True)
class Seed:
    """A fault that was put into the provider's report, and what runs must make of it.

    Args:
        about: what was done, in words.
        key: the provider's id of what moved; all seeds are in euros.
        held_minor: what the provider really holds more than our books say, because of it.
        expected: what runs must say.
    """

    about: str
    key: str
    held_minor: int
    expected: Sequence[Expected]


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that must hold, and whether it does."""

    text: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BucketLine:
    """One of the provider's buckets beside ours, in minor units."""

    currency_code: str
    bucket: str
    provider_minor: int
    ours_minor: int


@dataclass(slots=True)
class Findings:
    """What the day ends with; what was not looked at is empty."""

    promises: list[Promise] = field(default_factory=list)
    totals: Sequence[TrialBalanceTotal] = ()
    buckets: Sequence[BucketLine] = ()
    statement: Statement | None = None
    breaks: Sequence[Break] = ()

    def check(self, text: str, *, holds: bool, detail: str = "") -> None:
        """Add a promise; the detail says what is wrong where it does not hold."""
        self.promises.append(Promise(text, holds, detail))


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
    """By player: each pays in once."""
    cash_minor: dict[Purse, int] = field(default_factory=lambda: defaultdict(int))
    """What each player must have at the end, by the demo's own sums."""
    seeds: Sequence[Seed] = ()
    business_date: date | None = None
    """The last day that the provider closed."""
    run: Run | None = None
    """The last run that has ended."""
    findings: Findings = field(default_factory=Findings)


Advance = Callable[[], None]
"""Counts one part of a scene as done."""


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
