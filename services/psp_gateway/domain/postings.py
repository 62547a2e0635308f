"""The postings: what each fact books in the ledger (`docs/understand/postings.md`).

The functions in the middle of this page are the rows of that table, debit before credit, in its
order; a machine picks its row and makes a `Posting` of it. An amount of zero leaves its leg out, a
negative one turns it round.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from services.kernel.invariant import invariant
from services.kernel.movements import MovementKind, Pot
from services.psp_gateway.domain.accounts import (
    Account,
    HouseChart,
    PlayerChart,
    ProviderAccount,
    ProviderChart,
)
from services.psp_gateway.domain.facts import Fact
from services.psp_gateway.domain.objects import Source


class Direction(StrEnum):
    """The side of an entry."""

    DEBIT = "DEBIT"
    CREDIT = "CREDIT"


@dataclass(frozen=True, slots=True)
class Entry:
    """One leg: at least one minor unit of the account's currency, on one side."""

    account: Account
    direction: Direction
    amount_minor: int

    @property
    def signed_minor(self) -> int:
        """Debits less credits."""
        return self.amount_minor if self.direction is Direction.DEBIT else -self.amount_minor


Entries = tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Movement:
    """The one movement of a provider pot that a posting books: its kind and the provider's id."""

    kind: MovementKind
    key: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What a posting changes in a pot: signed minor units, + is more of our money in it."""

    pot: Pot
    currency_code: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """A ledger transaction that is asked for, complete but for the tenant.

    No account stands in it twice, so the order of its entries never decides about a limit.
    """

    object_id: str
    fact: str
    """The key of the fact; of a second posting of one fact a name of its own."""
    number: int
    """From 1; rises only after the ledger has finally refused the number before."""
    kind: str
    entries: Entries
    effective_time: datetime
    at: ProviderAccount | None
    """The provider account; None for a posting that concerns none."""
    movement: Movement | None
    credited_player: str = ""
    """Whose cash it credits with money that is new to him: he pays what he owes of it first."""

    def __post_init__(self) -> None:
        balances: dict[str, int] = {}
        for entry in self.entries:
            invariant(entry.amount_minor > 0, "an entry is at least one minor unit")
            code = entry.account.currency_code
            balances[code] = balances.get(code, 0) + entry.signed_minor
        invariant(self.entries and not any(balances.values()), "a posting balances per currency")
        paths = {entry.account.path for entry in self.entries}
        invariant(len(paths) == len(self.entries), "no account stands twice in a posting")
        moves = any(effect.pot is not Pot.CLEARING for effect in self.effects)
        invariant(moves == (self.movement is not None), "a pot moves by exactly one movement")
        if self.credited_player:
            invariant(self.credit is not None, "a player who is credited has a leg")

    @property
    def request_id(self) -> str:
        """The ledger's request id: the same posting has the same, after any crash."""
        return f"psp:{self.object_id}:{self.fact}:{self.number}"

    @property
    def name(self) -> str:
        """The last part of the kind, by which a machine knows what it has posted."""
        return self.kind.rpartition(".")[2]

    @property
    def credit(self) -> Entry | None:
        """The leg that credits the cash of `credited_player`; None where there is nobody."""
        for entry in self.entries if self.credited_player else ():
            cash = PlayerChart(self.credited_player, entry.account.currency_code).cash
            if entry.account == cash and entry.direction is Direction.CREDIT:
                return entry
        return None

    def amount_on(self, account: Account) -> int:
        """Return what it books on an account, on whichever side; 0 if nothing."""
        return sum(entry.amount_minor for entry in self.entries if entry.account == account)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the ledger keeps beside the transaction; reconciliation joins on it."""
        metadata = {"object": self.object_id, "fact": self.fact}
        if self.at:
            metadata["provider"] = self.at.provider
            metadata["provider_account"] = self.at.provider_account
        if self.movement:
            metadata["movement_key"] = self.movement.key
            metadata["movement_kind"] = self.movement.kind
        return metadata

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What changes in each pot and currency; changes within a pot cancel out."""
        sums: dict[tuple[Pot, str], int] = {}
        for entry in self.entries:
            if entry.account.pot:
                key = (entry.account.pot, entry.account.currency_code)
                sums[key] = sums.get(key, 0) + entry.signed_minor
        return tuple(Effect(pot, code, amount) for (pot, code), amount in sums.items() if amount)


def debit(account: Account, amount_minor: int) -> Entries:
    """Return the leg that debits the account; none for zero, a credit for a negative amount."""
    if not amount_minor:
        return ()
    direction = Direction.DEBIT if amount_minor > 0 else Direction.CREDIT
    return (Entry(account, direction, abs(amount_minor)),)


