"""Proofs 2, 4 and 5: every row is somewhere, every match is one, every class is right."""

from services.reconciliation.adapters.duckdb.engine import literal
from services.reconciliation.adapters.duckdb.files import (
    RESULTS,
    file_sha256,
    input_name,
    result_name,
)
from services.reconciliation.adapters.duckdb.prove.evidence import Bench, Findings
from services.reconciliation.domain.breaks import BreakKey, break_id
from services.reconciliation.domain.classes import SEVERITY_OF
from services.reconciliation.domain.rows import SCOPES, Comparison, Side
from services.reconciliation.domain.rules import Rules

_COLUMNS_OF = {
    Comparison.BOOKING: ("object_id", "fact"),
    Comparison.PROVIDER: ("movement_key", "movement_kind"),
}
_REPORT_BOOKED_OF = {
    Comparison.BOOKING: "list_contains((SELECT list(kind) FROM report_only_kinds), movement_kind)",
    Comparison.PROVIDER: "false",
}


def load_rules(bench: Bench) -> None:
    """Bring the rules where the SQL can see them: as data, not as dates."""
    engine, rules = bench.engine, bench.evidence.rules
    engine.run("CREATE TABLE holidays (day DATE)")
    engine.insert("holidays", [(day,) for day in sorted(rules.calendar.holidays)])
    engine.run("CREATE TABLE report_only_kinds (kind VARCHAR)")
    engine.insert("report_only_kinds", [(str(kind),) for kind in sorted(rules.report_only_kinds)])
    engine.run("CREATE TABLE default_severities (class VARCHAR, severity VARCHAR)")
    engine.insert(
        "default_severities", [(str(name), str(bad)) for name, bad in SEVERITY_OF.items()]
    )
    engine.run(
        "CREATE TABLE grace_days (comparison VARCHAR, side VARCHAR, kind VARCHAR, days INTEGER)"
    )
    engine.insert("grace_days", _grace_days(rules))
    engine.script(__package__, "decisions.sql")


def _grace_days(rules: Rules) -> list[tuple[str, str, str, int]]:
    """I gives one day to all but unkeyed rows, II what the rules say; `*` is any other kind."""
    booking, provider = Comparison.BOOKING.value, Comparison.PROVIDER.value
    days = [
        (booking, side.value, kind, number)
        for side in (Side.GATEWAY, Side.LEDGER)
        for kind, number in (("", 0), ("*", 1))
    ]
    for side in (Side.SETTLEMENT, Side.LEDGER):
        kinds = ["", "*", "unclassified", *map(str, rules.settlement_grace_days_of)]
        days += [(provider, side.value, kind, rules.grace_days(side, kind)) for kind in kinds]
    return days


def load_sources(bench: Bench, comparison: Comparison) -> None:
    """Point the views of `sources.sql` at the files of one comparison."""
    shape = SCOPES[comparison]
    folders = bench.evidence.folders
    files = {result: folders.folder / result_name(comparison, result) for result in RESULTS}
    # Without a predecessor the views have the columns of this run's files, and no rows.
    before = {
        result: folders.carried(result_name(comparison, result)) or files[result]
        for result in RESULTS
    }
    key_column, kind_column = _COLUMNS_OF[comparison]
    bench.engine.script(
        __package__,
        "sources.sql",
        comparison=comparison,
        open_file=literal(files["open"]),
        closed_file=literal(files["closed"]),
        breaks_file=literal(files["breaks"]),
        carried_open_file=literal(before["open"]),
        carried_breaks_file=literal(before["breaks"]),
        has_predecessor="false" if folders.predecessor is None else "true",
        outside_file=literal(folders.folder / input_name(shape.outside)),
        ledger_file=literal(folders.folder / input_name(Side.LEDGER)),
        key_column=key_column,
        kind_column=kind_column,
        report_booked=_REPORT_BOOKED_OF[comparison],
        pots=", ".join(literal(pot) for pot in shape.pots),
        business_date=literal(bench.business_date.isoformat()),
        weekend=", ".join(str(day) for day in sorted(bench.evidence.rules.calendar.weekend)) or "0",
    )


