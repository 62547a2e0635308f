"""Proofs 6 and 7: the balances of both sides are explained, and open rows roll forward."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from services.formats.report import ReportBalance
from services.kernel.movements import Pot
from services.reconciliation.adapters.duckdb.files import RESULTS, file_sha256, result_name
from services.reconciliation.adapters.duckdb.manifest import ManifestError, read_manifest
from services.reconciliation.adapters.duckdb.prove.evidence import Bench, Findings
from services.reconciliation.domain.classes import BreakClass, Severity
from services.reconciliation.domain.rows import SCOPES, Comparison, Side
from services.reconciliation.domain.statement import (
    Bridge,
    ClassTotal,
    Figure,
    RollForward,
    Section,
)
from services.reconciliation.domain.verdict import Verdict

_STAGES = ("opening", "new", "closed", "round_trips", "closing")
_NOTHING = Figure(0, 0, 0)


class Place(NamedTuple):
    """Where a balance stands."""

    pot: Pot
    currency_code: str


class ProviderBalance(NamedTuple):
    """The provider's balance of a place before and after the run's reports."""

    opening_minor: int
    closing_minor: int
    given: bool


def provider_balances(bench: Bench, findings: Findings) -> dict[Place, ProviderBalance]:
    """Return the provider's balances: its own where it gives them, else carried forward by sums.

    Its own must begin where the last run ended, and end where their rows lead. What is in transit
    is not among them: money leaves there on a bank line, which no report lists.
    """
    pots = SCOPES[Comparison.PROVIDER].pots
    before = {
        Place(balance.pot, balance.currency_code): balance.closing_minor
        for balance in (bench.predecessor.provider_balances if bench.predecessor else ())
    }
    given: dict[Place, list[ReportBalance]] = {}
    for report in sorted(bench.evidence.reports, key=lambda report: report.batch_number):
        for balance in (balance for balance in report.balances if balance.pot in pots):
            given.setdefault(Place(balance.pot, balance.currency_code), []).append(balance)
    moved = {
        Place(each.pot, each.currency_code): each.net_minor
        for each in bench.evidence.staged[Side.SETTLEMENT].sums
        if each.pot in pots
    }
    balances = {}
    for place in sorted(before.keys() | given.keys() | moved.keys()):
        own = given.get(place, [])
        opening = before.get(place, 0)
        if own and bench.predecessor is None:
            opening = own[0].opening_minor
        closing = opening + moved.get(place, 0)
        _check_own(place, own, opening, closing, findings)
        balances[place] = ProviderBalance(opening, closing, given=bool(own))
    return balances


def _check_own(
    place: Place, own: list[ReportBalance], opening: int, closing: int, findings: Findings
) -> None:
    where = f"The provider's balance of {place.pot} in {place.currency_code}"
    for balance in own:
        findings.equal(f"{where}: opening", balance.opening_minor, opening)
        opening = balance.closing_minor
    if own:
        findings.equal(f"{where}: closing", own[-1].closing_minor, closing)


def ledger_balances(bench: Bench, findings: Findings) -> dict[Place, int]:
    """Return the ledger's balance of each place; every account of the pots must have been asked."""
    pots = bench.evidence.pots
    answered = [balance.account_id for balance in bench.evidence.ledger_balances]
    for account_id in sorted(pots.keys() - set(answered)):
        findings.fail(f"The balance of {account_id} is missing")
    findings.equal("Accounts that were answered more than once", len(answered), len(set(answered)))
    balances: dict[Place, int] = {}
    for balance in bench.evidence.ledger_balances:
        pot = pots.get(balance.account_id)
        if pot is None:
            findings.fail(f"{balance.account_id} is in no pot")
            continue
        place = Place(pot, balance.currency_code)
        balances[place] = balances.get(place, 0) + balance.debit_less_credit_minor
    return balances


