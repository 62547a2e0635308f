"""What every house stands on: money, ids, errors, group commit. Pure Python, no framework."""
