"""States of runs, and the moves that a driver may report."""

from __future__ import annotations

import pytest

from api.fusion.run_state import EXECUTION_STATES, MOVES, RunState, reachable, reporters

R = RunState


def test_the_states() -> None:
    assert " ".join(R) == "unknown idle starting running finishing cancelling finished cancelled error skipped"
    assert {state for state in R if state.is_final} == {R.FINISHED, R.CANCELLED, R.ERROR, R.SKIPPED}
    assert set(EXECUTION_STATES) == set(R) - {R.UNKNOWN}


def test_final_states_stay() -> None:
    for state in R:
        assert (state in MOVES) == (not state.is_final and state is not R.UNKNOWN)
        if state.is_final:
            assert reachable(state) == frozenset()
            assert EXECUTION_STATES[state] is not None


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (R.IDLE, set(R) - {R.UNKNOWN, R.IDLE}),
        (R.STARTING, set(R) - {R.UNKNOWN, R.IDLE, R.STARTING}),
        (R.RUNNING, {R.FINISHING, R.FINISHED, R.CANCELLING, R.CANCELLED, R.ERROR}),
        (R.FINISHING, {R.FINISHED, R.ERROR}),
        (R.CANCELLING, {R.CANCELLED, R.ERROR}),
        (R.UNKNOWN, set()),
    ],
)
def test_what_may_follow(state: RunState, after: set[RunState]) -> None:
    assert reachable(state) == after
    assert all(state in reporters(later) for later in after)
    assert state in reporters(state)
