"""A world to reconcile: a real ledger, a gateway that says what happened, and mock reports."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from services.formats.mock import SECTIONS
from services.kernel.money import format_amount
from services.local.databases import Databases
from services.reconciliation.settings import ReconciliationSettings
from tests.fakes.ledger_server import (
    LedgerClient,
    asset,
    entry,
    liability,
    running_ledger,
    settings,
)
from tests.fakes.telling_gateway_server import FakeGateway, HeldReport, running_gateway
from vezne.ledger.v1.transaction_pb2 import NewTransaction
from vezne.psp_gateway.v1.event_pb2 import EventMovement
from vezne.type.v1.movement_pb2 import (
    MOVEMENT_KIND_CAPTURE,
    MOVEMENT_KIND_CAPTURE_FEE,
    POT_PROVIDER,
)

MONDAY = date(2026, 3, 2)
_PSP = "asset/psp/mock/main"
_ACCOUNTS = ["pending", "available", "in_transit", "rolling_reserve", "disputes"]


@dataclass(frozen=True)
class Line:
    """A line of a mock report: a captured deposit with its fee, in cents."""

    key: str
    gross_minor: int
    fee_minor: int


def mock_report(batch_number: int, day: date, opening_minor: int, lines: Sequence[Line]) -> bytes:
    """Write a settlement report of the mock format, in EUR."""
    start = datetime.combine(day, datetime.min.time())
    end = start + timedelta(days=1)
    net_minor = sum(line.gross_minor - line.fee_minor for line in lines)

    def eur(minor: int) -> str:
        return format_amount(minor, "EUR")

    rows = [
        "[report]",
        "format,account,batch_number,period_start,period_end",
        f"vezne-mock-settlement/1,main,{batch_number},{start.isoformat()}Z,{end.isoformat()}Z",
        "[balances]",
        "currency,pot,opening,closing",
        f"EUR,provider,{eur(opening_minor)},{eur(opening_minor + net_minor)}",
        "[lines]",
        ",".join(SECTIONS["lines"]),
        *(
            f"row_{batch_number}_{number},payment,pi_{line.key},{line.key},pi_{line.key},,EUR,"
            f"{eur(line.gross_minor)},{eur(line.fee_minor)},"
            f"{eur(line.gross_minor - line.fee_minor)},"
            f"{start.isoformat()}Z,{start.isoformat()}Z,"
            for number, line in enumerate(lines, start=1)
        ),
        "[totals]",
        "currency,lines,gross,fee,net",
    ]
    if lines:
        gross, fee = (sum(getattr(line, name) for line in lines) for name in _SUMS)
        rows.append(f"EUR,{len(lines)},{eur(gross)},{eur(fee)},{eur(net_minor)}")
    return ("\n".join(rows) + "\n").encode()


_SUMS = ("gross_minor", "fee_minor")


@dataclass
class World:
    """What happened at one provider account, and who knows of it."""

    tenant_id: str
    ledger: LedgerClient
    gateway: FakeGateway
    posted: int = 0
    closing_minor: int = 0
    batch_number: int = 0
    lines: list[Line] = field(default_factory=list)
    """Of the day that is not reported yet."""

    async def open(self) -> None:
        """Open the tenant and the provider account's accounts."""
        await self.ledger.tenant(self.tenant_id)
        await self.ledger.open(
            self.tenant_id,
            *(asset(f"{_PSP}/{name}/eur") for name in _ACCOUNTS),
            liability("liability/psp/mock/main/withdrawal_clearing/eur"),
            liability("liability/psp/mock/main/refund_clearing/eur"),
            liability("liability/psp/mock/main/review/eur"),
            liability("liability/player/p1/cash/eur"),
            asset("expense/psp_fees/eur"),
        )

    async def deposit(
        self,
        number: int,
        gross_minor: int = 10_00,
        fee_minor: int = 30,
        *,
        reported: bool = True,
        booked: bool = True,
        known: bool = True,
        settled_minor: int | None = None,
    ) -> None:
        """A deposit is captured, its fee charged, and both are settled on the same day.

        Args:
            number: which deposit.
            gross_minor: what was captured.
            fee_minor: what the provider charged.
            reported: whether the report lists it.
            booked: whether the ledger has it.
            known: whether the gateway knows it.
            settled_minor: what the report says was captured, if that is another amount.
        """
        deposit_id, key = f"deposit-{number}", f"ch_{number}"
        if known:
            self.gateway.happen(
                deposit_id,
                "captured",
                _movement(gross_minor, key, MOVEMENT_KIND_CAPTURE),
            )
            self.gateway.happen(
                deposit_id, "fee", _movement(-fee_minor, key, MOVEMENT_KIND_CAPTURE_FEE)
            )
        if booked:
            await self._post(deposit_id, "captured", key, "capture", gross_minor)
            await self._post(deposit_id, "fee", key, "capture_fee", -fee_minor)
        if reported:
            self.lines.append(Line(key, settled_minor or gross_minor, fee_minor))

    async def _post(
        self, deposit_id: str, fact: str, key: str, kind: str, amount_minor: int
    ) -> None:
        other = "liability/player/p1/cash/eur" if amount_minor > 0 else "expense/psp_fees/eur"
        self.posted += 1
        await self.ledger.post(
            self.tenant_id,
            f"psp:{deposit_id}:{fact}:1",
            NewTransaction(
                kind=f"psp.deposit.{fact}",
                entries=[entry(f"{_PSP}/pending/eur", amount_minor), entry(other, -amount_minor)],
                metadata={
                    "object": deposit_id,
                    "fact": fact,
                    "movement_key": key,
                    "movement_kind": kind,
                },
            ),
        )

    def settle_late(self, number: int, gross_minor: int = 10_00, fee_minor: int = 30) -> None:
        """The next report lists a deposit of an earlier day."""
        self.lines.append(Line(f"ch_{number}", gross_minor, fee_minor))

    def report(self, day: date, *, booked: bool = True, refusal: str = "") -> HeldReport:
        """The provider reports the day, and the gateway has it."""
        self.batch_number += 1
        content = mock_report(self.batch_number, day, self.closing_minor, self.lines)
        self.closing_minor += sum(line.gross_minor - line.fee_minor for line in self.lines)
        self.lines = []
        report = HeldReport(
            str(uuid4()),
            day.isoformat(),
            0 if refusal else self.batch_number,
            content,
            self.posted if booked else 0,
            refusal,
        )
        self.gateway.hold(report)
        return report


