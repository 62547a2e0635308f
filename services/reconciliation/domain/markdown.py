"""The statement as Markdown: short enough for a run's page, complete enough to be filed."""

from collections.abc import Iterable, Iterator

from services.kernel.money import format_amount
from services.reconciliation.domain.proofs import NOT_MADE
from services.reconciliation.domain.rows import Comparison
from services.reconciliation.domain.statement import Figure, Proof, Section, Statement

_FAILURES_SHOWN = 3
_ROUND_TRIPS_SHOWN = 5
_NAMES = {
    Comparison.BOOKING: ("I Booking", "gateway"),
    Comparison.PROVIDER: ("II Provider", "report"),
    Comparison.TRANSIT: ("III Transit", "bank"),
}


def to_markdown(statement: Statement) -> str:
    """Return the statement for people: the verdict first, then why."""
    return "\n".join(_lines(statement)) + "\n"


def _lines(statement: Statement) -> Iterator[str]:
    scope = statement.scope
    yield f"# {statement.verdict}"
    yield ""
    account = _plain(f"{scope.provider} / {scope.provider_account}")
    yield f"**{account}**, {scope.business_date}: {_story(statement)}"
    for section in statement.sections:
        yield ""
        yield from _section(section)
    yield ""
    yield "## Proofs"
    yield ""
    yield from _table(
        ("", "proof", "holds"),
        [
            *((str(proof.number), proof.name, _holds(proof)) for proof in statement.proofs),
            *(
                (str(number), proof.name, f"not made: {proof.reason}")
                for number, proof in NOT_MADE.items()
            ),
        ],
    )
    if statement.round_trips:
        yield ""
        yield "## Round trips"
        yield ""
        for trip in statement.round_trips[:_ROUND_TRIPS_SHOWN]:
            currency = trip.key.currency_code
            amount = format_amount(trip.gross_minor, currency)
            what = _plain(f"{trip.key.key} {trip.key.kind}")
            yield f"- {trip.side} {what}: {amount} {currency} in all"
    yield ""
    yield from _cut(statement)


def _story(statement: Statement) -> str:
    totals = [total for section in statement.sections for total in section.classes]
    breaks = sum(total.count for total in totals if total.severity.is_break)
    others = sum(total.count for total in totals) - breaks
    proven = sum(proof.holds for proof in statement.proofs)
    return (
        f"{breaks} breaks ({statement.new_breaks} new), {others} pending or to be looked at, "
        f"{proven} of {len(statement.proofs)} proofs hold, {len(NOT_MADE)} are not made."
    )


def _section(section: Section) -> Iterator[str]:
    name, outside = _NAMES[section.comparison]
    currency = section.currency_code
    yield f"## {name}, {section.pot} in {currency}"
    yield ""
    if section.bridge is not None:
        bridge = section.bridge
        given = "" if bridge.outside_balance_given else " (carried forward)"
        yield from _table(
            (f"{outside}{given}", "ledger", "explained by open", "residual"),
            [
                (
                    format_amount(bridge.outside_balance_minor, currency),
                    format_amount(bridge.ledger_balance_minor, currency),
                    format_amount(bridge.outside_open_minor - bridge.ledger_open_minor, currency),
                    f"**{format_amount(bridge.residual_minor, currency)}**",
                )
            ],
        )
        yield ""
    steps = ("opening", "new", "closed", "round_trips", "closing")
    yield from _table(
        ("", outside, "ledger"),
        (
            (
                step.replace("_", " "),
                _figure(getattr(section.outside, step), currency),
                _figure(getattr(section.ledger, step), currency),
            )
            for step in steps
        ),
    )
    if section.classes:
        yield ""
        yield from _table(
            ("open as", "severity", "groups", f"net {currency}", f"gross {currency}"),
            (
                (
                    total.break_class,
                    total.severity,
                    str(total.count),
                    format_amount(total.net_minor, currency),
                    format_amount(total.gross_minor, currency),
                )
                for total in section.classes
            ),
        )


def _figure(figure: Figure, currency: str) -> str:
    return f"{format_amount(figure.net_minor, currency)} ({figure.count})"


def _holds(proof: Proof) -> str:
    if proof.holds:
        return "yes"
    return f"**no**: {_plain('; '.join(proof.failures[:_FAILURES_SHOWN]))}"


def _plain(text: str) -> str:
    """Keys come from outside: what Markdown would read in them is escaped."""
    return text.translate({ord(mark): f"\\{mark}" for mark in "\\`*_[]<>|#"})


def _cut(statement: Statement) -> Iterator[str]:
    cut = statement.cut
    yield "## Cut"
    yield ""
    yield f"- ledger: {cut.ledger.after} to {cut.ledger.through}"
    yield f"- gateway: {cut.gateway.after} to {cut.gateway.through}"
    for report in cut.reports:
        yield f"- report {report.batch_number}: `{report.sha256}`"
    yield f"- rules {cut.rules_version}: `{cut.rules_sha256}`"
    yield f"- run before: `{cut.predecessor_sha256 or 'none'}`"
    for rule, count in statement.exclusions.items():
        yield f"- left out: {rule} {count}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
