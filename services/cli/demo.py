"""`vezne demo`: a casino's day through a stack of its own, and whether every promise holds."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from services.cli.breaks import COLUMNS as BREAKS
from services.cli.failures import ExitCode, Failure
from services.cli.groups import single
from services.cli.output import Column, note, print_fields, print_table, word
from services.cli.progress import step
from services.cli.trial_balance import TOTALS
from services.kernel.money import format_amount
from services.local import ports as local_ports
from services.local.demo.day import BucketLine, Findings, Promise
from services.local.demo.run import play_day
from services.local.demo.settlement import DAYS_LATER
from services.local.errors import StackError
from services.local.folder import DataFolder
from services.local.interrupts import run
from services.local.ports import Ports
from services.local.provider_accounts import Sandbox
from services.local.stack import running
from vezne.reconciliation.v1.run_pb2 import Verdict
from vezne.reconciliation.v1.run_service_pb2 import Proof, ProofOutcome, ProofResult

app = single()

_SANDBOX = Sandbox("casino", timedelta(days=DAYS_LATER + 1))

_PROMISES = (
    Column[Promise]("", lambda promise: "ok" if promise.holds else "NO"),
    Column[Promise]("promise", lambda promise: promise.text, prose=True),
    Column[Promise]("", lambda promise: "" if promise.holds else promise.detail, prose=True),
)
_BUCKETS = (
    Column[BucketLine]("currency", lambda line: line.currency_code),
    Column[BucketLine]("bucket", lambda line: line.bucket),
    Column[BucketLine](
        "provider",
        lambda line: format_amount(line.provider_minor, line.currency_code),
        number=True,
    ),
    Column[BucketLine](
        "ours", lambda line: format_amount(line.ours_minor, line.currency_code), number=True
    ),
    Column[BucketLine](
        "difference",
        lambda line: format_amount(line.provider_minor - line.ours_minor, line.currency_code),
        number=True,
    ),
)
_PROOFS = (
    Column[ProofResult]("proof", lambda proof: word(Proof, proof.proof)),
    Column[ProofResult]("outcome", lambda proof: word(ProofOutcome, proof.outcome)),
    Column[ProofResult](
        "", lambda proof: proof.not_made_reason or "; ".join(proof.failures), prose=True
    ),
)


@app.command()
def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the folder with its logs, and say where it is.")
    ] = False,
) -> None:
    """Run a casino's day through a stack of its own, on free ports, and check what must hold.

    It exits with 1 if a promise does not hold, and says which.
    """
    with local_ports.reserved() as ports, _folder(keep=keep) as folder:
        findings = run(_day(DataFolder(folder), ports))
    show(findings)


async def _day(folder: DataFolder, ports: Ports) -> Findings:
    async with running(folder, ports, _SANDBOX, step) as stack:
        return await stack.guard(play_day(stack, step))


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    """Give a temporary folder that PostgreSQL's own user may enter, where this runs as root."""
    path = Path(tempfile.mkdtemp(prefix="vezne-demo-"))
    path.chmod(0o711)
    try:
        yield path
    except StackError:
        # Its logs are what explains it.
        keep = True
        raise
    finally:
        if keep:
            note(f"its folder, with the logs, is kept: {path}")
        else:
            shutil.rmtree(path, ignore_errors=True)


def show(findings: Findings) -> None:
    """Print what the day ends with.

    Raises:
        Failure: a promise does not hold; the sentence says which.
    """
    print_table(_PROMISES, findings.promises, "Promises")
    print_table(TOTALS, findings.totals, "Trial balance")
    if findings.buckets:
        print_table(_BUCKETS, findings.buckets, "The provider's buckets beside ours")
    if findings.statement is not None:
        found = findings.statement.run
        title = f"The statement of the last run, for {found.business_date}"
        print_table(_PROOFS, findings.statement.proofs, title)
        print_fields(
            [
                ("verdict", word(Verdict, found.verdict)),
                ("business date", found.business_date),
                ("matched groups", str(found.counts.matched_groups)),
                ("breaks", str(found.counts.breaks)),
                ("pending", str(found.counts.pending)),
            ]
        )
        print_table(BREAKS, findings.breaks, "Breaks, and what only needs time")
    broken = [promise.text for promise in findings.promises if not promise.holds]
    if broken:
        raise Failure(
            f"{len(broken)} of {len(findings.promises)} promises do not hold: {'; '.join(broken)}",
            ExitCode.REFUSED,
        )
    note(f"all {len(findings.promises)} promises hold")
