"""`vezne up`: the whole stack on this machine, until Ctrl-C."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import grpc
import typer

from services.cli import environment, options
from services.cli.failures import wrong_use
from services.cli.groups import single
from services.cli.output import note, print_fields
from services.cli.progress import step
from services.local import ports as local_ports
from services.local.components import COMPONENTS
from services.local.errors import StackError
from services.local.folder import DataFolder
from services.local.interrupts import InterruptedByUserError, run
from services.local.ports import Ports, address
from services.local.provider_accounts import BANK_ACCOUNT, CURRENCIES, Sandbox
from services.local.stack import Stack, running
from services.local.tenants import open_tenant

app = single()

_TENANT = "demo"
_LEDGER = "ledger"


@app.command()
def up(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Where its data is kept.", envvar=environment.DATA, show_default=".vezne"
        ),
    ] = None,
    tenant: Annotated[
        str, typer.Option("--tenant", "-t", help="Whose the provider account is; it is opened.")
    ] = _TENANT,
    chosen: Annotated[
        list[str] | None, typer.Option("--port", help="NAME=NUMBER; may be repeated.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Run this, and PostgreSQL; may be repeated. [default: all]"),
    ] = None,
    *,
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Take any ports that are free.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what an earlier stack kept in the folder.")
    ] = False,
) -> None:
    """Run the whole stack on this machine until Ctrl-C; its data is kept."""
    names = [component.name for component in COMPONENTS]
    for name in only or ():
        if name not in names:
            raise wrong_use(f"there is no {name!r} to run", f"there are: {', '.join(names)}")
    with _ports(_numbers(chosen or ()), free=free_ports) as ports:
        folder = DataFolder(data or environment.data_folder())
        try:
            run(_up(folder, ports, tenant, only or (), fresh=fresh))
        except InterruptedByUserError:
            note(f"stopped; its data is kept in {folder.path}")


async def _up(
    folder: DataFolder, ports: Ports, tenant: str, only: Sequence[str], *, fresh: bool
) -> None:
    async with running(folder, ports, Sandbox(tenant), step, only, fresh=fresh) as stack:
        if not only or _LEDGER in only:
            with step(f"opening the tenant {tenant}"):
                await _open(tenant, ports)
        _say_where(stack)
        if not folder.is_new and not fresh:
            note("it goes on with what was kept, also at the mock provider; --fresh forgets it")
        await stack.until_a_process_dies()


async def _open(tenant: str, ports: Ports) -> None:
    async with grpc.aio.insecure_channel(address(ports.ledger)) as channel:
        await open_tenant(
            channel,
            tenant,
            currencies=CURRENCIES,
            bank_accounts=[BANK_ACCOUNT],
            request_id=f"up:{tenant}",
        )


def _say_where(stack: Stack) -> None:
    """Say what is where, and what may be tried."""
    places = {component.name: component.open_at(stack.ports) for component in stack.components}
    print_fields([*places.items(), ("logs", str(stack.folder.logs))])
    note("Ctrl-C stops it; in another terminal, in this folder: vezne doctor, vezne --help")


def _numbers(chosen: Sequence[str]) -> Mapping[str, int]:
    numbers = {}
    for name, text in options.key_values(chosen, "--port").items():
        if not text.isdecimal():
            raise wrong_use(f"{text!r} is no port number for {name}")
        numbers[name] = int(text)
    return numbers


def _ports(wanted: Mapping[str, int], *, free: bool) -> AbstractContextManager[Ports]:
    """Give the ports: the documented or chosen ones, which must be free, or any."""
    if free and wanted:
        raise wrong_use("--free-ports and --port cannot both be given")
    if free:
        return local_ports.reserved()
    try:
        return nullcontext(Ports().changed(wanted))
    except StackError as error:
        raise wrong_use(str(error)) from error
