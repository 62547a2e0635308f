"""Objects, events, posting intents, attempts, the inbox, exceptions, reports (0001_gateway.sql)."""

from services.platform.migrations import execute_script

revision = "psp_gateway_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    execute_script(__file__)
