"""The ledger's ports on PostgreSQL."""
