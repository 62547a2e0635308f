"""Reconciliation: proves that provider, gateway and ledger agree, and lists every break."""
