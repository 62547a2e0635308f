"""A deposit that was authorised for something else than was asked is cancelled at the provider."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from services.kernel.money import Money
from services.psp_gateway.application.notices import Taken
from services.psp_gateway.application.providers import Answer, Notice, ProviderUnavailableError
from services.psp_gateway.application.records import FactSource, Identity, Origin
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.exceptions import ExceptionKind
from services.psp_gateway.domain.facts import Fact, ObjectType
from services.psp_gateway.domain.machine import ALREADY_KNOWN
from services.psp_gateway.domain.objects import Deposit, DepositState
from services.psp_gateway.domain.outcomes import Outcome
from tests.fakes.gateway_rows import NOW, a_deposit, a_fact
from tests.fakes.gateway_world import World, memory_world

ONE_EURO = a_fact(facts.DepositAuthorised, amount=Money("EUR", 100))


def _notice(fact: Fact) -> Notice:
    """Return a notice of a provider that repeats no amount beside its facts."""
    return Notice(
        object_type=ObjectType.DEPOSIT, provider_object_id="pi_1", facts_for=lambda _ours: [fact]
    )


@dataclass
class Canceller:
    """Cancels deposits, once it can be reached, and counts how often it did."""

    is_away: bool = False
    cancelled: list[str] = field(default_factory=list)

    async def cancel(self, provider_object_id: str) -> Answer:
        if self.is_away:
            return Answer(outcome=Outcome.UNKNOWN)
        self.cancelled.append(provider_object_id)
        return Answer(outcome=Outcome.DONE, notice=_notice(a_fact(facts.DepositCancelled)))


@pytest.fixture
def world() -> Iterator[World]:
    """A gateway with a deposit of 50.00 that its provider is working on."""
    loop = asyncio.new_event_loop()
    made = memory_world(NOW, loop)
    made.run(made.create(a_deposit(DepositState.PROCESSING)))
    yield made
    loop.close()


def _hears(world: World, canceller: Canceller, fact: Fact) -> Taken:
    connection = replace(world.connection, deposits=cast("Any", canceller))
    known = Identity(ObjectType.DEPOSIT, "d-1", 1)
    origin = Origin(FactSource.POLL)
    return world.run(world.notices.take(connection, _notice(fact), origin, known=known))


def _state(world: World) -> DepositState:
    [deposit] = world.stored().of(Deposit)
    return DepositState(deposit.state)


def test_what_differs_is_cancelled_where_no_amount_is_repeated(world: World) -> None:
    """The hold at the player's bank ends though only the fact says how much it is."""
    canceller = Canceller()
    _hears(world, canceller, ONE_EURO)

    assert canceller.cancelled == ["pi_1"]
    assert _state(world) is DepositState.CANCELLED
    assert world.stored().exceptions == [ExceptionKind.AMOUNT_DIFFERS]


def test_what_a_loss_left_uncancelled_is_cancelled_when_it_is_told_again(world: World) -> None:
    """Nothing is forgotten when the provider cannot be reached after the decision was written."""
    canceller = Canceller(is_away=True)
    with pytest.raises(ProviderUnavailableError):
        _hears(world, canceller, ONE_EURO)
    left = _state(world)
    canceller.is_away = False
    again = _hears(world, canceller, ONE_EURO)

    assert (left, again.why) == (DepositState.AUTHORISED, ALREADY_KNOWN)
    assert canceller.cancelled == ["pi_1"]
    assert _state(world) is DepositState.CANCELLED


def test_what_agrees_is_not_cancelled(world: World) -> None:
    """A deposit that was authorised as it was asked for stays so, however often it is told."""
    canceller = Canceller()
    for _ in range(2):
        _hears(world, canceller, a_fact(facts.DepositAuthorised))

    assert canceller.cancelled == []
    assert _state(world) is DepositState.AUTHORISED
