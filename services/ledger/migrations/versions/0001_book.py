"""The book: heads, accounts, transactions, entries, refusals (0001_book.sql)."""

from services.platform.migrations import execute_script

revision = "ledger_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    execute_script(__file__)