def credit(account: Account, amount_minor: int) -> Entries:
    """Return the leg that credits the account; none for zero, a debit for a negative amount."""
    return debit(account, -amount_minor)


def draft(
    fact: Fact,
    name: str,
    entries: Entries,
    *,
    now: datetime,
    at: ProviderAccount | None = None,
    movement: Movement | None = None,
    key: str = "",
    credited_player: str = "",
) -> tuple[Posting, ...]:
    """Return the first posting of a fact; none if nothing is left to book.

    Args:
        fact: what has happened.
        name: the last part of the kind, such as `captured` of `psp.deposit.captured`.
        entries: a row of the table below.
        now: bounds the effective time: a provider's clock may be ahead, and the ledger refuses
            the future for ever.
        at: the provider account that it concerns.
        movement: of the provider's pot, if `entries` move one.
        key: of a second posting of the fact, its own name; else the fact's key.
        credited_player: whose cash it credits with money that is new to him.
    """
    if not entries:
        return ()
    posting = Posting(
        object_id=fact.object_id,
        fact=key or fact.key,
        number=1,
        kind=f"psp.{fact.object_type}.{name}",
        entries=entries,
        effective_time=min(fact.occurred_at, now),
        at=at,
        movement=movement,
        credited_player=credited_player,
    )
    return (posting,)


# --- the table: deposit --------------------------------------------------------------------------


def source_account(at: ProviderChart, of: PlayerChart, source: Source) -> Account:
    """Return L1 or L4: where a deposit's money was put."""
    return of.cash if source is Source.CASH else at.review


def captured(at: ProviderChart, of: PlayerChart, gross: int, source: Source) -> Entries:
    """A1 G / L1 G, or L4 G in review."""
    return debit(at.pending, gross) + credit(source_account(at, of, source), gross)


def taken_from_player(of: PlayerChart, held_by: Account, amount: int, held: int) -> Entries:
    """Debit what a source holds of the amount, and let the player owe the rest: L1 c, A7 G-c."""
    taken = max(0, min(held, amount))
    return debit(held_by, taken) + debit(of.receivable, amount - taken)


def capture_failed(taken: Entries, provider: Account, gross: int) -> Entries:
    """What `taken_from_player` took / A1 or A2 G."""
    return taken + credit(provider, gross)


def fee(expense: Account, provider: Account, amount: int) -> Entries:
    """X1, X2 or X4 / A1 or A2; a fee credited is the mirror."""
    return debit(expense, amount) + credit(provider, amount)


def available(at: ProviderChart, left: int) -> Entries:
    """A2 / A1: what is left after fees."""
    return debit(at.available, left) + credit(at.pending, left)


def review_approved(at: ProviderChart, of: PlayerChart, amount: int) -> Entries:
    """L4 / L1."""
    return debit(at.review, amount) + credit(of.cash, amount)


# --- the table: refund ---------------------------------------------------------------------------


def refund_asked_for(at: ProviderChart, held_by: Account, amount: int) -> Entries:
    """The source / L6; its mirror when the refund failed: the amount is then negative."""
    return debit(held_by, amount) + credit(at.refund_clearing, amount)


def refund_succeeded(at: ProviderChart, amount: int) -> Entries:
    """L6 / A2; its mirror when it failed after success: the amount is then negative."""
    return debit(at.refund_clearing, amount) + credit(at.available, amount)


def refund_made_at_provider(at: ProviderChart, taken: Entries, amount: int) -> Entries:
    """What `taken_from_player` took / A2 g."""
    return taken + credit(at.available, amount)


# --- the table: dispute --------------------------------------------------------------------------


def funds_withdrawn(at: ProviderChart, gross: int) -> Entries:
    """A6 G / A2 G."""
    return debit(at.disputes, gross) + credit(at.available, gross)


def freeze(of: PlayerChart, held_by: Account, frozen: int) -> Entries:
    """The source p / L7 p; its mirror when the freeze ends: p is then negative."""
    return debit(held_by, frozen) + credit(of.dispute_freeze, frozen)


def reinstated(at: ProviderChart, of: PlayerChart, gross: int, back: int, frozen: int) -> Entries:
    """A2 B, L7 t, A7 G-B-t / A6 G, where t = min(p, G-B)."""
    missing = gross - back
    kept = min(frozen, missing)
    return (
        debit(at.available, back)
        + debit(of.dispute_freeze, kept)
        + debit(of.receivable, missing - kept)
        + credit(at.disputes, gross)
    )


