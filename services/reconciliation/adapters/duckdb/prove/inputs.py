"""Proofs 1 and 3: the inputs are what their sources sent, whole and without a hole."""

from services.reconciliation.adapters.duckdb.engine import literal
from services.reconciliation.adapters.duckdb.files import (
    STAGED_SIDES,
    file_sha256,
    input_name,
)
from services.reconciliation.adapters.duckdb.prove.evidence import Bench, Findings
from services.reconciliation.domain.inputs import ScannedRange
from services.reconciliation.domain.rows import Side
from services.reconciliation.domain.statement import SequenceCut


def check_files(bench: Bench, findings: Findings) -> None:
    """Proof 1: rows and totals of every file tie, and sweeps sum to 0 over all days."""
    for side in STAGED_SIDES:
        _check_staged_file(bench, side, findings)
    _check_reports(bench, findings)
    _check_sweeps(bench, findings)


def _check_staged_file(bench: Bench, side: Side, findings: Findings) -> None:
    """The file holds what staging counted while it wrote it."""
    staged = bench.evidence.staged[side]
    path = bench.evidence.folders.folder / input_name(side)
    findings.equal(f"The hash of {input_name(side)}", file_sha256(path), staged.file.sha256)
    source = f"read_parquet({literal(path)})"
    rows = bench.engine.run(
        f"SELECT pot, currency_code, sum(amount_minor) FROM {source} GROUP BY ALL"  # noqa: S608 - our own path.
    )
    findings.equal(
        f"The sums of the rows of {side}",
        {(pot, currency): int(net) for pot, currency, net in rows},
        {(each.pot.value, each.currency_code): each.net_minor for each in staged.sums},
    )
    # A report line's position is its line; the batch at the front of its id tells reports apart.
    [(row_count, sources, strangers)] = bench.engine.run(
        f"""
        SELECT
            count(*),
            count(DISTINCT (if(side = 'S', split_part(row_id, ':', 1), ''), position)),
            count(*) FILTER (WHERE side <> $side)
        FROM {source}
        """,  # noqa: S608 - our own path.
        side=str(side),
    )
    findings.equal(f"The number of rows of {side}", row_count, staged.file.row_count)
    findings.equal(f"Rows of another side in {side}", strangers, 0)
    excluded = sum(staged.excluded.values())
    findings.equal(
        f"Sources of {side}, with and without rows", sources + excluded, staged.source_count
    )
    findings.compared(f"{side}: {row_count} rows of {sources} sources, {excluded} without money")


def _check_reports(bench: Bench, findings: Findings) -> None:
    """Every report's lines are staged, and on the provider pot they sum to its net."""
    staged = bench.evidence.staged[Side.SETTLEMENT]
    source = literal(bench.evidence.folders.folder / input_name(Side.SETTLEMENT))
    line_count = sum(report.line_count for report in bench.evidence.reports)
    findings.equal("The number of report lines", staged.source_count, line_count)
    rows = bench.engine.run(
        f"""
        SELECT split_part(row_id, ':', 1)::BIGINT, currency_code, sum(amount_minor)
        FROM read_parquet({source}) WHERE pot = 'P' GROUP BY ALL HAVING sum(amount_minor) <> 0
        """  # noqa: S608 - our own path.
    )
    net = {(batch, currency): int(amount) for batch, currency, amount in rows}
    stated = {
        (report.batch_number, currency): amount
        for report in bench.evidence.reports
        for currency, amount in report.net_minor.items()
        if amount
    }
    for batch, currency in sorted(net.keys() | stated.keys()):
        findings.equal(
            f"The net of report {batch} in {currency}",
            net.get((batch, currency), 0),
            stated.get((batch, currency), 0),
        )
    findings.compared(f"{len(bench.evidence.reports)} reports with {line_count} lines")


def _check_sweeps(bench: Bench, findings: Findings) -> None:
    folders = bench.evidence.folders
    name = input_name(Side.SETTLEMENT)
    bench.engine.script(
        __package__,
        "sweeps.sql",
        settlement_files=", ".join(literal(path) for path in folders.remembered(name)),
        settlement_file=literal(folders.folder / name),
    )
    rows = bench.engine.run(
        """
        SELECT sweep_key, sum(own_rows) > 0, sum(line_rows) > 0,
            list((currency_code, rest_minor::BIGINT) ORDER BY currency_code)
                FILTER (WHERE rest_minor <> 0)
        FROM sweeps GROUP BY sweep_key ORDER BY sweep_key
        """
    )
    checked = [(key, rest) for key, is_there, has_lines, rest in rows if is_there and has_lines]
    for key, rest in checked:
        for currency, rest_minor in rest or []:
            findings.fail(f"Sweep {key} and its lines leave {rest_minor} {currency}")
    findings.compared(
        f"{len(checked)} sweeps with their lines, {len(rows) - len(checked)} not whole"
    )


def check_ranges(bench: Bench, findings: Findings) -> None:
    """Proof 3: all from the previous cut to this one was looked at, and no batch lacks."""
    before = bench.predecessor.cut if bench.predecessor else None
    evidence = bench.evidence
    _check_range(bench, evidence.ledger_range, before.ledger if before else None, findings)
    _check_range(bench, evidence.gateway_range, before.gateway if before else None, findings)
    _check_batches(bench, findings)


def _check_range(
    bench: Bench,
    scanned: ScannedRange,
    previous: SequenceCut | None,
    findings: Findings,
) -> None:
    side = scanned.side
    if previous is not None:
        findings.equal(f"The beginning of {side}", scanned.after, previous.through)
    findings.equal(f"Scanned of {side}", scanned.scanned, scanned.through - scanned.after)
    staged = bench.evidence.staged[side]
    findings.equal(f"Received of {side}", staged.source_count, scanned.sent)
    source = literal(bench.evidence.folders.folder / input_name(side))
    [(first, last)] = bench.engine.run(
        f"SELECT min(position), max(position) FROM read_parquet({source})"  # noqa: S608 - our own path.
    )
    if first is not None and not scanned.after < first <= last <= scanned.through:
        findings.fail(f"{side} has {first} to {last} outside {scanned.after} to {scanned.through}")
    findings.compared(
        f"{side}: ({scanned.after}, {scanned.through}], {scanned.scanned} scanned, "
        f"{scanned.sent} received"
    )


def _check_batches(bench: Bench, findings: Findings) -> None:
    numbers = sorted(report.batch_number for report in bench.evidence.reports)
    if not numbers:
        findings.fail("There is no settlement report")
        return
    before = bench.predecessor.cut.reports if bench.predecessor else ()
    first = before[-1].batch_number + 1 if before else numbers[0]
    findings.equal("The numbers of the reports", numbers, list(range(first, first + len(numbers))))
    findings.compared(f"Reports {numbers[0]} to {numbers[-1]}")
