"""The gateway on PostgreSQL."""