def dispute_lost(at: ProviderChart, of: PlayerChart, gross: int, frozen: int) -> Entries:
    """L7 p, A7 G-p / A6 G."""
    return (
        debit(of.dispute_freeze, frozen)
        + debit(of.receivable, gross - frozen)
        + credit(at.disputes, gross)
    )


def reinstated_after_lost(
    at: ProviderChart, of: PlayerChart, held_by: Account, back: int, owed: int
) -> Entries:
    """A2 B / A7 what is still owed of it, the source the rest."""
    return debit(at.available, back) + credit(of.receivable, owed) + credit(held_by, back - owed)


# --- the table: player ---------------------------------------------------------------------------


def receivable_recovered(of: PlayerChart, amount: int) -> Entries:
    """L1 / A7."""
    return debit(of.cash, amount) + credit(of.receivable, amount)


def receivable_written_off(of: PlayerChart, amount: int) -> Entries:
    """X3 / A7."""
    house = HouseChart(of.currency_code)
    return debit(house.chargeback_loss, amount) + credit(of.receivable, amount)


# --- the table: withdrawal -----------------------------------------------------------------------


def reserved(of: PlayerChart, total: int) -> Entries:
    """L1 / L2 A+w; its mirror releases: the amount is then negative."""
    return debit(of.cash, total) + credit(of.withdrawal_reserved, total)


def submitted(at: ProviderChart, of: PlayerChart, total: int) -> Entries:
    """L2 / L5 A+w; its mirror when not sent or failed: the amount is then negative."""
    return debit(of.withdrawal_reserved, total) + credit(at.withdrawal_clearing, total)


def paid(at: ProviderChart, taken: Entries, amount: int, player_fee: int) -> Entries:
    """L5 A+w, or after it had failed L1 c and A7 A+w-c / A2 A, I1 w."""
    house = HouseChart(at.currency_code)
    return taken + credit(at.available, amount) + credit(house.withdrawal_fees, player_fee)


def returned(at: ProviderChart, of: PlayerChart, amount: int) -> Entries:
    """A2 r / L1 r."""
    return debit(at.available, amount) + credit(of.cash, amount)


# --- the table: provider account, exchange -------------------------------------------------------


def rolling_reserve_kept(at: ProviderChart, amount: int) -> Entries:
    """A5 / A2; its mirror releases: the amount is then negative."""
    return debit(at.rolling_reserve, amount) + credit(at.available, amount)


def topped_up(at: ProviderChart, bank: Account, amount: int) -> Entries:
    """A2 / A4."""
    return debit(at.available, amount) + credit(bank, amount)


def swept(at: ProviderChart, net: int) -> Entries:
    """A3 / A2, of either sign; its mirror when the sweep failed: the amount is then negated."""
    return debit(at.in_transit, net) + credit(at.available, net)


def banked(at: ProviderChart, bank: Account, net: int, bank_fee: int) -> Entries:
    """A4 N-e, X6 e / A3 N."""
    house = HouseChart(at.currency_code)
    return (
        debit(bank, net - bank_fee) + debit(house.bank_fees, bank_fee) + credit(at.in_transit, net)
    )


def exchanged(sold_at: ProviderChart, sold: int, bought_at: ProviderChart, bought: int) -> Entries:
    """Each side against E1 of its currency."""
    return (
        debit(HouseChart(sold_at.currency_code).conversion, sold)
        + credit(sold_at.available, sold)
        + debit(bought_at.available, bought)
        + credit(HouseChart(bought_at.currency_code).conversion, bought)
    )


# --- the answer to a refusal ---------------------------------------------------------------------


def next_try(posting: Posting, entries: Entries | None = None) -> Posting:
    """Return the posting under the next number, with other entries if some are given."""
    return replace(posting, number=posting.number + 1, entries=entries or posting.entries)


def rerouted(posting: Posting, refusing: Account, instead: Account) -> Posting:
    """Return the next try, with another account in the place of the one that refused.

    Nobody's cash is credited by it.
    """
    entries = tuple(
        replace(entry, account=instead) if entry.account == refusing else entry
        for entry in posting.entries
    )
    return next_try(replace(posting, credited_player=""), entries)


def with_less_cash(posting: Posting, of: PlayerChart, cash: int) -> Posting:
    """Return the next try, which takes at most `cash` from L1 and lets the player owe the rest."""
    asked = [entry for entry in posting.entries if entry.account in (of.cash, of.receivable)]
    others = tuple(entry for entry in posting.entries if entry not in asked)
    amount = sum(entry.amount_minor for entry in asked)
    return next_try(posting, taken_from_player(of, of.cash, amount, cash) + others)
