"""What reconciliation stands on: files and DuckDB; each module implements one thing."""
