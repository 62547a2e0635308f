"""When people hear of an attempt whose end nobody knows."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from services.psp_gateway.application.attempts import Attempts
from services.psp_gateway.application.providers import Connections
from services.psp_gateway.application.records import Attempt
from services.psp_gateway.domain.exceptions import ExceptionKind
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.outcomes import Outcome
from tests.fakes.gateway_rows import NOW
from tests.fakes.gateway_world import World, memory_world
from tests.fakes.provider_news import AT

DAY = timedelta(days=1)


@pytest.mark.parametrize("object_type", [ObjectType.DEPOSIT, ObjectType.REFUND])
@pytest.mark.parametrize(
    ("outcome", "patience"),
    [(None, DAY), (Outcome.UNKNOWN, DAY), (Outcome.PENDING, 7 * DAY)],
    ids=["no answer", "unknown", "pending"],
)
async def test_what_nobody_can_tell_is_told_to_people_in_time(
    object_type: ObjectType, outcome: Outcome | None, patience: timedelta
) -> None:
    """After a day without an answer, or a week without an end, and not a moment before."""
    world = memory_world(NOW, asyncio.get_running_loop())
    connections = Connections({AT: world.connection})
    attempts = Attempts(world.store, world.facts, world.notices, connections, lambda: world.now)
    attempt = an_attempt(object_type, outcome, world)

    world.now = NOW + patience - timedelta(microseconds=1)
    await attempts.carry_on(world.tenant_id, attempt)
    assert not (await world.read()).exceptions

    world.now = NOW + patience
    for _ in range(2):
        await attempts.carry_on(world.tenant_id, attempt)
    assert (await world.read()).exceptions == [ExceptionKind.UNKNOWN_OUTCOME]


def an_attempt(object_type: ObjectType, outcome: Outcome | None, world: World) -> Attempt:
    """Return an attempt of now whose key the provider has forgotten within the day."""
    return Attempt(
        object_type=object_type,
        object_id=str(UUID(int=1)),
        number=1,
        attempt_id=UUID(int=2),
        at=AT,
        reference="r-1",
        request=b"",
        replay_until=NOW + world.connection.key_lifetime,
        next_check_at=NOW,
        outcome=outcome,
        provider_object_id="",
        provider_state="",
        failure_code="",
        failure_message="",
        check_count=0,
        created_at=NOW,
        ended_at=None,
    )
