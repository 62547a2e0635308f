"""`vezne doctor`: what is up, where, and whether its tables are those of this release."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from services.cli import environment, options
from services.cli.databases import SERVICES, Tables, owner_url_of, tables_of
from services.cli.failures import ExitCode
from services.cli.groups import single
from services.cli.output import Column, Output, note, print_json, print_table
from services.local.components import COMPONENTS
from services.local.folder import Manifest, read_manifest
from services.local.ports import Ports
from services.local.readiness import Readiness

app = single()


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing: how it is, where it is, and what to do if it is not well."""

    name: str
    state: str
    where: str
    advice: str = ""


_COLUMNS = (
    Column[Finding]("what", lambda finding: finding.name),
    Column[Finding]("state", lambda finding: finding.state),
    Column[Finding]("where", lambda finding: finding.where, extra=True),
    Column[Finding]("what to do", lambda finding: finding.advice, prose=True),
)


@app.command()
def doctor(
    data: Annotated[
        Path | None,
        typer.Option(help="The data folder.", envvar=environment.DATA, show_default=".vezne"),
    ] = None,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Say what is up, where, and whether its tables are current.

    It exits with 3 if something is not there, and with 1 if tables are not current.
    """
    folder = data or environment.data_folder()
    manifest = read_manifest(folder)
    findings = asyncio.run(_examine(folder, manifest))
    if output is Output.JSON:
        print_json([asdict(finding) for finding in findings])
    else:
        note(_of_the_stack(folder, manifest))
        print_table(_COLUMNS, findings)
    states = {finding.state for finding in findings}
    if states & {Readiness.UNREACHABLE, Readiness.NOT_READY}:
        raise typer.Exit(ExitCode.NOT_THERE)
    if states & {Tables.OLD, Tables.NONE}:
        raise typer.Exit(ExitCode.REFUSED)


def _of_the_stack(folder: Path, manifest: Manifest | None) -> str:
    if manifest is None:
        return f"no stack runs in {folder}; looking at the documented ports"
    if not manifest.supervisor.is_alive():
        return f"the stack in {folder} was killed; the next `vezne up` cleans up after it"
    return f"a stack runs in {folder} (process {manifest.supervisor.pid})"


async def _examine(folder: Path, manifest: Manifest | None) -> Sequence[Finding]:
    ports = manifest.ports if manifest else Ports()
    findings = []
    for component in COMPONENTS:
        if manifest and component.name not in manifest.processes:
            continue
        state = await component.readiness(ports)
        log = folder / "logs" / f"{component.name}.log"
        advice = ""
        if state is not Readiness.READY:
            advice = f"see {log}" if manifest else "start it: vezne up"
        findings.append(Finding(component.name, state, component.open_at(ports), advice))
    for service in SERVICES:
        url = owner_url_of(service, folder if manifest else None, os.environ)
        if url is None:
            continue
        state_of_tables, detail = await tables_of(service, url)
        advice = "" if state_of_tables is Tables.CURRENT else f"vezne migrate {service}"
        findings.append(Finding(f"{service} tables", state_of_tables, detail, advice))
    return findings
