"""Equal answers stand together, in the order in which a person should read them."""

from __future__ import annotations

from typing import Any

from jobqueue.model.answers import ORDER, group_equal, rank, without_incidental
from jobqueue.model.states import FAILURES, ExecutionState


def grouped(*answers: tuple[str, str, Any]) -> list[list[str]]:
    groups = group_equal(answers, lambda one: one[1], lambda one: one[0], lambda one: without_incidental(one[2]))
    return [[host for host, _, _ in group] for group in groups]


def test_failures_first_then_the_largest_group_then_by_name() -> None:
    assert grouped(
        ("e", "completed", 1), ("d", "completed", 2), ("c", "completed", 2), ("b", "started", None), ("a", "failed", 1),
        ("z", "unheard_of", 1), ("f", "completed", 3),
    ) == [["z"], ["a"], ["b"], ["c", "d"], ["e"], ["f"]]  # fmt: skip


def test_what_differs_with_every_run_does_not_count() -> None:
    assert grouped(
        ("a", "completed", {"duration_ms": 1, "v": 1}),
        ("b", "completed", {"v": 1, "duration_ms": 2}),
        ("c", "completed", {"v": 1}),
        ("d", "completed", {"v": True, "duration_ms": 1}),
    ) == [["a", "b"], ["c"], ["d"]]


def test_every_state_has_a_place() -> None:
    assert set(ORDER) == set(ExecutionState)
    assert {state.value for state in ORDER if rank(state.value) < len(FAILURES)} == {s.value for s in FAILURES}
