"""The ledger's tables: SQL and nothing but SQL."""
