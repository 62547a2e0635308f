"""Providers: one package each, and what they share."""
