"""The Vezne suite: one package a house, described in docs/understand/architecture.md."""
