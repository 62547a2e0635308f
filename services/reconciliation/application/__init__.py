"""Use cases of reconciliation, and the ports that they need."""
