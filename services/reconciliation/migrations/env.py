"""Alembic's entry for the reconciliation's schema."""

from services.platform.migrations import run_environment

run_environment()
