"""The proofs that this release does not make, and why: an auditor must not have to guess."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotMade:
    """A proof that is not made: its name, and the reason in one sentence."""

    name: str
    reason: str


NOT_MADE: Mapping[int, NotMade] = {
    8: NotMade(
        "Four columns",
        "This release does not split the bridge and the roll-forward (proofs 6 and 7) into "
        "receipts and disbursements.",
    ),
    9: NotMade(
        "Clearing",
        "The gateway cannot be asked yet which of its objects were open at the cut; what is in "
        "clearing is compared event by event, in I Booking.",
    ),
    10: NotMade(
        "Reproducible",
        "No run can prove this of itself: a re-run over the same cut must end with the same "
        "manifest hash.",
    ),
}
"""By number."""

NOT_MADE_THEN = "The release that made this run did not make this proof."
"""Of a proof that this release makes, and an older one did not."""
