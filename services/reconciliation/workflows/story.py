"""The page of a run in the Temporal Web UI, as Markdown."""

from services.reconciliation.domain.runs import RunPlan
from services.reconciliation.workflows.models import summary

_BYTES_MAX = 18_000


class Story:
    """What a run did so far, a line a step, and its statement once there is one."""

    def __init__(self, plan: RunPlan) -> None:
        self._title = summary(plan)
        self._lines: list[tuple[str, str]] = []
        self._statement = ""

    def tell(self, step: str, outcome: str) -> None:
        """Add a step, or say anew what came of the last one."""
        if self._lines and self._lines[-1][0] == step:
            self._lines.pop()
        self._lines.append((step, outcome))

    def conclude(self, statement: str) -> None:
        """Add the statement."""
        self._statement = statement

    def to_markdown(self) -> str:
        """Return the page; Temporal takes at most 20,000 bytes."""
        head = [f"**{self._title}**", "", "| step | |", "| --- | --- |"]
        rows = [f"| {step} | {outcome} |" for step, outcome in self._lines]
        page = "\n".join([*head, *rows, "", self._statement])
        return page.encode()[:_BYTES_MAX].decode(errors="ignore")
