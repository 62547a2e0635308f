"""The verdict: the most that a run may claim."""

from enum import StrEnum


class Verdict(StrEnum):
    """From worst to best; the first that holds is given."""

    INCOMPLETE = "INCOMPLETE"
    """A proof failed or an input is missing: what was found is listed, and nothing is concluded."""
    BREAKS = "BREAKS"
    RECONCILED_WITH_WARNINGS = "RECONCILED_WITH_WARNINGS"
    """No break, but something that a person must have seen: unclassified lines, round trips."""
    RECONCILED_WITH_PENDING = "RECONCILED_WITH_PENDING"
    RECONCILED = "RECONCILED"


def verdict(*, proven: bool, breaks: int, warnings: int, pending: int) -> Verdict:
    """Return the verdict of a run from whether all proofs hold and how many of each are open."""
    if not proven:
        return Verdict.INCOMPLETE
    if breaks:
        return Verdict.BREAKS
    if warnings:
        return Verdict.RECONCILED_WITH_WARNINGS
    if pending:
        return Verdict.RECONCILED_WITH_PENDING
    return Verdict.RECONCILED
