"""Which ledger accounts are a provider account's pots (`docs/understand/postings.md`, Accounts)."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from services.kernel.movements import Pot

_POT_OF: Mapping[tuple[str, str], Pot] = MappingProxyType(
    {
        ("asset", "pending"): Pot.PROVIDER,
        ("asset", "available"): Pot.PROVIDER,
        ("asset", "in_transit"): Pot.TRANSIT,
        ("asset", "rolling_reserve"): Pot.ROLLING_RESERVE,
        ("asset", "disputes"): Pot.CLEARING,
        ("liability", "withdrawal_clearing"): Pot.CLEARING,
        ("liability", "refund_clearing"): Pot.CLEARING,
    }
)
PREFIXES = ("asset", "liability")
"""Where the accounts stand: `{prefix}/psp/{provider}/{provider_account}/...`."""


def account_prefix(prefix: str, provider: str, provider_account: str) -> str:
    """Return the start of the paths of a provider account's accounts, with its last `/`."""
    return f"{prefix}/psp/{provider}/{provider_account}/"


def pots_of(account_ids: Iterable[str]) -> dict[str, Pot]:
    """Return those of a provider account's accounts that are part of a pot, in order of their ids.

    What stands in review or is unidentified is owed to somebody, and is in no pot.
    """
    found = {}
    for account_id in sorted(account_ids):
        kind, _, _, _, holds, _ = account_id.split("/")
        pot = _POT_OF.get((kind, holds))
        if pot is not None:
            found[account_id] = pot
    return found
