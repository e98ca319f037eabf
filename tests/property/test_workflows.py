"""Random workflows with random outcomes, and processes that die, end as a model says that knows nothing of the engine.

The model computes the state of each node from the definition alone, by recursion over the nodes that it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import fakeredis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobqueue.errors import LedgerUnavailable
from jobqueue.model.states import ExecutionState
from jobqueue.model.workflow import Node
from tests.examples import examples
from tests.ledger import invariants
from tests.ledger.clock import FakeClock
from tests.ledger.test_schedules import ADMIN
from tests.ledger.test_workflows import Workflows, node
from tests.ledger.world import World

COMPLETED, FAILED, CANCELLED, REFUSED = "completed", "failed", "cancelled", "refused"


@dataclass(frozen=True)
class Step:
    """A node, and what becomes of its job if it runs. ``needs`` are numbers of earlier steps."""

    needs: tuple[int, ...]
    when: str
    is_ignored: bool
    outcome: str


@st.composite
def procedures(draw: st.DrawFn) -> list[Step]:
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 7))):
        needs = tuple(sorted(draw(st.sets(st.integers(0, number - 1), max_size=3)))) if number else ()
        when = draw(st.sampled_from(["success", "success", "failure", "always"])) if needs else "success"
        outcome = draw(st.sampled_from([COMPLETED, COMPLETED, COMPLETED, FAILED, CANCELLED, REFUSED]))
        steps.append(Step(needs, when, draw(st.integers(0, 4)) == 0, outcome))
    return steps


def expected(steps: Sequence[Step]) -> list[str]:
    """The state of each node at the end."""
    states: list[str] = []
    for step in steps:
        bad = [states[need] in (FAILED, CANCELLED) and not steps[need].is_ignored for need in step.needs]
        good = [
            states[need] == COMPLETED or (states[need] in (FAILED, CANCELLED) and steps[need].is_ignored)
            for need in step.needs
        ]
        runs = {"success": all(good), "failure": any(bad), "always": True}[step.when]
        states.append({REFUSED: FAILED}.get(step.outcome, step.outcome) if runs else "skipped")
    return states


def expected_status(steps: Sequence[Step], states: Sequence[str]) -> str:
    counted = {
        state
        for step, state in zip(steps, states, strict=True)
        if not (step.is_ignored and state in (FAILED, CANCELLED))
    }
    if FAILED in counted:
        return FAILED
    if CANCELLED in counted:
        return CANCELLED
    return "skipped" if set(states) == {"skipped"} else COMPLETED


def node_of(number: int, step: Step) -> Node:
    needs = [f"n{need}" for need in step.needs]
    made: dict[str, Any] = {"ignore_failure": step.is_ignored, "when": step.when}
    if step.outcome == REFUSED:
        made["job"] = {"operation": "command.exec.execute", "data": {"argv": ["x"]}, "target": "nowhere"}
    return node(f"n{number}", *needs, **made)


@pytest.fixture
def workflows(tmp_path: Path) -> Workflows:
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True)
    return Workflows(World(client, FakeClock()), tmp_path)


@settings(
    max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(steps=procedures(), data=st.data())
def test_runs_end_as_the_model_says(workflows: Workflows, steps: list[Step], data: st.DataObject) -> None:
    nodes = [node_of(number, step) for number, step in enumerate(steps)]
    workflows.store(*data.draw(st.permutations(nodes)), name="w")
    run = workflows.start("w")
    while not workflows.run(run).has_ended:
        running = workflows.run(run).running
        assert running, "nothing runs, and nothing ends"
        name = data.draw(st.sampled_from(sorted(running)))
        end(workflows, run.id, name, steps[int(name[1:])].outcome)
        if data.draw(st.booleans()):
            die(workflows, run.id, data.draw(st.sampled_from(["store", "postpone", "fire"])))
        workflows.turns()
    states = expected(steps)
    done = workflows.run(run)
    assert [str(done.nodes[f"n{number}"].state) for number in range(len(steps))] == states
    assert str(done.status) == expected_status(steps, states)
    made = sorted(job.tags["workflow_node"] for job in workflows.made(run))
    ran = [state != "skipped" and step.outcome != REFUSED for step, state in zip(steps, states, strict=True)]
    assert made == [f"n{number}" for number, has_run in enumerate(ran) if has_run]
    for name in made:
        progress = done.nodes[name]
        assert progress.started is not None
        for need in done.workflow.nodes[[one.name for one in done.workflow.nodes].index(name)].needs:
            ended = done.nodes[need].ended
            assert ended is not None
            assert ended <= progress.started
    invariants.check(workflows.world.client, workflows.ledger.keys)


def end(workflows: Workflows, run_id: str, name: str, outcome: str) -> None:
    job_id = workflows.services.workflow_runs.get(run_id).nodes[name].job_id
    if outcome == CANCELLED:
        workflows.services.canceller.cancel(ADMIN, job_id, "by hand")
        return
    state = ExecutionState.COMPLETED if outcome == COMPLETED else ExecutionState.FAILED
    workflows.clock.advance(0.01)
    workflows.world.finish(workflows.world.claim(job_id, "web1"), state)


def die(workflows: Workflows, run_id: str, step: str) -> None:
    """A process moves the run on, and dies at a step."""
    engine = workflows.services.workflow_engine
    target: Any = engine._submitter if step == "fire" else workflows.ledger.workflow_runs
    with patch.object(target, step, side_effect=LedgerUnavailable), suppress(LedgerUnavailable):
        engine.advance(run_id)
