"""Opening and changing accounts: part of the book, and of its chain."""

from collections.abc import Collection
from dataclasses import replace

from services.ledger.domain import chain
from services.ledger.domain.accounts import Account, AccountState, FrozenSide, Policy
from services.ledger.domain.book import Book
from services.ledger.domain.commands import ChangeAccount, OpenAccounts
from services.ledger.domain.decisions import AccountEventRow, AccountRequestRow
from services.ledger.domain.reasons import LedgerError, Reason

CHANGEABLE = frozenset({"min_available", "state", "frozen_side", "labels", "metadata"})


def open_accounts(book: Book, command: OpenAccounts) -> list[bool]:
    """Open accounts, all or none; return for each whether it existed before.

    Raises:
        LedgerError: ACCOUNT_EXISTS_DIFFERENT.
    """
    existed = []
    for new in command.accounts:
        found = book.accounts.get(new.account_id)
        existed.append(found is not None)
        if found and (found.currency_code, found.kind) != (new.currency_code, new.kind):
            raise LedgerError(
                Reason.ACCOUNT_EXISTS_DIFFERENT,
                f"{new.account_id} exists, in {found.currency_code} and of kind {found.kind.name}",
                account_id=new.account_id,
                currency_code=found.currency_code,
                kind=found.kind.name,
            )
    for new, known in zip(command.accounts, existed, strict=True):
        if not known:
            book.head.account_count += 1
            account = Account(
                book.head.account_count, new.account_id, new.currency_code, new.kind, new.policy
            )
            book.accounts[new.account_id] = account
            _record(book, account, command.request_id, opens=True)
    _answered(book, command.request_id, command.request_hash, existed, None)
    return existed


def change_account(book: Book, command: ChangeAccount) -> int:
    """Change an account's policy; return the number of the event that says how it is now.

    Raises:
        LedgerError: ACCOUNT_NOT_FOUND, ACCOUNT_NOT_EMPTY (an account is closed at zero only).
    """
    account = book.accounts.get(command.account_id)
    if account is None:
        raise LedgerError(
            Reason.ACCOUNT_NOT_FOUND,
            f"There is no account {command.account_id}",
            account_id=command.account_id,
        )
    policy = merged(account.policy, command.policy, command.fields)
    if policy.state is AccountState.CLOSED and (
        account.posted or account.pending_in or account.pending_out
    ):
        raise LedgerError(
            Reason.ACCOUNT_NOT_EMPTY,
            f"{command.account_id} holds {account.posted} minor units; only an empty one is closed",
            account_id=command.account_id,
            posted_minor=str(account.posted),
        )
    account.adopt(policy)
    event_number = _record(book, account, command.request_id, opens=False)
    _answered(book, command.request_id, command.request_hash, None, event_number)
    return event_number


def merged(policy: Policy, wanted: Policy, fields: Collection[str]) -> Policy:
    """Return `policy` with those of `fields` (names of Policy) that `wanted` gives."""
    changed = replace(policy, **{name: getattr(wanted, name) for name in fields})
    if changed.state is not AccountState.FROZEN:
        changed = replace(changed, frozen_side=FrozenSide.NONE)
    return changed


def _record(book: Book, account: Account, request_id: str, *, opens: bool) -> int:
    head = book.head
    create_micros = book.next_micros()
    head.event_count += 1
    head.hash = chain.account_event_hash(
        head.hash,
        head.tenant_id,
        head.event_count,
        head.sequence,
        create_micros,
        request_id,
        chain.identity(account.key, account.account_id, account.currency_code, account.kind),
        account.policy,
    )
    head.last_micros = create_micros
    book.changes.account_events.append(
        AccountEventRow(
            head.event_count,
            head.sequence,
            account,
            account.policy,
            opens,
            request_id,
            create_micros,
            head.hash,
        )
    )
    return head.event_count


def _answered(
    book: Book,
    request_id: str,
    request_hash: bytes,
    existed: list[bool] | None,
    event_number: int | None,
) -> None:
    book.changes.account_requests.append(
        AccountRequestRow(request_id, request_hash, existed, event_number, book.head.last_micros)
    )
