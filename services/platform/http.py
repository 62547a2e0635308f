"""HTTP servers inside a process of ours: uvicorn, whose signals belong to the composition root."""

from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class HttpServer(uvicorn.Server):
    """Uvicorn that leaves the process's signals alone; set `should_exit` to end it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
