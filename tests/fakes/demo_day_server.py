"""The end of a demo's day: servers and a provider that answer what a test puts into them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from services.kernel.movements import MovementKind
from services.local.demo.day import Day, Expected, Purse, Seed
from services.local.demo.deposits import DUPLICATE, LOST
from services.local.demo.run import SCENES
from services.local.ports import Ports
from vezne.ledger.v1 import account_service_pb2 as accounts_pb
from vezne.ledger.v1 import journal_service_pb2 as journal_pb
from vezne.ledger.v1.account_pb2 import Balances
from vezne.ledger.v1.account_service_pb2_grpc import (
    AccountServiceServicer,
    add_AccountServiceServicer_to_server,
)
from vezne.ledger.v1.journal_service_pb2_grpc import (
    JournalServiceServicer,
    add_JournalServiceServicer_to_server,
)
from vezne.psp_gateway.v1.deposit_pb2 import Deposit
from vezne.reconciliation.v1 import break_service_pb2 as breaks_pb
from vezne.reconciliation.v1 import run_service_pb2 as runs_pb
from vezne.reconciliation.v1.break_pb2 import (
    BREAK_CLASS_AMOUNT_UNDER,
    BREAK_CLASS_MISSING_IN_SETTLEMENT,
    BREAK_CLASS_PENDING_SETTLEMENT,
    Break,
)
from vezne.reconciliation.v1.break_service_pb2_grpc import (
    BreakServiceServicer,
    add_BreakServiceServicer_to_server,
)
from vezne.reconciliation.v1.run_pb2 import VERDICT_BREAKS, Run
from vezne.reconciliation.v1.run_service_pb2_grpc import (
    RunServiceServicer,
    add_RunServiceServicer_to_server,
)

FIRST, LAST = "2026-01-31", "2026-02-05"
"""The dates of the two runs, which are their ids as well."""
PLAYER = Purse("player-01", "EUR")
SEEDS = (
    Seed(
        "a payment is missing",
        "pi_1",
        0,
        (
            Expected(
                MovementKind.CAPTURE,
                -500,
                BREAK_CLASS_PENDING_SETTLEMENT,
                BREAK_CLASS_MISSING_IN_SETTLEMENT,
            ),
        ),
    ),
    Seed(
        "a payment has 0.01 less",
        "pi_2",
        -1,
        (Expected(MovementKind.CAPTURE, -1, BREAK_CLASS_AMOUNT_UNDER, BREAK_CLASS_AMOUNT_UNDER),),
    ),
)
_ASSET = "asset/psp/mock/main"


def statement(day: str) -> runs_pb.Statement:
    """A statement with breaks, of which each proof that is made holds."""
    not_made = runs_pb.PROOF_OUTCOME_NOT_MADE
    return runs_pb.Statement(
        run=Run(run_id=day, business_date=day, verdict=VERDICT_BREAKS),
        proofs=[
            runs_pb.ProofResult(
                proof=number, outcome=not_made if number > 7 else runs_pb.PROOF_OUTCOME_HOLDS
            )
            for number in range(1, 11)
        ],
    )


def found(day: str) -> list[Break]:
    """What a run of the day finds of the seeds."""
    return [
        Break(
            key=seed.key,
            kind=str(one.kind),
            currency_code="EUR",
            break_class=one.at_first if day == FIRST else one.in_the_end,
            difference_minor=one.difference_minor,
        )
        for seed in SEEDS
        for one in seed.expected
    ]


@dataclass
class Evening:
    """What everybody says at the end of a day on which all promises hold."""

    posted_minor: dict[str, int] = field(
        default_factory=lambda: {PLAYER.cash: 700, f"{_ASSET}/available/eur": 901}
    )
    """By ledger account; 0 if it is not here."""
    totals_minor: dict[str, tuple[int, int]] = field(
        default_factory=lambda: {"EUR": (1_601, 1_601), "JPY": (0, 0)}
    )
    """Debits and credits by currency."""
    held: dict[str, dict[str, int]] = field(
        default_factory=lambda: {
            code: {
                "pending": 0,
                "available": available,
                "in_transit": 0,
                "rolling_reserve": 0,
            }
            for code, available in (("EUR", 900), ("JPY", 0))
        }
    )
    """What the provider says that it holds."""
    attempts: dict[str, int] = field(default_factory=lambda: {DUPLICATE: 3, LOST: 0})
    statements: dict[str, runs_pb.Statement] = field(
        default_factory=lambda: {day: statement(day) for day in (FIRST, LAST)}
    )
    found: dict[str, list[Break]] = field(
        default_factory=lambda: {day: found(day) for day in (FIRST, LAST)}
    )

    async def buckets(self) -> Mapping[str, Mapping[str, int]]:
        """What the provider holds."""
        return self.held

    async def deliveries(self) -> Sequence[Mapping[str, Any]]:
        """The provider's webhooks."""
        return [
            {"object_id": name, "type": "payment_intent.succeeded", "attempts": [{}] * count}
            for name, count in self.attempts.items()
        ]


class _Ledger(AccountServiceServicer, JournalServiceServicer):
    def __init__(self, evening: Evening) -> None:
        self._evening = evening

    async def GetBalances(self, request: Any, _context: Any) -> Any:
        return accounts_pb.GetBalancesResponse(
            balances=[
                Balances(account_id=path, posted_minor=self._evening.posted_minor.get(path, 0))
                for path in request.account_ids
            ]
        )

    async def GetTrialBalance(self, _request: Any, _context: Any) -> Any:
        return journal_pb.GetTrialBalanceResponse(
            totals=[
                journal_pb.TrialBalanceTotal(
                    currency_code=code, debit_minor=debit, credit_minor=credit
                )
                for code, (debit, credit) in self._evening.totals_minor.items()
            ]
        )


class _Reconciliation(RunServiceServicer, BreakServiceServicer):
    def __init__(self, evening: Evening) -> None:
        self._evening = evening

    async def GetStatement(self, request: Any, _context: Any) -> Any:
        return runs_pb.GetStatementResponse(statement=self._evening.statements[request.run_id])

    async def ListBreaks(self, request: Any, _context: Any) -> Any:
        return breaks_pb.ListBreaksResponse(breaks=self._evening.found[request.run_id])


@asynccontextmanager
async def evening_of(evening: Evening) -> AsyncIterator[Day]:
    """Serve what everybody says, and give the day at whose end it is said."""
    server = grpc.aio.server()
    ledger, reconciliation = _Ledger(evening), _Reconciliation(evening)
    add_AccountServiceServicer_to_server(ledger, server)
    add_JournalServiceServicer_to_server(ledger, server)
    add_RunServiceServicer_to_server(reconciliation, server)
    add_BreakServiceServicer_to_server(reconciliation, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        day = Day(Ports(), "casino", evening, channel, channel, channel)  # type: ignore[arg-type]  # Of the provider, what checks ask.
        day.deposits = {name: Deposit(provider_object_id=name) for name in (DUPLICATE, LOST)}
        day.cash_minor[PLAYER] = 700
        day.seeds = SEEDS
        yield day
    await server.stop(0)


async def check_all(day: Day) -> list[str]:
    """Play every scene that checks, and return which promises do not hold."""
    runs = iter((FIRST, LAST))
    for scene in SCENES:
        if scene.act.__module__.endswith(".proof"):
            date = next(runs)
            day.run = Run(run_id=date, business_date=date)
        if scene.act.__module__.endswith((".checks", ".proof")):
            await scene.act(day, lambda: None)
    return [promise.text for promise in day.findings.promises if not promise.holds]
