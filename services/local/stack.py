"""The whole stack on one machine: started in order, watched, and always taken down in reverse."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from services.local.components import COMPONENTS, WAVES, Component, Site
from services.local.databases import Databases, migrate_all, prepare
from services.local.errors import ProcessDiedError, StackError
from services.local.folder import DataFolder, Manifest, read_manifest
from services.local.interrupts import to_the_end
from services.local.ports import Ports, check_free
from services.local.postgres import LocalPostgres
from services.local.processes import Mark, Process, end, end_of_log
from services.local.provider_accounts import Sandbox
from services.local.readiness import Readiness

READY_TIMEOUT_S = 60.0
DATABASE = "vezne"
_LOOK_S = 0.1
# Only what we say: a variable of the caller's shell would change a service behind our back.
_NOT_INHERITED = ("VEZNE_", "TEMPORAL_")

Result = TypeVar("Result")


class Step(Protocol):
    """Tells people what is being done: entered at its beginning, left at its end.

    Where it has parts, it is told how many, and what it gives is called at the end of each.
    """

    def __call__(self, text: str, total: int = 0) -> AbstractContextManager[Callable[[], None]]: ...


class _Watched(Protocol):
    """A process that may end by itself."""

    @property
    def name(self) -> str: ...
    @property
    def log(self) -> Path: ...
    def exit_code(self) -> int | None: ...
    def stop(self) -> None: ...


class Stack:
    """The processes of one data folder. Use `running`.

    Args:
        folder: where its data is; held by the caller.
        ports: where everything listens.
        sandbox: whose the provider account is.
        step: tells people what is being done.
        only: the components to run, by name; all if there are none.
    """

    def __init__(
        self,
        folder: DataFolder,
        ports: Ports,
        sandbox: Sandbox,
        step: Step,
        only: Collection[str] = (),
    ) -> None:
        self.folder = folder
        self.ports = ports
        self.sandbox = sandbox
        self.components = [one for one in COMPONENTS if not only or one.name in only]
        """What it is made of, beside PostgreSQL."""
        self._step = step
        self._running: list[list[_Watched]] = []
        self._marks: dict[str, Mark] = {}

    async def start(self) -> None:
        """Start everything, each once what it needs is ready.

        Raises:
            StackError: something does not start; what was started still runs.
        """
        databases = await self._start_database()
        site = Site(self.folder, self.ports, databases, self.sandbox)
        for whole_wave in WAVES:
            wave = [component for component in whole_wave if component in self.components]
            if not wave:
                continue
            names = ", ".join(component.name for component in wave)
            with self._step(f"starting {names}", len(wave)) as advance:
                self._running.append([])
                for component in wave:
                    self._start(component, site)
                for component in wave:
                    await self._until_ready(component)
                    advance()
        self._write_manifest(ready=True)

    async def stop(self) -> None:
        """End everything, wave by wave, the last started first."""
        if self._running:
            with self._step("stopping"):
                while self._running:
                    wave = self._running.pop()
                    await asyncio.gather(*(to_the_end(process.stop) for process in wave))
        self.folder.remove_manifest()

    async def guard(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run `work` while the stack runs.

        Raises:
            ProcessDiedError: a process ended by itself; `work` was cancelled.
        """
        working, watching = asyncio.create_task(work), asyncio.create_task(self._watch())
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            # A process that is gone explains what failed because of it.
            self._check_alive()
            return await working
        finally:
            for task in (working, watching):
                task.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)

    async def _start_database(self) -> Databases:
        with self._step("starting postgres"):
            postgres = LocalPostgres(self.folder.postgres)
            await to_the_end(postgres.end_leftover)
            self._running.append([postgres])
            await to_the_end(postgres.start)
        pid = postgres.pid
        if pid is not None:
            self._marks[postgres.name] = Mark.of(pid)
        self._write_manifest()
        with self._step("migrating the databases"):
            password = self.folder.secret("database_password").read_text()
            databases = await prepare(postgres.url(), DATABASE, password)
            await to_the_end(partial(migrate_all, databases))
        return databases

    def _start(self, component: Component, site: Site) -> None:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
        }
        process = Process(
            component.name,
            component.command(site),
            {**inherited, **component.settings(site)},
            self.folder.logs / f"{component.name}.log",
        )
        self._running[-1].append(process)
        self._marks[component.name] = process.mark
        self._write_manifest()

    async def _until_ready(self, component: Component) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while await component.readiness(self.ports) is not Readiness.READY:
            self._check_alive()
            if time.monotonic() > deadline:
                log = self.folder.logs / f"{component.name}.log"
                raise StackError(
                    f"{component.name} is not ready after {READY_TIMEOUT_S:g} s; the end of its "
                    f"log, {log}:\n{end_of_log(log)}"
                )
            await asyncio.sleep(_LOOK_S)

    async def until_a_process_dies(self) -> None:
        """Wait as long as everything runs.

        Raises:
            ProcessDiedError: a process ended by itself.
        """
        await self._watch()
        self._check_alive()

    async def _watch(self) -> None:
        """Return once a process has ended."""
        while all(  # noqa: ASYNC110 - nothing tells us of an end; we look.
            process.exit_code() is None for process in self._processes()
        ):
            await asyncio.sleep(_LOOK_S)

    def _processes(self) -> Iterator[_Watched]:
        for wave in self._running:
            yield from wave

    def _check_alive(self) -> None:
        for process in self._processes():
            code = process.exit_code()
            if code is not None:
                raise ProcessDiedError(
                    f"{process.name} ended by itself with exit code {code}; the end of its log, "
                    f"{process.log}:\n{end_of_log(process.log)}"
                )

    def _write_manifest(self, *, ready: bool = False) -> None:
        self.folder.write_manifest(
            Manifest(
                supervisor=Mark.of(os.getpid()),
                ports=self.ports,
                tenant=self.sandbox.tenant,
                processes=self._marks,
                ready=ready,
            )
        )


def clear_leftovers(folder: DataFolder, step: Step) -> None:
    """End what a stack that was killed left running in this folder."""
    left = read_manifest(folder.path)
    if left is None:
        return
    with step("ending what an earlier stack left"):
        for mark in reversed(list(left.processes.values())):
            end(mark)
    folder.remove_manifest()


def _forget(folder: DataFolder) -> None:
    postgres = LocalPostgres(folder.postgres)
    postgres.end_leftover()
    postgres.forget()
    folder.empty()


@asynccontextmanager
async def running(
    folder: DataFolder,
    ports: Ports,
    sandbox: Sandbox,
    step: Step,
    only: Collection[str] = (),
    *,
    fresh: bool = False,
) -> AsyncIterator[Stack]:
    """Run the stack of a data folder while the block lasts, and take it down however it ends.

    The arguments are those of `Stack`; with `fresh`, what was kept in the folder is forgotten.

    Raises:
        StackError: a stack runs in the folder already, or something does not start.
    """
    with folder.locked():
        await to_the_end(partial(clear_leftovers, folder, step))
        check_free(ports)
        if fresh:
            await to_the_end(partial(_forget, folder))
        stack = Stack(folder, ports, sandbox, step, only)
        try:
            await stack.start()
            yield stack
        finally:
            await stack.stop()
