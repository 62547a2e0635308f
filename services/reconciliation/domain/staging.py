"""How sources become rows: report lines (S), gateway events (G), ledger transactions (L)."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from services.formats.report import ReportBalance, ReportLine, SettlementReport
from services.kernel.clock import to_micros
from services.kernel.movements import FEE_OF, MovementKind, Pot
from services.reconciliation.domain.inputs import GatewayEvent, LedgerTransaction, PotAccounts
from services.reconciliation.domain.rows import Side, StagedRow


class Exclusion(StrEnum):
    """Why something that was read is not compared; every exclusion is counted by its rule."""

    INTERNAL = "INTERNAL"
    """A ledger transaction that changes no pot: money moved inside one, as pending to available."""
    NO_MONEY = "NO_MONEY"
    """A gateway event or a report line that moved nothing."""
    REPORT_BOOKED = "REPORT_BOOKED"
    """Known from reports only: comparing it in I would compare the report with itself."""
    OTHER_POT = "OTHER_POT"
    """A row of a pot that this comparison does not look at; another one does."""


_OTHER_POT_OF: Mapping[MovementKind, Pot] = MappingProxyType(
    {
        MovementKind.SWEEP: Pot.TRANSIT,
        MovementKind.SWEEP_FAILURE: Pot.TRANSIT,
        MovementKind.ROLLING_RESERVE: Pot.ROLLING_RESERVE,
        MovementKind.ROLLING_RESERVE_RELEASE: Pot.ROLLING_RESERVE,
    }
)
"""What leaves the provider pot by these kinds enters this pot, and the reverse."""


def settlement_rows(batch_number: int, line: ReportLine) -> list[StagedRow]:
    """Return the rows of a report line; those on the provider pot sum to its net.

    A movement (the gross) and a fee; where the net's currency differs, also the two sides of the
    exchange. What an unknown type means is not ours to guess: it gives its net in one row.
    """
    parts: list[tuple[str, Pot, str, int, MovementKind]]
    if line.kind is MovementKind.UNCLASSIFIED:
        parts = [("movement", Pot.PROVIDER, line.net_currency, line.net_minor, line.kind)]
    else:
        fee_kind = FEE_OF.get(line.kind, MovementKind.ACCOUNT_FEE)
        parts = [
            ("movement", Pot.PROVIDER, line.gross_currency, line.gross_minor, line.kind),
            ("fee", Pot.PROVIDER, line.net_currency, -line.fee_minor, fee_kind),
        ]
        if line.kind in _OTHER_POT_OF:
            pot = _OTHER_POT_OF[line.kind]
            parts.append(("other", pot, line.gross_currency, -line.gross_minor, line.kind))
        if line.gross_currency != line.net_currency:
            bought = line.net_minor + line.fee_minor
            kind = MovementKind.EXCHANGE
            parts += [
                ("sold", Pot.PROVIDER, line.gross_currency, -line.gross_minor, kind),
                ("bought", Pot.PROVIDER, line.net_currency, bought, kind),
            ]
    occurred_us = to_micros(line.occurred_at)
    key = line.join_key
    # A sweep's own line counts among the lines of that sweep, so that they sum to 0.
    sweep_key = key if line.kind is MovementKind.SWEEP else line.sweep_key
    return [
        StagedRow(
            side=Side.SETTLEMENT,
            row_id=f"{batch_number}:{line.line_number}:{part}",
            pot=pot,
            currency_code=currency_code,
            amount_minor=amount_minor,
            object_id="",
            fact="",
            movement_key=key,
            movement_kind=kind,
            sweep_key=sweep_key,
            occurred_us=occurred_us,
            position=line.line_number,
            source_id=line.row_id,
        )
        for part, pot, currency_code, amount_minor, kind in parts
        if amount_minor
    ]


def gateway_rows(event: GatewayEvent) -> list[StagedRow]:
    """Return one row a movement of the event that is not 0."""
    occurred_us = to_micros(event.occurred_at)
    return [
        StagedRow(
            side=Side.GATEWAY,
            row_id=f"{event.event_sequence}:{number}",
            pot=movement.pot,
            currency_code=movement.currency_code,
            amount_minor=movement.amount_minor,
            object_id=event.object_id,
            fact=event.fact,
            movement_key=movement.movement_key,
            movement_kind=movement.movement_kind,
            sweep_key="",
            occurred_us=occurred_us,
            position=event.event_sequence,
            source_id=event.event_id,
        )
        for number, movement in enumerate(event.movements, start=1)
        if movement.amount_minor
    ]


def ledger_rows(transaction: LedgerTransaction, pots: PotAccounts) -> list[StagedRow]:
    """Return one row a pot and currency that the transaction changes: debits less credits."""
    effects: dict[tuple[Pot, str], int] = defaultdict(int)
    for entry in transaction.entries:
        pot = pots.get(entry.account_id)
        if pot is not None:
            effects[pot, entry.currency_code] += entry.debit_less_credit_minor
    occurred_us = to_micros(transaction.effective_at)
    metadata = transaction.metadata
    return [
        StagedRow(
            side=Side.LEDGER,
            row_id=f"{transaction.sequence}:{pot}:{currency_code}",
            pot=pot,
            currency_code=currency_code,
            amount_minor=amount_minor,
            object_id=metadata.get("object", ""),
            fact=metadata.get("fact", ""),
            movement_key=metadata.get("movement_key", ""),
            movement_kind=metadata.get("movement_kind", ""),
            sweep_key="",
            occurred_us=occurred_us,
            position=transaction.sequence,
            source_id=transaction.transaction_id,
        )
        for (pot, currency_code), amount_minor in sorted(effects.items())
        if amount_minor
    ]


@dataclass(frozen=True, slots=True)
class ReportTotals:
    """What a report says as a whole, taken from its lines and never from the rows made of them."""

    sha256: str
    """Of the raw file, in lower-case hex."""
    batch_number: int
    line_count: int
    net_minor: Mapping[str, int]
    """The sum of the lines' net, by currency."""
    balances: tuple[ReportBalance, ...]


def totals_of(report: SettlementReport, sha256: str) -> ReportTotals:
    """Return the totals of a report whose raw file has this hash."""
    net_minor: dict[str, int] = defaultdict(int)
    for line in report.lines:
        net_minor[line.net_currency] += line.net_minor
    return ReportTotals(
        sha256, report.batch_number, len(report.lines), dict(net_minor), report.balances
    )
