"""Workflows of reconciliation: light, deterministic, and told in the order in which things happen.

They name activities by the signatures in `steps`; `activities/` implements these.
"""
