"""Runs state machines over a Redis."""

from __future__ import annotations

from collections.abc import Callable

import redis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.examples import examples as times


def run(
    machine: Callable[[redis.Redis], RuleBasedStateMachine], client: redis.Redis, examples: int, steps: int
) -> None:
    """Run ``machine(client)`` with so many examples of so many steps each; ``TEST_EXAMPLES`` multiplies them."""
    limits = settings(
        max_examples=times(examples),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: machine(client), settings=limits)
