"""Runs, what they read and what they found: runs, phases, cuts, breaks, statements, requests."""

from services.platform.migrations import execute_script

revision = "reconciliation_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    execute_script(__file__)
