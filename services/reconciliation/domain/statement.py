"""The statement: what a run publishes, as data. Amounts are signed minor units of one currency."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.formats.report import ReportBalance
from services.kernel.movements import Pot
from services.reconciliation.domain.breaks import BreakKey
from services.reconciliation.domain.classes import BreakClass, Severity
from services.reconciliation.domain.inputs import RunScope
from services.reconciliation.domain.rows import Comparison, Side
from services.reconciliation.domain.verdict import Verdict, verdict


@dataclass(frozen=True, slots=True)
class SequenceCut:
    """A run reads a sequence from just after the previous cut through this one."""

    after: int
    through: int


@dataclass(frozen=True, slots=True)
class ReportCut:
    """A settlement report that the run read, by its number and the hash of its raw file."""

    batch_number: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Exactly what a run read: the same cut gives the same statement."""

    ledger: SequenceCut
    gateway: SequenceCut
    reports: tuple[ReportCut, ...]
    rules_version: str
    rules_sha256: str
    predecessor_sha256: str
    """The hash of the predecessor's manifest; empty for the first run."""


@dataclass(frozen=True, slots=True)
class Figure:
    """How many rows, and what they sum to."""

    count: int
    net_minor: int
    gross_minor: int
    """The sum of their sizes without signs: what opposite amounts hide from the net."""


@dataclass(frozen=True, slots=True)
class RollForward:
    """One side of a section: opening + new = closed + round trips + closing."""

    side: Side
    opening: Figure
    new: Figure
    closed: Figure
    round_trips: Figure
    """Rows of one side alone that sum to 0."""
    closing: Figure

    @property
    def holds(self) -> bool:
        """Whether nothing was lost and nothing came from nowhere."""
        before = (
            self.opening.count + self.new.count,
            self.opening.net_minor + self.new.net_minor,
        )
        after = (
            self.closed.count + self.round_trips.count + self.closing.count,
            self.closed.net_minor + self.round_trips.net_minor + self.closing.net_minor,
        )
        return before == after


@dataclass(frozen=True, slots=True)
class ClassTotal:
    """What is open in one class. Gross stands beside net because opposite breaks hide in a net."""

    break_class: BreakClass
    severity: Severity
    count: int
    """Open groups."""
    net_minor: int
    """The sum of their differences, X less L."""
    gross_minor: int
    """The sum of the absolute differences."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """The balances of both sides, explained by what is open: the residual must be 0."""

    outside_balance_minor: int
    """X's closing balance: its own where it gives one, else the last one plus what is new."""
    outside_balance_given: bool
    """Whether X gave it itself."""
    ledger_balance_minor: int
    """L's balance at the cut, as GetBalances tells it."""
    outside_open_minor: int
    ledger_open_minor: int

    @property
    def residual_minor(self) -> int:
        """What no open row explains."""
        difference = self.outside_balance_minor - self.ledger_balance_minor
        return difference - (self.outside_open_minor - self.ledger_open_minor)


@dataclass(frozen=True, slots=True)
class Section:
    """One comparison, pot and currency."""

    comparison: Comparison
    pot: Pot
    currency_code: str
    outside: RollForward
    ledger: RollForward
    classes: tuple[ClassTotal, ...]
    bridge: Bridge | None
    """None in I, where the gateway keeps no balances."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One of the ten proofs of a run: its number and name, and where it fails, why."""

    number: int
    name: str
    figures: tuple[str, ...]
    """What was compared, in sentences."""
    failures: tuple[str, ...]
    """What does not hold, in sentences; at most a screenful of them."""

    @property
    def holds(self) -> bool:
        """Whether the proof holds."""
        return not self.failures


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """Rows of one side and key that sum to 0: they cancel each other, and are listed."""

    key: BreakKey
    side: Side
    row_count: int
    gross_minor: int


@dataclass(frozen=True, slots=True)
class OpenGroups:
    """How many open groups of a run are breaks, warnings and pending."""

    breaks: int
    warnings: int
    pending: int


@dataclass(frozen=True, slots=True)
class Statement:
    """The published result of a run."""

    scope: RunScope
    cut: Cut
    sections: tuple[Section, ...]
    proofs: tuple[Proof, ...]
    exclusions: Mapping[str, int]
    """How many rows or items were left out, by rule (`booking G REPORT_BOOKED`)."""
    new_breaks: int
    """Open groups that are breaks and were none in the run before."""
    round_trips: tuple[RoundTrip, ...]
    """The first of them, largest first."""
    provider_balances: tuple[ReportBalance, ...]
    """The provider's opening and closing balances, given or computed: the next run's openings."""

    @property
    def open_groups(self) -> OpenGroups:
        """What is open at the end, over all sections."""
        breaks, warnings, pending = (0, 0, 0)
        for total in (total for section in self.sections for total in section.classes):
            breaks += total.count if total.severity.is_break else 0
            warnings += total.count if total.severity is Severity.WARNING else 0
            pending += total.count if total.severity is Severity.PENDING else 0
        return OpenGroups(breaks, warnings, pending)

    @property
    def verdict(self) -> Verdict:
        """What the run may claim."""
        found = self.open_groups
        return verdict(
            proven=all(proof.holds for proof in self.proofs),
            breaks=found.breaks,
            warnings=found.warnings + len(self.round_trips),
            pending=found.pending,
        )

    def lacking(self, inputs: Sequence[str]) -> "Statement":
        """Return the statement of a run whose inputs were not all there: its first proof fails.

        Args:
            inputs: what was missing, in sentences; none leaves the statement as it is.
        """
        first, *others = self.proofs
        failed = replace(first, failures=(*inputs, *first.failures))
        return replace(self, proofs=(failed, *others))
