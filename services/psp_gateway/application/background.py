"""Work that goes on when its caller leaves, and that a shutdown waits for."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

Value = TypeVar("Value")

log = structlog.get_logger("vezne.background")


class Background:
    """Tasks of a process that nobody may cancel half way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Value]) -> "asyncio.Task[Value]":
        """Start work that a shutdown waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        # A caller who stayed gets the error; for one who left it stands here only.
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("background_work_failed", error=repr(error))

    async def finish(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Do work to its end, even if the caller is cancelled meanwhile."""
        return await asyncio.shield(self.start(work))

    async def drain(self) -> None:
        """Wait until nothing goes on any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)
