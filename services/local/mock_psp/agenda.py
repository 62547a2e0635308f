"""What is to happen later, in virtual time."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

Step = Callable[[datetime], None]


@dataclass(order=True, slots=True)
class _Entry:
    due: datetime
    number: int
    step: Step = field(compare=False)


class Agenda:
    """Steps by their time; those of one time in the order in which they were added."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._added = 0

    @property
    def next_due(self) -> datetime | None:
        """When the next step is due; None if there is none."""
        return self._entries[0].due if self._entries else None

    def add(self, due: datetime, step: Step) -> None:
        """Let `step` happen at `due`; it is given that time."""
        self._added += 1
        heapq.heappush(self._entries, _Entry(due, self._added, step))

    def run_next(self) -> None:
        """Let the next step happen."""
        entry = heapq.heappop(self._entries)
        entry.step(entry.due)
