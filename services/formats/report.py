"""What every settlement report becomes, whatever its format: lines in integers, and its totals."""

from dataclasses import dataclass
from datetime import datetime

from services.kernel.movements import MovementKind, Pot


class ReportFormatError(Exception):
    """The file is refused whole: the message says which line, and what is wrong with it.

    Args:
        message: a sentence for people.
        line_number: the line of the file, from 1; None if it concerns the file as a whole.
    """

    def __init__(self, message: str, line_number: int | None = None) -> None:
        where = f"line {line_number}: " if line_number is not None else ""
        super().__init__(where + message)
        self.line_number = line_number


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One line of a settlement report. Amounts are signed minor units; + is more of our money.

    Invariant: in one currency `net_minor == gross_minor - fee_minor`.
    """

    line_number: int
    """The line of the file, from 1."""
    row_id: str
    """The provider's own id of the row; where it has none, `{batch}:{position}`."""
    kind: MovementKind
    """What moved; UNCLASSIFIED for a type that we do not know."""
    raw_type: str
    """The type as the provider writes it."""
    movement_key: str
    """The provider's id of what moved, the join key with the ledger; empty if there is none."""
    object_key: str
    """The provider's id of the object it belongs to (the deposit of a refund); empty if none."""
    reference: str
    """Our reference at the provider, as the provider echoes it; empty if none."""
    gross_minor: int
    """The movement itself, in `gross_currency`."""
    gross_currency: str
    fee_minor: int
    """What the provider charged (+) or gave back (-), in `net_currency`."""
    net_minor: int
    """What changed in the provider's balance, in `net_currency`."""
    net_currency: str
    occurred_at: datetime
    """When it happened, in UTC."""
    available_at: datetime | None
    """When the money is, or was, available; None if the report does not say."""
    sweep_key: str
    """The provider's id of the sweep that this line was part of; empty if none yet."""

    @property
    def join_key(self) -> str:
        """The movement key that the line's ledger postings carry and reconciliation joins on.

        A line that belongs to nothing has no key of its own but the row's.
        """
        return self.movement_key or self.row_id


@dataclass(frozen=True, slots=True)
class ReportBalance:
    """The provider's own opening and closing balance of one pot, in minor units of one currency."""

    pot: Pot
    currency_code: str
    opening_minor: int
    closing_minor: int


@dataclass(frozen=True, slots=True)
class SettlementReport:
    """A whole report whose own totals tie."""

    report_format: str
    """The name of the module that read it, such as `mock`."""
    provider_account: str
    """The provider account as the file names it."""
    batch_number: int
    """The provider's running number of its reports, without holes, from 1."""
    period_start: datetime
    """The report covers what the provider booked from this moment on, in UTC, ..."""
    period_end: datetime
    """... and before this one."""
    lines: tuple[ReportLine, ...]
    balances: tuple[ReportBalance, ...]
    """One a pot and currency that the report gives balances for."""