def check_sides(bench: Bench, comparison: Comparison, findings: Findings) -> dict[str, int]:
    """Proof 2; return how many staged rows this comparison leaves out, by side and rule."""
    for result in RESULTS:
        name = result_name(comparison, result)
        sha256 = file_sha256(bench.evidence.folders.folder / name)
        findings.equal(f"The hash of {name}", sha256, bench.evidence.results[name].sha256)
    bench.engine.script(
        __package__, "sides.sql", business_date=literal(bench.business_date.isoformat())
    )
    strays = bench.engine.run(
        """
        SELECT DISTINCT side, row_id, expected_count, result_count
        FROM (
            SELECT side, row_id FROM expected_rows
            UNION ALL
            SELECT side, row_id FROM result_rows
        )
        JOIN strays ON identity = md5_number(concat(side, ' ', row_id))
        ORDER BY ALL LIMIT 1000
        """
    )
    for side, row_id, expected, found in strays:
        findings.fail(
            f"{comparison}: row {side} {row_id} is {found} times in the result, {expected} expected"
            if expected != found
            else f"{comparison}: row {side} {row_id} is not what it was"
        )
    [(row_count,)] = bench.engine.run("SELECT count(*) FROM result_rows")
    findings.compared(f"{comparison}: {row_count} rows, open and closed")
    left_out = bench.engine.run(
        """
        SELECT side, excluded_by, count(*) FROM judged
        WHERE excluded_by <> '' GROUP BY ALL ORDER BY ALL
        """
    )
    return {f"{comparison} {side} {rule}": count for side, rule, count in left_out}


def check_matches(bench: Bench, comparison: Comparison, findings: Findings) -> None:
    """Proof 4."""
    bench.engine.script(__package__, "matches.sql")
    for row in bench.engine.run(
        """
        SELECT match_id, string_agg(concat(side, ' ', row_id), ', ' ORDER BY side, row_id)
        FROM result_closed SEMI JOIN bad_matches USING (match_id)
        GROUP BY match_id ORDER BY ALL LIMIT 1000
        """
    ):
        findings.fail(f"{comparison}: match {row[0]} of {row[1]} is none")
    for pot, key, kind, currency in bench.engine.run("FROM closable ORDER BY ALL LIMIT 1000"):
        findings.fail(f"{comparison}: {pot} {key} {kind} {currency} is open and could be closed")
    [(match_count,)] = bench.engine.run("SELECT count(DISTINCT match_id) FROM result_closed")
    findings.compared(f"{comparison}: {match_count} matches")


def check_classes(bench: Bench, comparison: Comparison, findings: Findings) -> None:
    """Proof 5."""
    folders = bench.evidence.folders
    closed = folders.remembered(result_name(comparison, "closed"))
    gateway = folders.remembered(input_name(Side.GATEWAY))
    bench.engine.script(
        __package__,
        "classes.sql",
        comparison=comparison,
        business_date=literal(bench.business_date.isoformat()),
        closed_files=", ".join(literal(path) for path in closed),
        gateway_files=", ".join(literal(path) for path in gateway),
    )
    for key, kind, currency, written, must_be in bench.engine.run(
        "FROM wrong_breaks ORDER BY ALL LIMIT 1000"
    ):
        findings.fail(
            f"{comparison}: {key} {kind} {currency} is written as {written} and must be {must_be}"
            if written != must_be
            else f"{comparison}: {key} {kind} {currency} has a wrong date, amount or history"
        )
    for side, row_id in bench.engine.run("FROM moved_rows ORDER BY ALL LIMIT 1000"):
        findings.fail(f"{comparison}: row {side} {row_id} was carried into another break")
    for (name,) in bench.engine.run("FROM wrong_resolutions ORDER BY ALL LIMIT 1000"):
        findings.fail(f"{comparison}: break {name} is wrongly, or wrongly not, resolved")
    new_count = _check_ids(bench, comparison, findings)
    findings.compared(f"{comparison}: {new_count} new groups and all carried ones")


def _check_ids(bench: Bench, comparison: Comparison, findings: Findings) -> int:
    """The id of a new group is what its definition says."""
    count = 0
    for name, pot, key, kind, currency, occurrence in bench.engine.stream(
        "SELECT break_id, pot, key, kind, currency_code, occurrence "
        "FROM result_breaks WHERE lifecycle = 'NEW'"
    ):
        count += 1
        expected = break_id(
            bench.evidence.scope, BreakKey(comparison, pot, key, kind, currency), occurrence
        )
        findings.equal(f"{comparison}: the id of {key} {kind} {currency}", name, expected)
    return count
