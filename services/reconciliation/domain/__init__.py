"""Pure rules of reconciliation: what a row is, what a break is, what a run may claim."""
