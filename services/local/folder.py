"""The data folder of a stack: what is kept from start to start, and what says what runs.

stack.json   what runs where, while it runs
lock         held by the process that runs the stack
logs/        one file a process
postgres/  temporal/  objects/  mock_psp/   data
secrets/     a file each, readable by the owner only, made at the first start
settings/    what is written for the services at each start
"""

import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from services.local.errors import StackError
from services.local.ports import Ports
from services.local.processes import Mark

FREE_MIB_MIN = 500
"""What a stack needs on the disk: PostgreSQL's first files, its log, and Temporal's."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What runs where: the content of stack.json.

    Args:
        supervisor: the process that runs the stack.
        ports: where everything listens.
        processes: the mark of each process, by name.
        tenant: whose the provider account of the stack is.
        ready: whether all of it was up.
    """

    supervisor: Mark
    ports: Ports
    tenant: str
    processes: Mapping[str, Mark] = field(default_factory=dict)
    ready: bool = False


class DataFolder:
    """The folder of one stack.

    `is_new` says whether it held nothing before.

    Args:
        path: made, with its parents, if it is not there.

    Raises:
        StackError: it cannot be made or written, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.is_new = not self.secrets.exists()
        self._make()
        free_mib = shutil.disk_usage(self.path).free // 2**20
        if free_mib < FREE_MIB_MIN:
            raise StackError(
                f"there are {free_mib} MiB free for {self.path}, and the stack needs "
                f"{FREE_MIB_MIN}; free some, or choose another folder with --data"
            )

    def _make(self) -> None:
        try:
            for folder in (self.logs, self.settings, *self._kept):
                folder.mkdir(parents=True, exist_ok=True)
            self.secrets.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StackError(f"{self.path} cannot be made: {error.strerror}") from error

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.path / "logs"

    @property
    def settings(self) -> Path:
        """Files that are written for the services."""
        return self.path / "settings"

    @property
    def objects(self) -> Path:
        """The object store of reconciliation."""
        return self.path / "objects"

    @property
    def temporal(self) -> Path:
        """Temporal's data."""
        return self.path / "temporal"

    @property
    def mock_psp(self) -> Path:
        """The journal of the mock PSP."""
        return self.path / "mock_psp"

    @property
    def _kept(self) -> Sequence[Path]:
        """Every folder of data but PostgreSQL's, which makes its own."""
        return (self.objects, self.temporal, self.mock_psp)

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data."""
        return self.path / "postgres"

    @property
    def secrets(self) -> Path:
        """A file a secret."""
        return self.path / "secrets"

    def secret(
        self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)
    ) -> Path:
        """Return the file of a secret; it is made, at random, where it is missing."""
        path = self.secrets / name
        if not path.exists():
            write_private(path, make())
        return path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, so that no two stacks run in it. The system frees it with the process.

        Raises:
            StackError: another process holds it.
        """
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                found = read_manifest(self.path)
                who = f" (process {found.supervisor.pid})" if found else ""
                raise StackError(
                    f"a stack runs in {self.path} already{who}; stop it with Ctrl-C where it runs, "
                    "or choose another folder with --data"
                ) from None
            yield

    def empty(self) -> None:
        """Forget everything that was kept but PostgreSQL's data; only while the folder is held.

        Raises:
            StackError: something in it cannot be removed.
        """
        try:
            for path in (self.logs, self.settings, self.secrets, *self._kept):
                shutil.rmtree(path)
        except OSError as error:
            raise StackError(f"{error.filename} cannot be removed: {error.strerror}") from error
        self._make()

    def write_manifest(self, manifest: Manifest) -> None:
        """Write stack.json."""
        write_private(self.path / "stack.json", json.dumps(asdict(manifest), indent=1))

    def remove_manifest(self) -> None:
        """Remove stack.json: nothing runs any more."""
        (self.path / "stack.json").unlink(missing_ok=True)


def read_manifest(folder: Path) -> Manifest | None:
    """Return what stack.json says, or None if there is none that can be read."""
    try:
        found = json.loads((folder / "stack.json").read_text("utf-8"))
        return Manifest(
            supervisor=_mark(found["supervisor"]),
            ports=Ports(**found["ports"]),
            tenant=str(found["tenant"]),
            processes={name: _mark(mark) for name, mark in found["processes"].items()},
            ready=bool(found["ready"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _mark(found: Mapping[str, Any]) -> Mark:
    return Mark(int(found["pid"]), float(found["began_s"]))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    number, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
    Path(made).replace(path)