def sections(
    bench: Bench,
    comparison: Comparison,
    provider: dict[Place, ProviderBalance],
    ledger: dict[Place, int],
    bridge: Findings,
    roll: Findings,
) -> list[Section]:
    """Return the sections of one comparison; check its bridges and that it rolls forward."""
    shape = SCOPES[comparison]
    bench.engine.script(__package__, "totals.sql")
    figures: dict[Place, dict[tuple[str, str], Figure]] = {}
    for stage, side, pot, currency, rows, net, gross in bench.engine.run("FROM totals"):
        figure = Figure(rows, int(net), int(gross))
        figures.setdefault(Place(Pot(pot), currency), {})[side, stage] = figure
    classes = _class_totals(bench)
    has_balances = comparison is Comparison.PROVIDER
    places = set(figures)
    if has_balances:
        places |= provider.keys()
        places |= {place for place, net in ledger.items() if net and place.pot in shape.pots}
    made = []
    for place in sorted(places):
        of_place = figures.get(place, {})
        section = Section(
            comparison,
            place.pot,
            place.currency_code,
            outside=_roll_forward(shape.outside, of_place),
            ledger=_roll_forward(Side.LEDGER, of_place),
            classes=tuple(classes.get(place, ())),
            bridge=_bridge(shape.outside, place, of_place, provider, ledger)
            if has_balances
            else None,
        )
        _check_section(section, bridge, roll)
        made.append(section)
    return made


def _roll_forward(side: Side, figures: dict[tuple[str, str], Figure]) -> RollForward:
    return RollForward(side, *(figures.get((side, stage), _NOTHING) for stage in _STAGES))


def _bridge(
    outside: Side,
    place: Place,
    figures: dict[tuple[str, str], Figure],
    provider: dict[Place, ProviderBalance],
    ledger: dict[Place, int],
) -> Bridge:
    own = provider.get(place, ProviderBalance(0, 0, given=False))
    return Bridge(
        outside_balance_minor=own.closing_minor,
        outside_balance_given=own.given,
        ledger_balance_minor=ledger.get(place, 0),
        outside_open_minor=figures.get((outside, "closing"), _NOTHING).net_minor,
        ledger_open_minor=figures.get((Side.LEDGER, "closing"), _NOTHING).net_minor,
    )


def _check_section(section: Section, bridge: Findings, roll: Findings) -> None:
    where = f"{section.comparison} {section.pot} {section.currency_code}"
    for side in (section.outside, section.ledger):
        if not side.holds:
            roll.fail(f"{where}: {side.side} does not roll forward")
    roll.compared(f"{where}: {section.outside.closing.count + section.ledger.closing.count} open")
    if section.bridge is not None:
        bridge.equal(f"{where}: the residual", section.bridge.residual_minor, 0)
        bridge.compared(
            f"{where}: {section.bridge.outside_balance_minor} against "
            f"{section.bridge.ledger_balance_minor}"
        )


def _class_totals(bench: Bench) -> dict[Place, list[ClassTotal]]:
    totals: dict[Place, list[ClassTotal]] = {}
    for pot, currency, name, severity, count, net, gross in bench.engine.run(
        """
        SELECT pot, currency_code, class, severity, count(*), sum(outside_minor - ledger_minor),
            sum(abs(outside_minor - ledger_minor))
        FROM result_breaks WHERE lifecycle <> 'RESOLVED'
        GROUP BY ALL ORDER BY severity, class
        """
    ):
        total = ClassTotal(BreakClass(name), Severity(severity), count, int(net), int(gross))
        totals.setdefault(Place(Pot(pot), currency), []).append(total)
    return totals


def check_predecessor(bench: Bench, findings: Findings) -> None:
    """Proof 7: what was carried is what the run before published, and no remembered run lacks."""
    folders, predecessor = bench.evidence.folders, bench.predecessor
    if predecessor is None or folders.predecessor is None:
        findings.equal("Runs remembered by the first run", len(folders.history), 0)
        return
    scope = replace(bench.evidence.scope, business_date=predecessor.scope.business_date)
    findings.equal("The account of the run before", predecessor.scope, scope)
    if predecessor.verdict is Verdict.INCOMPLETE:
        findings.fail("The run before is INCOMPLETE")
    if predecessor.scope.business_date >= bench.business_date:
        findings.fail(f"The run before is of {predecessor.scope.business_date}")
    for comparison in SCOPES:
        for result in RESULTS:
            name = result_name(comparison, result)
            sha256 = file_sha256(folders.predecessor / name)
            findings.equal(f"The hash of {name} before", sha256, predecessor.files[name].sha256)
    since = bench.evidence.rules.remembered_since(bench.business_date)
    last = (predecessor.scope.business_date, bench.evidence.predecessor_sha256)
    published = [(run.business_date, run.manifest_sha256) for run in predecessor.history] + [last]
    expected = [sha256 for business_date, sha256 in published if business_date >= since]
    findings.equal("The runs remembered", list(_manifest_hashes(folders.history)), expected)


def _manifest_hashes(history: Iterable[Path]) -> Iterable[str]:
    for folder in history:
        try:
            yield read_manifest(folder)[1]
        except ManifestError as error:
            yield str(error)
