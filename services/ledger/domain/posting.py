"""Posting: what a transaction needs of its accounts, and how it enters the book and its chain."""

from collections.abc import Sequence

from services.kernel.money import INT64_MAX, INT64_MIN
from services.ledger.domain import chain
from services.ledger.domain.accounts import Account, AccountState
from services.ledger.domain.commands import Post
from services.ledger.domain.decisions import (
    AccountBalances,
    Leg,
    Posted,
    Recorded,
    Refused,
)
from services.ledger.domain.pages import Pages
from services.ledger.domain.reasons import Reason

EFFECTIVE_AHEAD_MICROS = 5 * 60 * 1_000_000


def post(pages: Pages, command: Post) -> Posted | Refused:
    """Record a transaction, or say why not.

    In order of precedence: ACCOUNT_NOT_FOUND, CURRENCY_MISMATCH, EFFECTIVE_TIME_OUT_OF_WINDOW,
    ACCOUNT_CLOSED, ACCOUNT_FROZEN; then entry by entry OUT_OF_RANGE, INSUFFICIENT_AVAILABLE.
    """
    touched: list[Account] = []
    for account_id, _, _ in command.entries:
        account = pages.accounts.get(account_id)
        if account is None:
            return Refused(
                Reason.ACCOUNT_NOT_FOUND,
                f"There is no account {account_id}",
                {"account_id": account_id},
            )
        touched.append(account)
    create_micros = pages.next_micros()
    legs = _forbidden(command, touched, create_micros) or _moved(
        command, touched, pages.head.sequence + 1
    )
    if isinstance(legs, Refused):
        return legs
    return _recorded(pages, command, touched, legs, create_micros)


def _recorded(
    pages: Pages,
    command: Post,
    touched: Sequence[Account],
    legs: Sequence[Leg],
    create_micros: int,
) -> Posted:
    """Give a transaction that moved its accounts its place in the history."""
    head = pages.head
    sequence = head.sequence + 1
    transaction_id = pages.new_id(create_micros)
    head.hash = chain.transaction_hash(
        head.hash,
        command.request_hash,
        head.tenant_id,
        sequence,
        transaction_id,
        command.request_id,
        create_micros,
        [
            figure
            for leg in legs
            for figure in (leg.posted, leg.pending_in, leg.pending_out, leg.account_version)
        ],
    )
    head.sequence = sequence
    head.last_micros = create_micros
    pages.changes.transactions.append(
        Recorded(command, sequence, transaction_id, create_micros, head.hash, legs)
    )
    return Posted(transaction_id, sequence, create_micros, _balances(touched))


def _forbidden(command: Post, touched: Sequence[Account], create_micros: int) -> Refused | None:
    """Return why the accounts or the time do not allow the transaction, whatever the balances."""
    for account, (_, currency_code, _) in zip(touched, command.entries, strict=True):
        if account.currency_code != currency_code:
            return Refused(
                Reason.CURRENCY_MISMATCH,
                f"{account.account_id} is in {account.currency_code}, not in {currency_code}",
                {"account_id": account.account_id, "currency_code": account.currency_code},
            )
    effective = command.effective_micros
    if effective is not None and effective > create_micros + EFFECTIVE_AHEAD_MICROS:
        return Refused(
            Reason.EFFECTIVE_TIME_OUT_OF_WINDOW,
            "The effective time is more than five minutes in the future",
            {},
        )
    for account, (_, _, amount) in zip(touched, command.entries, strict=True):
        if not (account.open_to_debits if amount > 0 else account.open_to_credits):
            return _barred(command, touched)
    return None


def _barred(command: Post, touched: Sequence[Account]) -> Refused:
    """Refuse for the first account that is closed, or else for the first that is frozen so."""
    barred = [
        account
        for account, (_, _, amount) in zip(touched, command.entries, strict=True)
        if not (account.open_to_debits if amount > 0 else account.open_to_credits)
    ]
    for account in barred:
        if account.policy.state is AccountState.CLOSED:
            return Refused(
                Reason.ACCOUNT_CLOSED,
                f"{account.account_id} is closed",
                {"account_id": account.account_id},
            )
    account_id = barred[0].account_id
    return Refused(
        Reason.ACCOUNT_FROZEN,
        f"{account_id} is frozen on this side",
        {"account_id": account_id},
    )


def _moved(command: Post, touched: Sequence[Account], sequence: int) -> Sequence[Leg] | Refused:
    """Move the accounts entry by entry; at the first that may not be, put all back and refuse."""
    legs: list[Leg] = []
    before: list[tuple[Account, int, int, int]] = []
    for account, (_, _, amount) in zip(touched, command.entries, strict=True):
        change = amount * account.normal_sign
        posted = account.posted + change
        refusal = None
        if not INT64_MIN <= posted <= INT64_MAX:
            refusal = _out_of_range(account)
        # An entry that adds is never held against a limit that was tightened since.
        elif change < 0 and posted - account.pending_out < account.floor:
            refusal = _insufficient(account, change)
        if refusal is not None:
            for moved, old_posted, old_version, old_sequence in reversed(before):
                moved.posted, moved.version, moved.sequence = old_posted, old_version, old_sequence
            return refusal
        before.append((account, account.posted, account.version, account.sequence))
        account.posted = posted
        account.version += 1
        account.sequence = sequence
        legs.append(
            Leg(
                account.key,
                sequence,
                len(legs) + 1,
                account.version,
                amount,
                posted,
                account.pending_in,
                account.pending_out,
            )
        )
    return legs


def _out_of_range(account: Account) -> Refused:
    return Refused(
        Reason.OUT_OF_RANGE,
        f"The balance of {account.account_id} would not fit 64 bits",
        {"account_id": account.account_id},
    )


def _insufficient(account: Account, change: int) -> Refused:
    available = account.available
    return Refused(
        Reason.INSUFFICIENT_AVAILABLE,
        f"{account.account_id} has {available} minor units available with a limit of"
        f" {account.floor}, and {-change} are asked of it",
        {
            "account_id": account.account_id,
            "available_minor": str(available),
            "limit_minor": str(account.floor),
            "asked_minor": str(-change),
        },
    )


def _balances(touched: Sequence[Account]) -> Sequence[AccountBalances]:
    """Return the balances now of each account touched, in the order of first touch."""
    return [
        AccountBalances(
            account.account_id,
            account.currency_code,
            account.posted,
            account.pending_in,
            account.pending_out,
            account.version,
            account.sequence,
        )
        for account in dict.fromkeys(touched)
    ]
