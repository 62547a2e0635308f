"""Alembic's entry for the ledger's schema."""

from services.platform.migrations import run_environment

run_environment()
