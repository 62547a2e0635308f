"""Links to where people look at a run while it works."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Links:
    """Where the Temporal Web UI shows workflows; without a URL, no links are given."""

    ui_url: str
    namespace: str

    def to(self, workflow_id: str) -> str:
        """Return the URL of a workflow's page."""
        if not self.ui_url:
            return ""
        place = f"namespaces/{quote(self.namespace, safe='')}/workflows"
        return f"{self.ui_url.rstrip('/')}/{place}/{quote(workflow_id, safe='')}"
