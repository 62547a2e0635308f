"""The environment that commands read: where services are, and that no variable is misspelt."""

import os
from difflib import get_close_matches
from pathlib import Path

from services.cli.failures import wrong_use

TENANT = "VEZNE_TENANT"
DATA = "VEZNE_CLI_DATA"
KNOWN = (
    TENANT,
    DATA,
    "VEZNE_CLI_LEDGER_TARGET",
    "VEZNE_CLI_PSP_GATEWAY_TARGET",
    "VEZNE_CLI_RECONCILIATION_TARGET",
    "VEZNE_CLI_TIMEOUT_S",
)
_OTHERS = (
    "VEZNE_LEDGER_",
    "VEZNE_PSP_GATEWAY_",
    "VEZNE_RECONCILIATION_",
    "VEZNE_MOCK_PSP_",
    "VEZNE_TEST_",
)
"""Prefixes of the programs that check their own variables when they start."""


def check() -> None:
    """Refuse a variable under our prefix that nothing reads: it is most likely misspelt.

    Raises:
        Failure: there is one.
    """
    for name in sorted(os.environ):
        if name.startswith("VEZNE_") and name not in KNOWN and not name.startswith(_OTHERS):
            near = get_close_matches(name, KNOWN, 1)
            raise wrong_use(
                f"the environment variable {name} is read by nothing",
                f"did you mean {near[0]}?" if near else f"there are: {', '.join(KNOWN)}",
            )


def data_folder() -> Path:
    """Return the data folder of the stack that commands look for services in."""
    return Path(os.environ.get(DATA) or ".vezne")
