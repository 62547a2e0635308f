"""`vezne migrate`: bring the tables of services to this release, as the role that owns them."""

import os
from typing import Annotated

import typer

from services.cli import environment
from services.cli.databases import FAILURES, SERVICES, owner_url_of, shown, variable_of
from services.cli.failures import ExitCode, Failure, wrong_use
from services.cli.groups import single
from services.cli.progress import step
from services.local.folder import read_manifest
from services.platform.database import sentence_of
from services.platform.migrations import migrate as migrate_service

app = single()


@app.command()
def migrate(
    service: Annotated[
        str, typer.Argument(metavar="[SERVICE]", help=f"{', '.join(SERVICES)}; none: all.")
    ] = "",
    url: Annotated[
        str, typer.Option(help="The database, as the role that owns the tables: postgresql://…")
    ] = "",
) -> None:
    """Bring the tables of services to this release.

    Without --url, VEZNE_<SERVICE>_DATABASE__URL says where, else the stack that runs here.
    """
    wanted = service.replace("-", "_")
    if wanted and wanted not in SERVICES:
        raise wrong_use(f"there is no service {service!r}", f"there are: {', '.join(SERVICES)}")
    folder = environment.data_folder()
    stack_folder = folder if read_manifest(folder) else None
    for name in [wanted] if wanted else SERVICES:
        found = url or owner_url_of(name, stack_folder, os.environ)
        if found is None:
            raise wrong_use(
                f"nothing says where the database of the {name} is",
                f"give --url, or set {variable_of(name)}",
            )
        if not found.startswith("postgresql://"):
            raise wrong_use("the database's URL must begin with postgresql://")
        try:
            with step(f"migrating the {name}'s tables in {shown(found)}"):
                migrate_service(name, found)
        except FAILURES as error:
            raise Failure(
                f"the database in {shown(found)} cannot be migrated: {sentence_of(error)}",
                ExitCode.NOT_THERE if isinstance(error, OSError) else ExitCode.REFUSED,
            ) from error
