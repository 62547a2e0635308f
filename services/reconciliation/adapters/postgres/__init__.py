"""Runs, cuts, breaks and statements on PostgreSQL."""
