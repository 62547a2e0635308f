"""Alembic's entry for the gateway's schema."""

from services.platform.migrations import run_environment

run_environment()
