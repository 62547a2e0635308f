"""What a provider charges, or gives back, for a movement of an object."""

from enum import StrEnum
from typing import TypeVar

from services.kernel.money import Money
from services.kernel.movements import MovementKind
from services.psp_gateway.domain import postings
from services.psp_gateway.domain.accounts import Account, ProviderChart
from services.psp_gateway.domain.exceptions import ExceptionKind, RaisedException
from services.psp_gateway.domain.facts import FeeFact
from services.psp_gateway.domain.machine import Decision, Situation, applied, exceptional
from services.psp_gateway.domain.postings import Movement, draft

Row = TypeVar("Row")


def charged(
    fact: FeeFact,
    row: Row,
    state: StrEnum | None,
    *,
    amount: Money | None,
    kind: MovementKind,
    at: ProviderChart,
    expense: Account,
    provider: Account,
    situation: Situation,
) -> Decision[Row]:
    """Decide what a fee does; it leaves the object's row as it is.

    A fee that is larger than what it is for is booked all the same, for the provider's balance has
    moved; people are told of it.

    Args:
        fact: the fee.
        row: of the object.
        state: of the object.
        amount: what was charged for; None if the fee may well be larger, as that of a dispute.
        kind: the movement that the fee is.
        at: the provider account, in the currency of the object.
        expense: X1, X2 or X4.
        provider: A1 or A2.
        situation: bounds the effective time.
    """
    if fact.fee.currency_code != at.currency_code:
        detail = f"A fee of {fact.fee} for what is in {at.currency_code}"
        return exceptional(row, ExceptionKind.AMOUNT_DIFFERS, detail)
    posted = draft(
        fact,
        fact.name,
        postings.fee(expense, provider, fact.fee.minor_units),
        now=situation.now,
        at=at.at,
        movement=Movement(kind, fact.movement_key),
    )
    exceptions: tuple[RaisedException, ...] = ()
    if amount is not None and abs(fact.fee.minor_units) > amount.minor_units:
        detail = f"A fee of {fact.fee} for {amount}"
        exceptions = (RaisedException(ExceptionKind.FEE_EXCEEDS_AMOUNT, detail),)
    return applied(fact, row, state, postings=posted, exceptions=exceptions)
