"""Opening and changing accounts: part of the book, and of its chain."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from services.ledger.domain import chain
from services.ledger.domain.accounts import Account, AccountState, FrozenSide, Policy
from services.ledger.domain.commands import ChangeAccount, OpenAccounts
from services.ledger.domain.decisions import (
    AccountEvent,
    AnsweredRequest,
    Changed,
    Opened,
    Refused,
)
from services.ledger.domain.pages import Pages
from services.ledger.domain.reasons import Reason


def open_accounts(pages: Pages, command: OpenAccounts) -> Opened | Refused:
    """Open accounts, all or none; say for each whether it existed before.

    An account that exists in another currency or of another kind is ACCOUNT_EXISTS_DIFFERENT.
    """
    existed = []
    for new in command.accounts:
        found = pages.accounts.get(new.account_id)
        existed.append(found is not None)
        if found and (found.currency_code, found.kind) != (new.currency_code, new.kind):
            return Refused(
                Reason.ACCOUNT_EXISTS_DIFFERENT,
                f"{new.account_id} exists, in {found.currency_code} and of kind {found.kind.name}",
                {
                    "account_id": new.account_id,
                    "currency_code": found.currency_code,
                    "kind": found.kind.name,
                },
            )
    for new, known in zip(command.accounts, existed, strict=True):
        if not known:
            pages.head.account_count += 1
            account = Account(
                pages.head.account_count, new.account_id, new.currency_code, new.kind, new.policy
            )
            account.create_micros = _record(pages, account, command.request_id, opens=True)
            pages.accounts[new.account_id] = account
    _answered(pages, command, existed, None)
    return Opened(existed)


def change_account(pages: Pages, command: ChangeAccount) -> Changed | Refused:
    """Change an account's policy, and return the account as it is now.

    One that does not exist is ACCOUNT_NOT_FOUND; one that would be closed and is not at zero is
    ACCOUNT_NOT_EMPTY.
    """
    account = pages.accounts.get(command.account_id)
    if account is None:
        return Refused(
            Reason.ACCOUNT_NOT_FOUND,
            f"There is no account {command.account_id}",
            {"account_id": command.account_id},
        )
    policy = merged(account.policy, command.policy, command.fields)
    if policy.state is AccountState.CLOSED and (
        account.posted or account.pending_in or account.pending_out
    ):
        return Refused(
            Reason.ACCOUNT_NOT_EMPTY,
            f"{command.account_id} holds {account.posted} minor units; only an empty one is closed",
            {"account_id": command.account_id, "posted_minor": str(account.posted)},
        )
    account.adopt(policy)
    _record(pages, account, command.request_id, opens=False)
    _answered(pages, command, None, pages.head.event_count)
    return Changed(account.view())


def merged(policy: Policy, wanted: Policy, fields: Collection[str]) -> Policy:
    """Return `policy` with those of `fields` (names of Policy) that `wanted` gives."""
    changed = replace(policy, **{name: getattr(wanted, name) for name in fields})
    if changed.state is not AccountState.FROZEN:
        changed = replace(changed, frozen_side=FrozenSide.NONE)
    return changed


def _record(pages: Pages, account: Account, request_id: str, *, opens: bool) -> int:
    """Record how an account is now, and return when, in microseconds since 1970."""
    head = pages.head
    create_micros = pages.next_micros()
    account.update_micros = create_micros
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
    pages.changes.account_events.append(
        AccountEvent(
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
    return create_micros


def _answered(
    pages: Pages,
    command: OpenAccounts | ChangeAccount,
    existed: Sequence[bool] | None,
    event_number: int | None,
) -> None:
    pages.changes.account_requests.append(
        AnsweredRequest(command, existed, event_number, pages.head.last_micros)
    )
