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
    kind, gross_minor, net_currency = line.kind, line.gross_minor, line.net_currency
    key = line.join_key
    # A sweep's own line counts among the lines of that sweep, so that they sum to 0.
    sweep_key = key if kind is MovementKind.SWEEP else line.sweep_key
    prefix = f"{batch_number}:{line.line_number}:"
    occurred_us = to_micros(line.occurred_at)
    rows: list[StagedRow] = []

    def add(part: str, pot: Pot, currency: str, amount_minor: int, kind: MovementKind) -> None:
        if amount_minor:
            rows.append(
                StagedRow(
                    Side.SETTLEMENT, prefix + part, pot, currency, amount_minor, "", "", key, kind,
                    sweep_key, occurred_us, line.line_number, line.row_id,
                )
            )  # fmt: skip

    if kind is MovementKind.UNCLASSIFIED:
        add("movement", Pot.PROVIDER, net_currency, line.net_minor, kind)
        return rows
    add("movement", Pot.PROVIDER, line.gross_currency, gross_minor, kind)
    if line.fee_minor:
        fee_kind = FEE_OF.get(kind, MovementKind.ACCOUNT_FEE)
        add("fee", Pot.PROVIDER, net_currency, -line.fee_minor, fee_kind)
    if kind in _OTHER_POT_OF:
        add("other", _OTHER_POT_OF[kind], line.gross_currency, -gross_minor, kind)
    if line.gross_currency != net_currency:
        exchange = MovementKind.EXCHANGE
        add("sold", Pot.PROVIDER, line.gross_currency, -gross_minor, exchange)
        add("bought", Pot.PROVIDER, net_currency, line.net_minor + line.fee_minor, exchange)
    return rows


def gateway_rows(event: GatewayEvent) -> list[StagedRow]:
    """Return one row a movement of the event that is not 0."""
    occurred_us, sequence = to_micros(event.occurred_at), event.event_sequence
    return [
        StagedRow(
            Side.GATEWAY, f"{sequence}:{number}", movement.pot, movement.currency_code,
            movement.amount_minor, event.object_id, event.fact, movement.movement_key,
            movement.movement_kind or "", "", occurred_us, sequence, event.event_id,
        )
        for number, movement in enumerate(event.movements, start=1)
        if movement.amount_minor
    ]  # fmt: skip


def ledger_rows(transaction: LedgerTransaction, pots: PotAccounts) -> list[StagedRow]:
    """Return one row a pot and currency that the transaction changes: debits less credits."""
    effects: dict[tuple[Pot, str], int] = {}
    for entry in transaction.entries:
        pot = pots.get(entry.account_id)
        if pot is not None:
            place = (pot, entry.currency_code)
            effects[place] = effects.get(place, 0) + entry.debit_less_credit_minor
    occurred_us, sequence = to_micros(transaction.effective_at), transaction.sequence
    said = transaction.metadata.get
    return [
        StagedRow(
            Side.LEDGER, f"{sequence}:{pot}:{currency_code}", pot, currency_code,
            amount_minor, said("object", ""), said("fact", ""), said("movement_key", ""),
            said("movement_kind", ""), "", occurred_us, sequence, transaction.transaction_id,
        )
        for (pot, currency_code), amount_minor in sorted(effects.items())
        if amount_minor
    ]  # fmt: skip


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