def _movement(amount_minor: int, key: str, kind: int) -> EventMovement:
    return EventMovement(
        pot=POT_PROVIDER,
        amount_minor=amount_minor,
        currency_code="EUR",
        movement_kind=kind,  # type: ignore[arg-type]  # A number of the enum.
        movement_key=key,
    )


@dataclass
class Worlds:
    """Makes worlds, each with a tenant of its own, and the settings of a service that sees them."""

    ledger: LedgerClient
    gateway: FakeGateway
    settings: ReconciliationSettings

    async def new(self) -> World:
        """Make an empty world; the gateway forgets the one before."""
        # Temporal outlives the databases of a module, and its workflow ids are for ever.
        tenant_id = f"acme-{uuid4().hex[:8]}"
        FakeGateway.__init__(self.gateway, tenant_id)
        world = World(tenant_id, self.ledger, self.gateway)
        await world.open()
        return world


@asynccontextmanager
async def worlds(databases: Databases, folder: Path, **others: object) -> AsyncIterator[Worlds]:
    """Run a ledger and a gateway for worlds."""
    gateway = FakeGateway("nobody")
    async with (
        running_ledger(settings(databases.url("ledger"))) as ledger,
        running_gateway(gateway) as target,
    ):
        chosen = ReconciliationSettings.model_validate(
            {
                "database": {"url": databases.url("reconciliation")},
                "ledger": {"target": f"127.0.0.1:{ledger.port}"},
                "psp_gateway": {"target": target},
                "object_store_url": folder.as_uri(),
                "grpc": {"port": 0, "health_port": 0, "drain_grace_s": 1},
                "worker": {"health_port": 0, "drain_grace_s": 1},
                "temporal_ui_url": "http://127.0.0.1:8233",
                **others,
            }
        )
        yield Worlds(ledger, gateway, chosen)
