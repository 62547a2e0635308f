"""The book: takes commands in order and decides each alone, over accounts held in memory.

It is pure: the caller loads what a command needs, keeps the head locked, and writes `changes`.
"""

from collections.abc import Callable, MutableMapping

from services.ledger.domain.account_changes import change_account, open_accounts
from services.ledger.domain.accounts import Account
from services.ledger.domain.commands import Command, OpenAccounts, Post
from services.ledger.domain.decisions import Head, Known, Outcome, Refused, RememberedRefusal
from services.ledger.domain.pages import Pages
from services.ledger.domain.posting import post
from services.ledger.domain.reasons import RULES, Reason


class Book(Pages):
    """One tenant's book during one unit of work.

    Args:
        head, accounts, now_micros, new_id: see Pages.
        known: how earlier requests with the commands' ids ended; those decided now are added.
    """

    def __init__(
        self,
        head: Head,
        accounts: MutableMapping[str, Account],
        known: MutableMapping[str, Known],
        now_micros: int,
        new_id: Callable[[int], str],
    ) -> None:
        super().__init__(head, accounts, now_micros, new_id)
        self._known = known

    def decide(self, command: Command) -> Outcome:
        """Do what a command asks, or say why not; a request id has one outcome.

        An id that was used before, whatever for, is answered before anything else is looked at:
        with the first outcome, or with REQUEST_ID_REUSED if the body is another.
        """
        known = self._known.get(command.request_id)
        if known is not None:
            return _again(known, command.request_hash)
        outcome = self._by_rule(command)
        if isinstance(outcome, Refused):
            if not RULES[outcome.reason].remembered:
                return outcome
            self.changes.refusals.append(RememberedRefusal(command, outcome, self.next_micros()))
        self._known[command.request_id] = Known(command.request_hash, outcome)
        return outcome

    def _by_rule(self, command: Command) -> Outcome:
        if isinstance(command, Post):
            return post(self, command)
        if isinstance(command, OpenAccounts):
            return open_accounts(self, command)
        return change_account(self, command)


def _again(known: Known, request_hash: bytes) -> Outcome:
    """Answer a request id that was used before."""
    if known.request_hash != request_hash:
        return Refused(
            Reason.REQUEST_ID_REUSED,
            "The request id was used before, with another body; nothing was done",
            {},
        )
    return known.outcome._replace(replayed=True)
