"""The laws of the gateway, on the store in memory."""

import asyncio

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fakes.gateway_laws import GatewayLaws
from tests.fakes.gateway_world import memory_world


@pytest.mark.timeout(600)  # A story that breaks a law is told shorter and shorter first.
def test_laws_in_memory() -> None:
    """Every invariant holds after every step of stories that the real use case lives through."""
    loop = asyncio.new_event_loop()
    try:
        run_state_machine_as_test(
            lambda: GatewayLaws(lambda now: memory_world(now, loop)),
            settings=settings(
                max_examples=150,
                stateful_step_count=60,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
    finally:
        loop.close()
